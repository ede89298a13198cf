"""Logs that others put in, change or take away, as the system tells. I/O.

What this process writes is told by the store, and is passed over here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Final

import trio

from codexd.index.logs import Logs
from codexd.index.schema import stream_of

# Changes that come together are told together, but not later than this.
STEP_MS: Final = 100
TOGETHER_MS: Final = 500


async def watch_logs(
    logs: Logs, is_loaded: Callable[[str], bool], tell: Callable[[Iterable[str]], None]
) -> None:
    """Tell which streams' files changed, until cancelled. Raises: whatever the system refuses."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    from watchfiles import Change, awatch

    for folder in logs.folders:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    stop = trio.Event()

    def is_foreign(change: Change, path: str) -> bool:
        stream = stream_of(path)
        return stream is None or change == Change.deleted or not is_loaded(stream)

    async def stop_when_cancelled() -> None:
        # The library's thread looks at this; a cancellation alone would wait until something changes.
        try:
            await trio.sleep_forever()
        finally:
            stop.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_when_cancelled)
        changes = awatch(
            *logs.folders,
            watch_filter=is_foreign,
            step=STEP_MS,
            debounce=TOGETHER_MS,
            stop_event=stop,
        )
        async with aclosing(changes):
            async for some in changes:
                tell(stream for _, path in some for stream in _streams(path))


def _streams(path: str) -> Iterator[str]:
    """The stream whose file it is; of a folder, those of all files in it: it may have come with them."""
    stream = stream_of(path)
    if stream is not None:
        yield stream
        return
    for _, _, names in os.walk(path):
        yield from (stream for name in names if (stream := stream_of(name)) is not None)
