"""One thread of many small turns, written as a file in the log's format: for measuring what opening it costs.

    python tests/bench/long_thread.py FOLDER EVENTS

Law: what it writes is what the daemon would have written, the prints of its requests included; only nobody
waited for a disk, and no more of it is in memory than a few turns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench.homes import NEWEST_MS, events_of, thread_id
from codexd.core.events.events import Event, ModelCallStarted, ThreadStarted, encode_event
from codexd.core.events.record import encode_members
from codexd.core.events.tools import ToolEnded
from codexd.projections.model.history import ModelHistory
from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import Layout
from codexd_eventstore.format.lines import chain_start, crc_of, frame
from codexd_eventstore.store import NewEvent

# Turns that are made up at a time.
TURNS: Final = 50
# A command prints so many times what it prints in `homes`: then 1,000,000 events are about 670 MB.
OUTPUTS: Final = 4


def _events(count: int) -> Iterator[tuple[Event, str | None]]:
    """Whole turns, until there are so many events."""
    made = number = 0
    while made < count:
        for event, turn in events_of(number, TURNS):
            if number and isinstance(event, ThreadStarted):
                continue
            made += 1
            yield event, turn
        number += 1


def write_long_thread(folder: Path, count: int) -> tuple[str, Path]:
    """Write it into a home; its id and its file."""
    stream = thread_id(0, NEWEST_MS)
    path = Path(Layout(FileSystem(), str(folder)).log(stream))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    history, chain = ModelHistory(), chain_start(stream)
    with path.open("wb") as file:
        for after, (event, turn) in enumerate(_events(count)):
            if isinstance(event, ModelCallStarted):
                event = replace(event, request=history.print_request(b"", ()))
            elif isinstance(event, ToolEnded):
                printed = event.result.output * OUTPUTS
                event = replace(
                    event, result=replace(event.result, output=printed, model_text=printed)
                )
            history = history.after(event).without_printed()
            new = NewEvent(event.type, encode_event(event), event.v, encode_members("b:1", turn))
            (record,) = frame([new], after=after, chain=chain, at_us=NEWEST_MS * 1000 + after * 500)
            file.write(record.line + b"\n")
            chain = crc_of(record.line)
    os.chmod(path, 0o600)
    return stream, path


if __name__ == "__main__":
    written, place = write_long_thread(Path(sys.argv[1]), int(sys.argv[2]))
    print(f"{written}: {place.stat().st_size >> 20} MiB in {place}")
