"""Text that must not be in a log is removed from it: every number stays, and every fork still reads."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from codexd_eventstore.store import EventStore, Record, Refused, Rewritten, StoreFailed
from simulated_files import Disk, SimulatedFileSystem
from simulated_power import AllKept, AllLost, Sampled, after_power_cut
from store_engines import (
    NOON_US,
    append,
    content,
    log_path,
    numbers,
    opened,
    placed,
    put,
)
from trio_test import trio_test

SECRET = b"hunter2"


def secret(number: int) -> bytes:
    """The data of an order that holds the secret."""
    return b'{"number":%d,"text":"%b"}' % (number, SECRET)


def without_secret(record: Record) -> bytes | None:
    """Its data without it; None where it has none."""
    if SECRET not in record.line:
        return None
    data = msgspec.json.decode(record.line, type=dict[str, msgspec.Raw])["data"]
    return bytes(data).replace(SECRET, b"\xc2\xabsecret\xc2\xbb")


async def told(store: EventStore, stream: str = "orders", records: int = 6, at: int = 3) -> None:
    """A stream with the secret in one of its records."""
    for number in range(1, records + 1):
        event = placed(number)
        if number == at:
            event = msgspec.structs.replace(event, data=secret(number), members=b'"by":{"data":{}}')
        await append(store, stream, number - 1, event, durable=True, key=f"key {number}")


@trio_test
async def test_the_secret_is_gone_and_everything_else_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await told(store)
        path = await log_path(store, "orders")
        before = await store.read("orders")
        answer = await store.scrub("orders", without_secret, at_us=NOON_US)
        assert answer == Rewritten("orders", 2, 6, 1)
        assert SECRET not in content(path)
        assert content(path).startswith(b'{"seq":0,"at":"2026-11-21T')
        after = await store.read("orders")
        assert numbers(after) == numbers(before)
        assert [record.line[:60] for record in after] == [record.line[:60] for record in before]
        assert after[:2] == before[:2]
        assert (await append(store, "orders", 0, key="key 3")).repeated
        await append(store, "orders", 6, durable=True)
    async with opened(tmp_path) as store:
        assert (await store.verify("orders")).damage is None
        assert (await store.verify("orders")).records == 7
        assert (await store.scrub("orders", without_secret, at_us=NOON_US)).changed == 0
        again = await store.scrub("orders", lambda record: b'{"number":0}', at_us=NOON_US)
        assert (again.generation, again.changed) == (3, 7)


@trio_test
async def test_forks_of_every_depth_read_and_verify_after_a_parent_was_scrubbed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await told(store)
        await store.fork("orders", 5, "child", [placed(60)], at_us=NOON_US)
        await store.fork("child", 4, "early", [placed(50)], at_us=NOON_US)
        await store.fork("child", 6, "late", [placed(70)], at_us=NOON_US)
        await store.scrub("orders", without_secret, at_us=NOON_US)
        await store.fork("orders", 5, "new", [placed(61)], at_us=NOON_US)
        await store.fork("child", 5, "cousin", [placed(62)], at_us=NOON_US)
        await store.scrub("orders", lambda record: b'{"number":9}', at_us=NOON_US)
    names = ["orders", "child", "early", "late", "new", "cousin"]
    async with opened(tmp_path) as store:
        for name in names:
            assert (await store.verify(name)).damage is None, name
            read = b"".join([record.line for record in await store.read(name)])
            assert SECRET not in read
        assert numbers(await store.read("late"))[-2:] == [(6, 60), (7, 70)]


@trio_test
async def test_an_archived_log_is_scrubbed_where_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await told(store)
        await store.archive("orders")
        await store.scrub("orders", without_secret, at_us=NOON_US)
        assert (await store.head("orders")).archived
        path = await log_path(store, "orders")
        assert path.parent.name == "archived"
        assert SECRET not in content(path)


@trio_test
async def test_copies_beside_the_log_are_removed_and_reported(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await told(store)
        path = await log_path(store, "orders")
        kept = [
            path.with_name(f"orders.jsonl.{what}-20261121T030000Z") for what in ("torn", "damaged")
        ]
        other = path.with_name("orders.jsonl.txt")
        for file in [*kept, other]:
            put(file, SECRET)
        answer = await store.scrub("orders", without_secret, at_us=NOON_US)
        assert sorted(answer.removed) == sorted(str(file) for file in kept)
        assert not any(file.exists() for file in kept)
        assert other.exists()


@trio_test
async def test_a_follower_continues_at_its_position(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, trio.open_nursery() as nursery:
        await told(store)
        seen: list[int] = []
        with store.subscribe("orders") as following:

            async def follow() -> None:
                while len(seen) < 8:
                    seen.extend(record.seq for record in await following.receive())

            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            await store.scrub("orders", without_secret, at_us=NOON_US)
            await append(store, "orders", 6)
            await store.scrub("orders", lambda record: b'{"number":0}', at_us=NOON_US)
            await append(store, "orders", 7)
    assert seen == list(range(1, 9))


@trio_test
async def test_appends_and_reads_wait_while_a_log_is_rewritten(tmp_path: Path) -> None:
    in_edit, go_on = trio.Event(), trio.Event()

    def edit(record: Record) -> bytes | None:
        if record.seq == 1:
            trio.from_thread.run_sync(in_edit.set)
            trio.from_thread.run(go_on.wait)
        return without_secret(record)

    async with opened(tmp_path) as store, trio.open_nursery() as nursery:
        await told(store)
        nursery.start_soon(lambda: store.scrub("orders", edit, at_us=NOON_US))
        await in_edit.wait()
        nursery.start_soon(append, store, "orders", 6)
        nursery.start_soon(lambda: store.fork("orders", 6, "child", [placed(70)], at_us=NOON_US))
        nursery.start_soon(store.read, "orders")
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        nursery.cancel_scope.deadline = trio.current_time() + 60
    async with opened(tmp_path) as store:
        assert (await store.head("orders")).version == 7
        assert (await store.verify("child")).damage is None


@trio_test
@pytest.mark.parametrize("data", [b"[]", b"{", b'{"a":\n1}'])
async def test_an_edit_that_is_no_json_object_changes_nothing(tmp_path: Path, data: bytes) -> None:
    async with opened(tmp_path) as store:
        await told(store)
        path = await log_path(store, "orders")
        before = content(path)
        with pytest.raises(Refused):
            await store.scrub("orders", lambda record: data, at_us=NOON_US)
        assert content(path) == before
        assert not list((tmp_path / "data" / "rewriting").iterdir())
        await append(store, "orders", 6)


async def each_moment(
    prepare: Callable[[EventStore], object], act: Callable[[EventStore], object]
) -> list[tuple[str, Disk]]:
    """The disk in front of every call that an act makes, and after it."""
    files = SimulatedFileSystem()
    moments: list[tuple[str, Disk]] = []
    async with opened("/disk", files) as store:
        await prepare(store)  # type: ignore[misc]
        files.on_call = lambda kind, path: moments.append((f"{kind} {path}", files.disk()))
        await act(store)  # type: ignore[misc]
        files.on_call = lambda kind, path: None
        moments.append(("the end", files.disk()))
    return moments


@trio_test
async def test_after_a_power_cut_at_any_call_the_log_is_the_old_or_the_new_log() -> None:
    async def prepare(store: EventStore) -> None:
        await told(store)
        await store.fork("orders", 5, "child", [placed(60)], at_us=NOON_US)

    moments = await each_moment(
        prepare, lambda store: store.scrub("orders", without_secret, at_us=NOON_US)
    )
    cases, generations = 0, set()
    for place, (call, disk) in enumerate(moments):
        for outcome in (AllLost(), AllKept(), Sampled(random.Random(place))):
            files = after_power_cut(disk, outcome)
            async with opened("/disk", files) as store:
                assert numbers(await store.read("orders")) == [(n, n) for n in range(1, 7)], call
                assert (await store.verify("child")).damage is None, call
                line = (await store.read("orders"))[2].line
                assert not files.entries("/disk/data/rewriting")
            generations.add(SECRET in line)
            cases += 1
    assert generations == {True, False}
    print(f"power cuts while scrubbing: {cases} cases")


@trio_test
async def test_a_disk_that_fails_at_any_call_leaves_the_old_or_the_new_log() -> None:
    from fault_plans import ANY, FaultAt

    nth = cases = 0
    while True:
        nth += 1
        plan = FaultAt(nth, 28, kinds=ANY - {"close"})
        files = SimulatedFileSystem(faults=plan)
        async with opened("/disk", files) as store:
            await told(store)
            plan.start()
            try:
                await store.scrub("orders", without_secret, at_us=NOON_US)
            except StoreFailed:
                cases += 1
            plan.stop()
            assert numbers(await store.read("orders")) == [(n, n) for n in range(1, 7)]
            await append(store, "orders", 6, durable=True)
            assert (await store.verify("orders")).damage is None
        if not plan.failed:
            break
    assert cases
    print(f"calls that failed while scrubbing: {nth - 1} cases")
