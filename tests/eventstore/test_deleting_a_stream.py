"""Deleting a stream takes nothing from its forks, and leaves no unnamed blob."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import (
    Damaged,
    EventStore,
    NewEvent,
    NotFound,
    Record,
    Refused,
    StoreError,
    Swept,
)
from simulated_files import Disk, SimulatedFileSystem
from simulated_power import AllKept, AllLost, Sampled, after_power_cut
from store_engines import NOON_US, FastFiles, append, content, log_path, numbers, placed, put
from trio_test import trio_test


@asynccontextmanager
async def opened(folder: Path | str, files: FileSystem | None = None) -> AsyncIterator[EventStore]:
    """The default engine with seals, without waiting for the disk."""
    fs, state = files or FastFiles(), f"{folder}/state"
    async with open_jsonl_store(f"{folder}/data", state_dir=state, files=fs, sealed=True) as store:
        yield store


# Each with what it was forked from and where.
FORKS = [
    ("child", "a", 3),
    ("late", "child", 5),
    ("early", "child", 2),
    ("other", "a", 1),
    ("empty", "a", 0),
]
ALL = ["a", *(name for name, _, _ in FORKS)]


async def forks(store: EventStore) -> None:
    """`a` with four records, and forks of forks of it."""
    for number in range(1, 5):
        await append(store, "a", number - 1, placed(number), durable=True)
    for name, parent, seq in FORKS:
        await store.fork(parent, seq, name, [placed(10 * (seq + 1))], at_us=NOON_US)
        await append(store, name, seq + 1, placed(10 * (seq + 2)), durable=True)


async def read_all(store: EventStore, names: list[str]) -> dict[str, list[Record]]:
    """What each of them reads."""
    return {name: await store.read(name) for name in names}


async def all_whole(store: EventStore, names: list[str]) -> None:
    """None of them has any damage, nor a record that counts as another store's."""
    for name in names:
        assert (await store.verify(name)).damage is None, name
        assert not await store.foreign_in(name, await store.read(name)), name


@trio_test
async def test_a_stream_with_forks_is_refused_and_they_are_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        assert await store.children("a") == ["child", "empty", "other"]
        assert await store.children("late") == []
        with pytest.raises(Refused, match="child, empty, other"):
            await store.delete("a")
        with pytest.raises(NotFound):
            await store.children("nobody")


@trio_test
async def test_detached_forks_read_the_same_bytes_as_before(tmp_path: Path) -> None:
    names = ALL[1:]
    async with opened(tmp_path) as store:
        await forks(store)
        before = await read_all(store, names)
        await store.delete("a", detach_children=True)
        assert await read_all(store, names) == before
        await all_whole(store, names)
    async with opened(tmp_path) as store:
        assert await read_all(store, names) == before
        await all_whole(store, names)
        assert (await store.head("child")).parent is None
        assert (await store.head("late")).parent == "child"
        with pytest.raises(NotFound):
            await store.read("a")
        for name in names:
            await append(store, name, (await store.head(name)).version, durable=True)
        await store.delete("child", detach_children=True)
        assert await store.children("late") == []
        rest = ["late", "early", "other", "empty"]
        assert [r.line for r in (await store.read("late"))[:-1]] == [r.line for r in before["late"]]
        await all_whole(store, rest)


@pytest.mark.slow
@trio_test
async def test_all_of_it_goes_in_any_order(tmp_path: Path) -> None:
    for seed in range(6):
        order = random.Random(seed).sample(ALL, len(ALL))
        async with opened(tmp_path / str(seed)) as store:
            await forks(store)
            before = await read_all(store, ALL)
            for number, name in enumerate(order):
                await store.delete(name, detach_children=True)
                left = order[number + 1 :]
                assert await read_all(store, left) == {stream: before[stream] for stream in left}
                await all_whole(store, left)


