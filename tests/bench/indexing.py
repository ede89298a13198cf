"""The index: made anew with its full text out of the logs, and how far it lags behind an append."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from pathlib import Path
from statistics import median

import trio

from bench.homes import events_of, thread_id, write_home
from bench.orders import AT_US
from bench.scale import scaled
from bench.table import Table, rate, us
from codexd.core.events.events import encode_event
from codexd.core.events.record import encode_members
from codexd.index.__main__ import GC_YOUNG_OBJECTS, WAL_PAGES
from codexd.index.build.reconcile import reconcile
from codexd.index.index import SearchIndex
from codexd.index.store.schema import open_index
from codexd_eventstore.log.file_reader import LogFiles
from codexd_eventstore.operations.jsonl import JsonlStore
from codexd_eventstore.store import NewEvent

# Some 130,000 records, of which a third say something that can be found.
THREADS, TURNS = scaled(200, 3), scaled(50, 2)
LAGS = scaled(40, 3)
# A lag is seen this late: far below what is asked.
LOOK_SECONDS = 0.002
PAUSE = threading.Event()  # nobody sets it


async def run(table: Table, store: JsonlStore, folder: Path) -> None:
    """All rows about the index."""
    made_anew(table, folder)
    await lagging(table, store, folder)


def made_anew(table: Table, folder: Path) -> None:
    """What the index's own process does when the file is gone, without the start of a process."""
    records = write_home(folder / "indexed", THREADS, TURNS)
    before = gc.get_threshold()
    gc.set_threshold(GC_YOUNG_OBJECTS)
    took = []
    for attempt in range(3):
        start = time.perf_counter()
        connection = open_index(folder / f"index-{attempt}.sqlite")
        connection.execute("PRAGMA cache_size=-32768")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        reconcile(connection, LogFiles(folder / "indexed"))
        connection.close()
        took.append(time.perf_counter() - start)
    gc.set_threshold(*before)
    each = median(took)
    table.add(
        "an index made anew, full text included",
        rate(records, each),
        asked="≥ 250,000/s",
        holds=records / each >= 250_000,
    )


async def lagging(table: Table, store: JsonlStore, folder: Path) -> None:
    """From the answer to an append to its row, while nobody asks the index for anything."""
    stream = thread_id(1, AT_US // 1000)
    state = folder / "indexing"
    state.mkdir()
    index = SearchIndex(state, folder / "home", lambda _: False)
    lags = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(index.run, store)
        for version, (event, turn) in enumerate(events_of(1, LAGS)[:LAGS]):
            new = NewEvent(event.type, encode_event(event), event.v, encode_members("bench", turn))
            await store.append(
                stream, [new], expected_version=version, at_us=AT_US, durable=version == 0
            )
            start = time.perf_counter()
            await trio.to_thread.run_sync(wait_indexed, state / "index.sqlite", stream, version + 1)
            lags.append(time.perf_counter() - start)
        nursery.cancel_scope.cancel()
    # The first one waits for the index to be opened and compared with all logs.
    worst = max(lags[1:])
    table.add(
        "the index has a record after its append returned, at worst",
        us(worst),
        asked="< 500 ms",
        holds=worst < 0.5,
    )


def wait_indexed(path: Path, stream: str, seq: int) -> None:
    """Return once the file has a record."""
    while indexed(path, stream) < seq:
        PAUSE.wait(LOOK_SECONDS)


def indexed(path: Path, stream: str) -> int:
    """The last record of a stream that the file has; 0 where it has none yet."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT seq FROM thread WHERE id=?", (stream,)).fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0  # the file is not there, or is being made
    return 0 if row is None else int(row[0])
