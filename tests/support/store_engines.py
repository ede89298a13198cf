"""The engines under test, and short ways to speak to any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import Appended, EventLog, EventStore, NewEvent, Record
from dict_log import DictLog

# 2026-11-21T03:00:00Z
NOON_US = 1_795_230_000_000_000


class Engine(Protocol):
    """How to open a store; the same folder again is the same store, where an engine has folders."""

    def __call__(self, folder: Path, /) -> AbstractAsyncContextManager[EventStore]: ...


class LogEngine(Protocol):
    """How to open a log of which nothing is known but that it is one."""

    def __call__(self, folder: Path, /) -> AbstractAsyncContextManager[EventLog]: ...


@asynccontextmanager
async def in_a_dict(folder: Path) -> AsyncIterator[EventLog]:
    """The engine that is a log and nothing else."""
    yield DictLog()


@asynccontextmanager
async def jsonl(folder: Path) -> AsyncIterator[EventStore]:
    """The default engine."""
    async with open_jsonl_store(folder / "home", state_dir=folder / "state") as store:
        yield store


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[EventStore]:
    """The engine without files."""
    yield MemoryStore()


def placed(number: int, size: int = 0) -> NewEvent:
    """An event with a number to tell it by, and `size` bytes of text."""
    return NewEvent("order.placed", b'{"number":%d,"text":"%b"}' % (number, b"x" * size))


async def append(
    store: EventLog,
    stream: str,
    expected: int,
    *events: NewEvent,
    durable: bool = False,
    at_us: int = NOON_US,
    key: str | None = None,
) -> Appended:
    """Append with the usual arguments; one event where none is given."""
    return await store.append(
        stream,
        events or (placed(expected + 1),),
        expected_version=expected,
        at_us=at_us,
        durable=durable,
        key=key,
    )


class Order(msgspec.Struct, frozen=True):
    """The data of `placed`."""

    number: int


class Row(msgspec.Struct, frozen=True):
    """A record's own words."""

    seq: int
    at: str
    data: Order


def rows(records: Sequence[Record]) -> list[Row]:
    """The records, decoded."""
    return [msgspec.json.decode(record.line, type=Row) for record in records]


def numbers(records: Sequence[Record]) -> list[tuple[int, int]]:
    """The seq of each record with the number of its event."""
    return [(row.seq, row.data.number) for row in rows(records)]


class FastFiles(FileSystem):
    """The real files without waiting for the disk: for tests that damage logs by the thousand."""

    def sync(self, fd: int) -> None:
        """Nothing."""

    def sync_folder(self, path: str) -> None:
        """Nothing."""


async def log_path(store: EventStore, stream: str) -> Path:
    """The file of a stream."""
    path = (await store.head(stream)).path
    assert path is not None
    return Path(path)


# A test may block while it looks at a file, and says so by calling these.


def content(path: Path) -> bytes:
    """All of a file."""
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    """Make a file of these bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def close_unnoted(store: JsonlStore, stream: str) -> None:
    """Close a stream and forget what was noted of it: its log is all that there is, and may be torn at will."""
    store.close(stream)
    store.notes.drop(stream, checkpoints=False)


@asynccontextmanager
async def opened(folder: Path | str, files: FileSystem | None = None) -> AsyncIterator[EventStore]:
    """The default engine, without waiting for the disk."""
    fs = files or FastFiles()
    async with open_jsonl_store(f"{folder}/data", state_dir=f"{folder}/state", files=fs) as store:
        yield store