@trio_test
async def test_forks_of_a_stream_that_was_scrubbed_since_are_detached(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        await store.scrub(
            "a", lambda record: b'{"number":7}' if record.seq == 1 else None, at_us=NOON_US
        )
        await store.fork("a", 2, "new", [placed(1)], at_us=NOON_US)
        names = [*ALL[1:], "new"]
        before = {name: numbers(await store.read(name)) for name in names}
        await store.delete("a", detach_children=True)
    async with opened(tmp_path) as store:
        assert {name: numbers(await store.read(name)) for name in names} == before
        await all_whole(store, names)


@trio_test
async def test_an_archived_fork_is_detached_and_stays_archived(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        await store.archive("child")
        before = await read_all(store, ["child", "late"])
        await store.delete("a", detach_children=True)
        assert await read_all(store, ["child", "late"]) == before
        assert (await store.head("child")).archived


@trio_test
async def test_a_damaged_parent_with_forks_is_not_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        path = await log_path(store, "a")
        store.close("a")
        whole = content(path)
        put(path, whole.replace(b'"number":2', b'"number":9'))
        with pytest.raises(Damaged):
            await store.delete("a", detach_children=True)
        assert path.exists()
        put(path, whole)
        await all_whole(store, ALL)


@trio_test
async def test_readers_and_writers_of_forks_continue_while_their_parent_is_deleted(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        before = await read_all(store, ALL[1:])

        async def read(name: str) -> None:
            for _ in range(30):
                assert (await store.read(name))[: len(before[name])] == before[name]
                await trio.lowlevel.checkpoint()

        async def write(name: str) -> None:
            version = len(before[name])
            for number in range(10):
                await append(store, name, version + number, durable=number % 2 == 0)

        async with trio.open_nursery() as nursery:
            for name in ALL[1:]:
                nursery.start_soon(read, name)
                nursery.start_soon(write, name)
            await store.delete("a", detach_children=True)
        await all_whole(store, ALL[1:])


@pytest.mark.slow
@trio_test
async def test_after_a_power_cut_at_any_call_every_fork_reads_the_same() -> None:
    files = SimulatedFileSystem()
    moments: list[tuple[str, Disk]] = []
    changing = {"create", "write", "sync", "sync_folder", "rename", "unlink", "make_folder"}

    def on_call(kind: str, path: str) -> None:
        if kind in changing:
            moments.append((f"{kind} {path}", files.disk()))

    async with opened("/disk", files) as store:
        await forks(store)
        before = await read_all(store, ALL)
        files.on_call = on_call
        await store.delete("a", detach_children=True)
        files.on_call = lambda kind, path: None
        moments.append(("the end", files.disk()))
    cases, gone = 0, set()
    for place, (call, disk) in enumerate(moments):
        for outcome in (AllLost(), AllKept(), Sampled(random.Random(place))):
            after = after_power_cut(disk, outcome)
            async with opened("/disk", after) as store:
                assert await read_all(store, ALL[1:]) == {n: before[n] for n in ALL[1:]}, call
                await all_whole(store, ALL[1:])
                try:
                    assert await store.read("a") == before["a"]
                    gone.add(False)
                except NotFound:
                    gone.add(True)
                assert not after.entries("/disk/data/rewriting")
            cases += 1
    assert gone == {True, False}
    print(f"power cuts while deleting: {cases} cases")


@pytest.mark.slow
@trio_test
async def test_a_disk_that_fails_at_any_call_takes_nothing_from_a_fork() -> None:
    from fault_plans import ANY, FaultAt

    nth = 0
    while True:
        nth += 1
        plan = FaultAt(nth, 5, kinds=ANY - {"close"})
        files = SimulatedFileSystem(faults=plan)
        async with opened("/disk", files) as store:
            await forks(store)
            before = await read_all(store, ALL[1:])
            plan.start()
            try:
                await store.delete("a", detach_children=True)
            except StoreError:
                assert plan.failed
            plan.stop()
        async with opened("/disk", files) as store:
            assert await read_all(store, ALL[1:]) == before
            await all_whole(store, ALL[1:])
        if not plan.failed:
            break
    print(f"calls that failed while deleting: {nth - 1} cases")


def naming(sha256: str) -> NewEvent:
    """An event that names a blob."""
    return NewEvent("order.placed", b'{"number":0,"blob":"%b"}' % sha256.encode())


@trio_test
async def test_only_blobs_that_nothing_names_are_swept(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        named = [(await store.put_blob(b"%d" % n)).sha256 for n in range(6)]
        await append(store, "a", 0, naming(named[0]), durable=True)
        await append(store, "b", 0, naming(named[1]), durable=True)
        await store.archive("b")
        path = await log_path(store, "a")
        put(path.with_name("a.jsonl.torn-20261121T030000Z"), b"torn " + named[2].encode())
        put(path.with_name("a.jsonl.damaged-20261121T030000Z"), named[3].encode() + b"f00")
        store.open_draft("a", "text", b"{}").append(b'"' + named[4].encode() + b'"')
        folder = tmp_path / "data" / "blobs" / named[5][:2]
        put(folder / f"{named[5]}.7.new", b"of a process that died")
        # What this process has put stays, for its event may still come.
        assert await store.sweep_blobs() == Swept(6, 0, 0)
    async with opened(tmp_path) as store:
        assert await store.sweep_blobs([named[0]]) == Swept(1, 0, 0)
        assert await store.sweep_blobs() == Swept(6, 1, 1)
        assert [await store.read_blob(name) for name in named[:5]] == [b"%d" % n for n in range(5)]
        with pytest.raises(NotFound):
            await store.read_blob(named[5])
        assert not list((tmp_path / "data" / "blobs").rglob("*.new"))


@trio_test
async def test_a_name_across_the_pieces_in_which_a_log_is_read_is_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        sha256 = (await store.put_blob(b"one")).sha256
        await append(store, "a", 0, naming(sha256), durable=True)
        path = await log_path(store, "a")
    whole = content(path)
    for shift in (0, 1, 31, 63, 64):
        start = whole.index(sha256.encode()) + 64 - shift
        put(path.with_name("a.jsonl.torn-1"), b"x" * (1024 * 1024 - start) + whole)
        put(path, b"")
        async with opened(tmp_path) as store:
            assert (await store.sweep_blobs()).removed == 0


@trio_test
async def test_the_blobs_of_a_deleted_log_can_be_swept_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        sha256 = (await store.put_blob(b"one")).sha256
        shared = (await store.put_blob(b"two")).sha256
        await append(store, "a", 0, naming(sha256))
        await append(store, "a", 1, naming(shared))
        await store.put_blob(b"two")
        await append(store, "b", 0, naming(shared))
        named = await store.delete("a")
        assert named == {sha256, shared}
        assert await store.sweep_blobs(named) == Swept(2, 1, 3)
        assert await store.read_blob(shared) == b"two"


@trio_test
async def test_a_blob_whose_bytes_changed_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        good, bad = await store.put_blob(b"good"), await store.put_blob(b"bad")
        assert sorted(await store.blobs(), key=lambda blob: blob.size_bytes) == [bad, good]
        put(tmp_path / "data" / "blobs" / bad.sha256[:2] / bad.sha256, b"bed")
        assert await store.verify_blob(good.sha256) is None
        assert await store.verify_blob(bad.sha256) == "its 3 bytes have another hash"
