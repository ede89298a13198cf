"""Text that the caller's function removes is nowhere: not in a record, not in a blob, not where pieces meet."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from codexd_eventstore.disk.redact import HELD_BYTES_MAX, OVERLAP_BYTES, Redacting
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, NewEvent
from store_engines import NOON_US, Engine, append
from trio_test import trio_test

SECRET = b"hunter2-and-more"
PLAIN = NewEvent("order.placed", b'{"number":1}')
TOLD = NewEvent("order.placed", b'{"number":2,"text":"' + SECRET + b'"}')


def redact(content: bytes) -> bytes:
    return content.replace(SECRET, b"*") if SECRET in content else content


@asynccontextmanager
async def jsonl(folder: Path) -> AsyncIterator[EventStore]:
    async with open_jsonl_store(
        folder / "home", state_dir=folder / "state", redact=redact
    ) as store:
        yield store


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[EventStore]:
    yield MemoryStore(redact)


ENGINES = pytest.mark.parametrize("engine", [jsonl, memory], ids=["jsonl", "memory"])


def files_with(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


@ENGINES
@trio_test
async def test_an_append_says_whether_something_was_replaced(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        assert not (await append(store, "s", 0, PLAIN)).redacted
        answer = await append(store, "s", 1, PLAIN, TOLD, durable=True, key="k")
        assert answer.redacted
        assert b'"text":"*"' in answer.records[1].line
        assert list(answer.records) == (await store.read("s"))[1:]
        again = await append(store, "s", 1, PLAIN, TOLD, key="k")
        assert again.repeated
        assert again.records == answer.records
    assert files_with(tmp_path, SECRET) == []


@ENGINES
@trio_test
async def test_a_forks_first_events_are_redacted_as_well(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "s", 0, PLAIN)
        answer = await store.fork("s", 1, "child", [TOLD], at_us=NOON_US)
        assert answer.redacted
        assert SECRET not in answer.records[0].line
    assert files_with(tmp_path, SECRET) == []


@ENGINES
@trio_test
async def test_a_blob_is_named_after_its_stored_content(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        ref = await store.put_blob(b"a " + SECRET + b" z")
        assert ref.sha256 == hashlib.sha256(b"a * z").hexdigest()
        assert await store.read_blob(ref.sha256) == b"a * z"
    assert files_with(tmp_path, SECRET) == []


@ENGINES
@trio_test
async def test_a_blob_that_is_to_stay_as_it_is_does(engine: Engine, tmp_path: Path) -> None:
    picture = b"pixels " + SECRET
    async with engine(tmp_path) as store:
        ref = await store.put_blob(picture, as_it_is=True)
        assert ref.sha256 == hashlib.sha256(picture).hexdigest()
        assert await store.read_blob(ref.sha256) == picture


@ENGINES
@trio_test
async def test_a_draft_that_is_kept_becomes_a_clean_blob(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "s", 0, PLAIN)
        draft = store.open_draft("s", "output", b"{}")
        draft.append(b"x" * 1_048_570 + SECRET[:6])
        draft.append(SECRET[6:] + b"\nand the rest")
        ref = await draft.keep()
        assert await store.read_blob(ref.sha256) == b"x" * 1_048_570 + b"*\nand the rest"
    assert files_with(tmp_path, SECRET) == []


@trio_test
async def test_a_secret_that_becomes_known_while_a_blob_is_made_does_not_spoil_its_name(
    tmp_path: Path,
) -> None:
    known: list[bytes] = []

    def learning(content: bytes) -> bytes:
        found = content.replace(b"word", b"*") if known else content
        known.append(content)
        return found if found != content else content

    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state", redact=learning) as store:
        draft = store.open_draft("s", "output", b"{}")
        draft.append(b"a word")
        ref = await draft.keep()
        assert await store.read_blob(ref.sha256) == b"a *"  # read whole, so it was checked


LONG = NewEvent("order.placed", b'{"text":"' + b"long " * 20_000 + SECRET + b'"}')


class Held:
    """A function that does not come back before it is let go."""

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self, content: bytes) -> bytes:
        if len(content) > len(LONG.data) // 2:
            self.begun.set()
            assert self.release.wait(20)
        return redact(content)


@asynccontextmanager
async def holding(engine: str, folder: Path, held: Held) -> AsyncIterator[EventStore]:
    if engine == "memory":
        yield MemoryStore(held)
        return
    async with open_jsonl_store(folder / "home", state_dir=folder / "state", redact=held) as store:
        yield store


@pytest.mark.parametrize("engine", ["jsonl", "memory"])
@trio_test
async def test_others_are_served_while_a_long_event_is_looked_through(
    engine: str, tmp_path: Path
) -> None:
    held = Held()
    async with holding(engine, tmp_path, held) as store, trio.open_nursery() as nursery:
        await append(store, "s", 0, PLAIN)

        async def long_ones() -> None:
            assert (await append(store, "s", 1, LONG)).redacted
            assert (await store.fork("s", 2, "child", [LONG], at_us=NOON_US)).redacted
            assert await store.read_blob((await store.put_blob(LONG.data)).sha256)

        nursery.start_soon(long_ones)
        await trio.to_thread.run_sync(held.begun.wait)
        await append(store, "other", 0, PLAIN)
        held.release.set()
    assert files_with(tmp_path, SECRET) == []


@pytest.mark.parametrize("engine", ["jsonl", "memory"])
@trio_test
async def test_a_caller_that_is_cancelled_meanwhile_does_not_wait_and_nothing_was_appended(
    engine: str, tmp_path: Path
) -> None:
    held = Held()
    async with holding(engine, tmp_path, held) as store:
        await append(store, "s", 0, PLAIN)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append, store, "s", 1, LONG)
            await trio.to_thread.run_sync(held.begun.wait)
            nursery.cancel_scope.cancel()
        assert (await store.head("s")).version == 1
        held.release.set()


@pytest.mark.parametrize("lines", [True, False], ids=["lines", "one line"])
def test_pieces_come_out_as_the_whole_does_wherever_they_are_cut(lines: bool) -> None:
    filler = (b"some text\n" if lines else b"some text ") * 200
    content = b"".join(filler[: 400 + 37 * n] + SECRET for n in range(200))
    whole = redact(content)
    cases = 0
    for size in (OVERLAP_BYTES // 3, OVERLAP_BYTES, 2 * OVERLAP_BYTES + 1, 3 * OVERLAP_BYTES + 7):
        for shift in range(0, len(SECRET) + 20, 3):
            cut = [content[:shift], *chunks(content[shift:], size)]
            assert b"".join(Redacting(redact).pieces(cut)) == whole
            cases += 1
    print(f"ways to cut: {cases}")


def test_a_content_without_a_place_to_cut_is_not_held_forever() -> None:
    def all_of_it(content: bytes) -> bytes:
        return re.sub(rb"a+", b"*", content)

    piece = b"a" * (HELD_BYTES_MAX // 4)
    given = list(Redacting(all_of_it).pieces([piece] * 9))
    assert set(b"".join(given)) == set(b"*")
    assert len(given) > 1


def test_without_a_function_everything_passes_as_it_is() -> None:
    events = [PLAIN, TOLD]
    passed, redacted = Redacting().events(events)
    assert passed is events
    assert not redacted
    assert list(Redacting().pieces([b"a", b"b"])) == [b"a", b"b"]


def chunks(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]
