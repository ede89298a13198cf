"""Logs that other programs add, change or remove, as the system reports. I/O.

The store reports what this process writes, so that is ignored here. Folders are watched one by one and not as a
tree: to find the folders in a tree, the library would look at every log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Final

import trio

from codexd.machine.paths import make_folders
from codexd_eventstore.log.file_reader import LogFiles, stream_of

# How often the library's thread wakes up, for as long as the daemon lives: changes by others are not urgent, and an
# idle machine should not be woken more often.
STEP_MS: Final = 1000
# Changes that come together are reported together, but not later than this.
TOGETHER_MS: Final = 1000


async def watch_logs(
    logs: LogFiles,
    is_loaded: Callable[[str], bool],
    tell: Callable[[Iterable[str]], None],
    begun: Callable[[], None],
) -> None:
    """Report the streams whose files changed, until cancelled.

    `begun` is called when that begins and when it begins again, with a folder that is new: what happened up
    to then is for others to find.

    Raises: OSError.
    """
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    for folder in logs.folders:
        make_folders(Path(folder))
    while True:
        await _watch(logs.all_folders(), is_loaded, tell, begun)


async def _watch(
    folders: list[str],
    is_loaded: Callable[[str], bool],
    tell: Callable[[Iterable[str]], None],
    begun: Callable[[], None],
) -> None:
    """Watch these folders until a folder is added or removed."""
    from watchfiles import Change, awatch

    known, stop = set(folders), trio.Event()

    def is_foreign(change: Change, path: str) -> bool:
        stream = stream_of(path)
        if stream is None:
            return path not in known or change == Change.deleted
        return change == Change.deleted or not is_loaded(stream)

    async def begin() -> None:
        begun()
        with stopping(stop):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin)
        changes = awatch(
            *folders,
            watch_filter=is_foreign,
            step=STEP_MS,
            debounce=TOGETHER_MS,
            stop_event=stop,
            recursive=False,
        )
        # The other task runs once this task waits, which it does when the folders are being watched.
        async with aclosing(changes):
            async for some in changes:
                tell(stream for _, path in some for stream in _streams(path))
                if any(stream_of(path) is None for _, path in some):
                    break
        nursery.cancel_scope.cancel()


@contextmanager
def stopping(stop: trio.Event) -> Iterator[None]:
    """Stop the watching with this: a cancellation alone would wait until something changes."""
    try:
        yield
    finally:
        stop.set()


def _streams(path: str) -> Iterator[str]:
    """The stream of a log file; for a folder the streams of all files in it: it may have been moved here with files."""
    stream = stream_of(path)
    if stream is not None:
        yield stream
        return
    for _, _, names in os.walk(path):
        yield from (stream for name in names if (stream := stream_of(name)) is not None)
