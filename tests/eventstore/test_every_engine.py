"""What every engine promises."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.reading import Pages, records, records_back
from codexd_eventstore.store import (
    PAGE_BYTES_MAX,
    Appended,
    Conflict,
    EventLog,
    Exists,
    Head,
    NewEvent,
    NotFound,
    Record,
    Refused,
    Snapshot,
    Swept,
    Verdict,
)
from store_engines import (
    NOON_US,
    Engine,
    LogEngine,
    append,
    in_a_dict,
    jsonl,
    memory,
    numbers,
    placed,
    rows,
)
from trio_test import trio_test

every_engine = pytest.mark.parametrize("engine", [jsonl, memory])
# What follows from the contract of a log holds for an engine that has nothing else.
every_log = pytest.mark.parametrize("engine", [jsonl, memory, in_a_dict])


NAMES_THAT_COULD_BE_PATHS = ["", ".", "..", "a/b", ".hidden", "a b", "x" * 201, "é"]
REFUSED = [
    NewEvent("order.placed", b"[1]"),
    NewEvent("order.placed", b'{\n"n":1}'),
    NewEvent("no spaces", b"{}"),
    NewEvent("order.placed", b"{}", members=b'"more":true'),
    NewEvent("order.placed", b'{"a":"%b"}' % (b"x" * 16 * 1024 * 1024)),
]


@every_log
@trio_test
async def test_a_stream_is_created_by_its_first_append(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        with pytest.raises(NotFound):
            await store.head("orders")
        with pytest.raises(NotFound):
            await store.read("orders")
        answer = await append(store, "orders", 0, placed(1), placed(2), durable=True)
        assert (answer.first, answer.last, answer.repeated) == (1, 2, False)
        assert list(answer.records) == await store.read("orders")
        assert (await store.head("orders")).version == 2


@every_log
@trio_test
async def test_a_record_is_one_json_object_with_members_in_order(
    engine: LogEngine, tmp_path: Path
) -> None:
    event = NewEvent("order.placed", b'{"n":1}', v=2, members=b'"by":"ann"')
    async with engine(tmp_path) as store:
        await append(store, "orders", 0, event, placed(2), key='a "quoted" key')
        lines = [record.line for record in await store.read("orders")]
    assert lines[0].startswith(
        b'{"seq":1,"at":"2026-11-21T03:00:00.000000Z","type":"order.placed","v":2,"more":true,'
        b'"key":"a \\"quoted\\" key","by":"ann","data":{"n":1},"crc":"'
    )
    assert b"more" not in lines[1]
    for line in lines:
        msgspec.json.decode(line)


@every_log
@trio_test
async def test_only_the_expected_version_is_appended_to(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        with pytest.raises(NotFound):
            await append(store, "orders", 3)
        await append(store, "orders", 0)
        for stale in (0, 2):
            with pytest.raises(Conflict) as caught:
                await append(store, "orders", stale)
            assert (caught.value.stream, caught.value.expected, caught.value.actual) == (
                "orders",
                stale,
                1,
            )
        await append(store, "orders", 1)
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2)]


@every_log
@trio_test
async def test_of_two_concurrent_appends_one_wins(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        outcomes: list[str] = []

        async def attempt(number: int) -> None:
            try:
                await append(store, "orders", 0, placed(number), durable=True)
            except Conflict:
                outcomes.append("conflict")
            else:
                outcomes.append("won")

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(attempt, number)
        assert sorted(outcomes) == ["conflict"] * 4 + ["won"]
        assert (await store.head("orders")).version == 1


@every_log
@trio_test
async def test_a_key_gets_the_first_answer_before_any_conflict(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        first = await append(store, "orders", 1, placed(2), placed(3), key="k", durable=True)
        await append(store, "orders", 3)
        again = await append(store, "orders", 1, placed(9), key="k", durable=True)
        assert again == Appended(2, 3, first.records, repeated=True)
        assert (await store.head("orders")).version == 4


@every_log
@trio_test
async def test_a_key_that_is_still_being_written_is_waited_for(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        answers: list[Appended] = []

        async def send() -> None:
            answers.append(await append(store, "orders", 0, key="k", durable=True))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(send)
        assert sorted(answer.repeated for answer in answers) == [False, True]
        assert {(answer.first, answer.last) for answer in answers} == {(1, 1)}


@every_log
@pytest.mark.parametrize(
    "event",
    REFUSED,
    ids=["not an object", "a newline", "a bad type", "a member of ours", "too long"],
)
@trio_test
async def test_data_that_cannot_be_a_record_is_refused(
    engine: LogEngine, event: NewEvent, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        with pytest.raises(Refused):
            await append(store, "orders", 0, event)
        with pytest.raises(NotFound):
            await append(store, "orders", 1)
        await append(store, "orders", 0)
        with pytest.raises(Refused):
            await append(store, "orders", 1, placed(2), event)
        assert numbers(await store.read("orders")) == [(1, 1)]


@every_engine
@trio_test
async def test_a_refused_append_leaves_a_whole_log(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        for event in REFUSED:
            with pytest.raises(Refused):
                await append(store, "orders", 1, placed(2), event)
        assert await store.verify("orders") == Verdict("orders", 1)


@every_log
@pytest.mark.parametrize("name", NAMES_THAT_COULD_BE_PATHS)
@trio_test
async def test_a_name_that_could_be_a_path_is_refused(
    engine: LogEngine, name: str, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        with pytest.raises(Refused):
            await append(store, name, 0)
        with pytest.raises(Refused):
            await store.head(name)


@every_engine
@pytest.mark.parametrize("name", NAMES_THAT_COULD_BE_PATHS)
@trio_test
async def test_drafts_and_consumers_have_no_such_names_either(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        with pytest.raises(Refused):
            store.open_draft("orders", name, b"")
        with pytest.raises(Refused):
            await store.set_checkpoint(name, "orders", 1)


@every_log
@trio_test
async def test_nothing_and_too_much_at_once_are_refused(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        for count in (0, 1025):
            with pytest.raises(Refused):
                await store.append(
                    "orders",
                    [placed(1)] * count,
                    expected_version=0,
                    at_us=NOON_US,
                    durable=False,
                )


@every_log
@trio_test
async def test_time_never_runs_back(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0, at_us=NOON_US + 1_500_001)
        await append(store, "orders", 1, at_us=NOON_US)
        await append(store, "orders", 2, at_us=NOON_US + 2_000_000)
        assert [row.at for row in rows(await store.read("orders"))] == [
            "2026-11-21T03:00:01.500001Z",
            "2026-11-21T03:00:01.500001Z",
            "2026-11-21T03:00:02.000000Z",
        ]
        with pytest.raises(Refused):
            await append(store, "orders", 3, at_us=10**18)


async def window(store: EventLog, stream: str, count: int, size: int = 0) -> None:
    """Records 1 to `count`, in appends of 7."""
    for start in range(0, count, 7):
        events = [placed(number, size) for number in range(start + 1, min(start + 7, count) + 1)]
        await append(store, stream, start, *events)


@every_log
@pytest.mark.parametrize("size", [0, 3000], ids=["in memory", "beyond the ring"])
@trio_test
async def test_reading_from_any_position_either_way(
    engine: LogEngine, size: int, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await window(store, "orders", 200, size)
        whole = await store.read("orders")
        assert [record.seq for record in whole] == list(range(1, 201))
        for after in (0, 1, 63, 64, 65, 128, 199, 200, 300):
            for limit in (1, 64, 500):
                assert await store.read("orders", after=after, limit=limit) == whole[after:][:limit]
        for before in (None, 1, 2, 64, 65, 66, 200, 201, 300):
            for limit in (1, 64, 500):
                front = whole if before is None else whole[: before - 1]
                got = await store.read_back("orders", before=before, limit=limit)
                assert got == front[::-1][:limit]


@every_log
@trio_test
async def test_a_page_is_bounded(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0, *[placed(n) for n in range(1, 1001)])
        await append(store, "orders", 1000, *[placed(n) for n in range(1001, 2001)])
        assert len(await store.read("orders", limit=5000)) == 1024
        assert (await store.read_back("orders", limit=5000))[-1].seq == 977


@every_log
@trio_test
async def test_a_page_of_long_records_is_bounded_in_bytes(
    engine: LogEngine, tmp_path: Path
) -> None:
    # Some are as long as most of a page, so that a page ends within a range that begins with short ones.
    sizes = [0, 0, 0, PAGE_BYTES_MAX - 9, 0, PAGE_BYTES_MAX // 2, PAGE_BYTES_MAX // 2, 7, 0, 0]
    async with engine(tmp_path) as store:
        for number, size in enumerate(sizes, 1):
            await append(store, "a", number - 1, placed(number, size))
        await store.fork("a", len(sizes), "b", [placed(11)], at_us=NOON_US)
        for stream, count in (("a", 10), ("b", 11)):
            ahead = [page async for page in Pages(store, stream)]
            assert [record.seq for page in ahead for record in page] == list(range(1, count + 1))
            back: list[list[Record]] = []
            while page := await store.read_back(stream, before=back[-1][-1].seq if back else None):
                back.append(page)
            assert [record.seq for page in back for record in page] == list(range(count, 0, -1))
            for page in (*ahead, *back):
                longest = max(len(record.line) for record in page)
                assert sum(len(record.line) for record in page) - longest < PAGE_BYTES_MAX
            assert len(ahead) > 1 < len(back)


@every_log
@trio_test
async def test_going_through_a_stream_from_any_position(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await window(store, "orders", 20)
        whole = await store.read("orders")
        for after in (0, 1, 7, 19, 20, 30):
            for limit in (1, 7, 1024):
                got = [
                    record async for record in records(store, "orders", after=after, limit=limit)
                ]
                assert got == whole[after:]
                for upto in (0, 7, 8, 20):
                    some = records(store, "orders", after=after, upto=upto, limit=limit)
                    assert [record async for record in some] == whole[after:upto]
                back = records_back(store, "orders", before=after + 1, limit=limit)
                assert [record async for record in back] == whole[:after][::-1]


@every_log
@trio_test
async def test_a_way_back_may_jump_and_may_end_anywhere(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await window(store, "orders", 20)
        seen = []
        back = records_back(store, "orders", limit=4)
        async for record in back:
            seen.append(record.seq)
            if record.seq == 18:
                back.jump(9)
            if record.seq == 7:
                break
        assert seen == [20, 19, 18, 8, 7]
        assert [record.seq async for record in back] == [6, 5, 4, 3, 2, 1]


async def follow(store: EventLog, stream: str, after: int, last: int) -> list[Record]:
    """All records behind `after` up to `last`, by a subscription."""
    got: list[Record] = []
    with store.subscribe(stream, after=after) as subscription:
        while subscription.position < last:
            got += await subscription.receive()
    return got


@every_log
@trio_test
async def test_a_follower_sees_each_record_once_wherever_it_begins(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await window(store, "orders", 300, 2000)
        got: dict[int, list[Record]] = {}

        async def run(after: int) -> None:
            got[after] = await follow(store, "orders", after, 340)

        async with trio.open_nursery() as nursery:
            for after in (0, 1, 64, 299, 300, 320):
                nursery.start_soon(run, after)
            await wait_all_tasks_blocked()
            for number in range(301, 341):
                await append(store, "orders", number - 1, placed(number), durable=number % 3 == 0)
        whole = await store.read("orders")
        assert got == {after: whole[after:] for after in (0, 1, 64, 299, 300, 320)}


@every_log
@trio_test
async def test_a_cancelled_follower_has_lost_nothing(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        with store.subscribe("orders") as subscription:
            assert numbers(await subscription.receive()) == [(1, 1)]
            with trio.move_on_after(0):
                await subscription.receive()
            assert subscription.position == 1
            await append(store, "orders", 1)
            assert numbers(await subscription.receive()) == [(2, 2)]


@every_engine
@trio_test
async def test_a_follower_hears_that_its_stream_was_deleted(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        with store.subscribe("orders", after=1) as subscription:
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    with pytest.raises(NotFound):
                        await subscription.receive()

                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                await store.delete("orders")


@every_engine
@trio_test
async def test_a_follower_continues_when_its_stream_is_closed(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0, durable=True)
        with store.subscribe("orders", after=1) as subscription:
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    assert numbers(await subscription.receive()) == [(2, 2)]

                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                store.close("orders")
                await wait_all_tasks_blocked()
                await append(store, "orders", 1, durable=True)


@every_log
@trio_test
async def test_a_fork_reads_as_its_parent_did_up_to_there(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        for number in range(1, 6):
            await append(store, "a", number - 1)
        answer = await store.fork("a", 3, "b", [placed(40), placed(50)], at_us=NOON_US)
        assert (answer.first, answer.last) == (4, 5)
        assert (await store.read("b"))[:3] == (await store.read("a"))[:3]
        assert numbers(await store.read("b")) == [(1, 1), (2, 2), (3, 3), (4, 40), (5, 50)]
        head = await store.head("b")
        assert (head.version, head.parent, head.parent_seq) == (5, "a", 3)
        assert b'"parent":{"stream":"a","seq":3,' in answer.records[0].line
        assert b"parent" not in answer.records[1].line
        await append(store, "b", 5)
        await append(store, "a", 5)
        assert numbers(await store.read("a"))[3:] == [(4, 4), (5, 5), (6, 6)]
        assert numbers(await store.read("b"))[3:] == [(4, 40), (5, 50), (6, 6)]


@every_engine
@trio_test
async def test_only_its_own_records_are_checked_of_a_fork(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await window(store, "a", 6)
        await append(store, "a", 6)
        await store.fork("a", 6, "b", [placed(40), placed(50)], at_us=NOON_US)
        await append(store, "b", 8)
        assert [await store.verify(stream) for stream in "ab"] == [
            Verdict("a", 7),
            Verdict("b", 3),
        ]


DEPTH = 50


async def forks_of_forks(store: EventLog) -> list[tuple[int, int]]:
    """Each one a fork of the one before; what the last of them has."""
    await append(store, "s0", 0, placed(0))
    for level in range(1, DEPTH):
        await store.fork(f"s{level - 1}", level, f"s{level}", [placed(level)], at_us=NOON_US)
    return [(level + 1, level) for level in range(DEPTH)]


@every_log
@trio_test
async def test_forks_of_forks_read_through_any_depth(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        expected = await forks_of_forks(store)
        stream = f"s{DEPTH - 1}"
        assert numbers(await store.read(stream)) == expected
        assert numbers(await store.read(stream, after=10, limit=20)) == expected[10:30]
        assert numbers(await store.read_back(stream, before=31, limit=20)) == expected[10:30][::-1]
        assert numbers(await follow(store, stream, 7, DEPTH)) == expected[7:]


@every_engine
@trio_test
async def test_forks_of_forks_are_opened_again_at_any_depth(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        expected = await forks_of_forks(store)
        for level in range(DEPTH):
            store.close(f"s{level}")
        stream = f"s{DEPTH - 1}"
        assert numbers(await store.read(stream)) == expected
        assert (await store.verify(stream)).damage is None


async def forks_within_what_is_inherited(store: EventLog) -> None:
    for number in range(1, 6):
        await append(store, "a", number - 1)
    await store.fork("a", 4, "b", [placed(50)], at_us=NOON_US)
    await store.fork("b", 2, "c", [placed(30)], at_us=NOON_US)
    await store.fork("c", 0, "d", [placed(10)], at_us=NOON_US)
    await as_they_were_forked(store)


async def as_they_were_forked(store: EventLog) -> None:
    assert numbers(await store.read("c")) == [(1, 1), (2, 2), (3, 30)]
    assert numbers(await store.read("d")) == [(1, 10)]
    assert (await store.head("c")).parent == "b"


@every_log
@trio_test
async def test_a_fork_may_begin_in_its_parents_inherited_records(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await forks_within_what_is_inherited(store)


@every_engine
@trio_test
async def test_such_a_fork_is_whole_and_is_opened_again(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await forks_within_what_is_inherited(store)
        assert [(await store.verify(stream)).damage for stream in "abcd"] == [None] * 4
        for stream in "abcd":
            store.close(stream)
        await as_they_were_forked(store)
        assert [(await store.verify(stream)).damage for stream in "abcd"] == [None] * 4


@every_log
@trio_test
async def test_streams_that_cannot_be_forked(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "a", 0, placed(1), placed(2))
        with pytest.raises(NotFound):
            await store.fork("nothing", 1, "b", [placed(1)], at_us=NOON_US)
        with pytest.raises(Refused, match="within an append"):
            await store.fork("a", 1, "b", [placed(1)], at_us=NOON_US)
        with pytest.raises(Refused):
            await store.fork("a", 3, "b", [placed(1)], at_us=NOON_US)
        with pytest.raises(Refused):
            await store.fork("a", 2, "b", [], at_us=NOON_US)
        with pytest.raises(Refused):
            await store.fork("a", 2, "../b", [placed(1)], at_us=NOON_US)
        with pytest.raises(NotFound):
            await store.head("b")
        await append(store, "b", 0)
        with pytest.raises(Exists):
            await store.fork("a", 2, "b", [placed(1)], at_us=NOON_US)


@every_log
@trio_test
async def test_a_fork_is_not_earlier_than_where_it_left(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "a", 0, at_us=NOON_US + 5)
        await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
        assert rows(await store.read("b"))[1].at == "2026-11-21T03:00:00.000005Z"


@every_engine
@trio_test
async def test_an_archived_stream_reads_and_refuses_appends(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "a", 0)
        await store.archive("a")
        await store.archive("a")
        assert (await store.head("a")).archived
        assert numbers(await store.read("a")) == [(1, 1)]
        with pytest.raises(Refused, match="archived"):
            await append(store, "a", 1)
        assert [row.stream for row in await store.streams()] == []
        assert [row.stream for row in await store.streams(archived=True)] == ["a"]
        with pytest.raises((Conflict, Refused)):
            await append(store, "a", 0)
        await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
        store.close("a")
        assert (await store.head("a")).archived
        await store.unarchive("a")
        await store.unarchive("a")
        await append(store, "a", 1)
        assert sorted(row.stream for row in await store.streams()) == ["a", "b"]
        assert numbers(await store.read("b")) == [(1, 1), (2, 2)]
        for call in (store.archive, store.unarchive):
            with pytest.raises(NotFound):
                await call("nothing")


@every_engine
@trio_test
async def test_a_parent_is_not_deleted_from_under_its_children(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await append(store, "a", 0, key="k")
        await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
        with pytest.raises(Refused, match=r"\(b\)"):
            await store.delete("a")
        await append(store, "a", 1)
        await store.set_checkpoint("index", "b", 2)
        await store.delete("b")
        assert await store.checkpoint("index", "b") == 0
        await store.delete("a")
        for stream in "ab":
            for call in (store.head, store.read, store.verify, store.delete):
                with pytest.raises(NotFound):
                    await call(stream)
        assert await store.streams() == []
        # A new stream of that name knows nothing of the old one.
        assert not (await append(store, "a", 0, key="k")).repeated


@every_log
@trio_test
async def test_listing_costs_only_sizes_and_times(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        assert await store.streams() == []
        await append(store, "orders", 0)
        await append(store, "01a9c2f0-0000-7000-8000-000000000000", 0)
        listed = {row.stream: row for row in await store.streams()}
        assert set(listed) == {"orders", "01a9c2f0-0000-7000-8000-000000000000"}
        assert listed["orders"].size_bytes == len((await store.read("orders"))[0].line) + 1
        assert listed["orders"].modified_us > NOON_US - 10**15


@every_engine
@trio_test
async def test_a_draft_grows_and_is_dropped(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        draft = store.open_draft("orders", "item-1", b'{"item":1}')
        assert (draft.append(b"Hel"), draft.append(b"lo"), draft.size_bytes) == (3, 5, 5)
        assert (draft.read(), draft.read(1), draft.read(1, 3)) == (b"Hello", b"ello", b"el")
        assert draft.read(2, 99) == b"llo"
        draft.drop()
        draft.drop()
        with pytest.raises(NotFound):
            draft.append(b"more")
        with pytest.raises(Refused):
            store.open_draft("orders", "item-1", b"two\nlines")


@every_engine
@trio_test
async def test_a_live_draft_is_not_left_behind(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        draft = store.open_draft("orders", "item-1", b"")
        draft.append(b"Hello")
        assert await store.left_drafts("orders") == []
        await store.drop_left_drafts("orders")
        assert draft.append(b"!") == 6
        assert draft.read() == b"Hello!"


@every_engine
@trio_test
async def test_a_draft_can_be_kept_as_a_blob(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        draft = store.open_draft("orders", "output", b'{"tool":1}')
        draft.append(b"Hel")
        first = await draft.keep(drop=False)
        assert await store.read_blob(first.sha256) == b"Hel"
        draft.append(b"lo")
        blob = await draft.keep()
        assert blob.size_bytes == 5
        assert await store.read_blob(blob.sha256) == b"Hello"
        assert blob == await store.put_blob(b"Hello")
        with pytest.raises(NotFound):
            draft.read()
        assert await store.left_drafts("orders") == []


@every_engine
@trio_test
async def test_blobs_are_found_by_their_hash(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        blob = await store.put_blob(b"bytes")
        assert blob.sha256 == "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
        assert await store.put_blob(b"bytes") == blob
        assert await store.read_blob(blob.sha256, start=1, end=3) == b"yt"
        assert await store.read_blob(blob.sha256, start=3) == b"es"
        assert await store.read_blob((await store.put_blob(b"")).sha256) == b""
        for missing in ("0" * 64, "../../store.lock"):
            with pytest.raises(NotFound):
                await store.read_blob(missing)


@every_engine
@trio_test
async def test_a_consumer_finds_its_place_again(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        assert await store.checkpoint("index", "orders") == 0
        await store.set_checkpoint("index", "orders", 7)
        await store.set_checkpoint("index", "orders", 12)
        await store.set_checkpoint("notify", "orders", 3)
        assert await store.checkpoint("index", "orders") == 12
        assert await store.checkpoint("notify", "orders") == 3


@every_log
@trio_test
async def test_the_head_of_a_plain_stream(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        head = await store.head("orders")
        assert head == Head("orders", 1, path=head.path)


@every_engine
@trio_test
async def test_a_parent_is_deleted_once_its_forks_have_copies(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await append(store, "a", 0)
        await append(store, "a", 1)
        await store.fork("a", 2, "b", [placed(3)], at_us=NOON_US)
        await store.fork("b", 1, "c", [placed(20)], at_us=NOON_US)
        await store.fork("a", 0, "d", [placed(1)], at_us=NOON_US)
        assert await store.children("a") == ["b", "d"]
        before = {name: await store.read(name) for name in "bcd"}
        await store.delete("a", detach_children=True)
        await store.delete("b", detach_children=True)
        for name in "cd":
            assert await store.read(name) == before[name]
            assert (await store.verify(name)).damage is None
            assert (await store.head(name)).parent is None


@every_engine
@trio_test
async def test_a_scrubbed_stream_and_its_forks_have_other_data_and_the_same_numbers(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        for number in range(3):
            await append(store, "a", number)
        await store.fork("a", 2, "b", [placed(3)], at_us=NOON_US)
        answer = await store.scrub(
            "a", lambda record: b'{"number":9}' if record.seq == 2 else None, at_us=NOON_US
        )
        assert (answer.records, answer.changed, answer.generation) == (3, 1, 2)
        assert numbers(await store.read("a")) == [(1, 1), (2, 9), (3, 3)]
        assert numbers(await store.read("b")) == [(1, 1), (2, 9), (3, 3)]
        await append(store, "a", 3)
        await store.delete("a", detach_children=True)
        assert numbers(await store.read("b")) == [(1, 1), (2, 9), (3, 3)]
        assert (await store.verify("b")).damage is None
        assert (await store.salvage("b", at_us=NOON_US)).lost == 0


@every_engine
@trio_test
async def test_blobs_that_only_a_deleted_stream_named_are_swept(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        first, other = await store.put_blob(b"one"), await store.put_blob(b"other")
        for number, blob in enumerate((first, other)):
            event = NewEvent("order.placed", b'{"blob":"%b"}' % blob.sha256.encode())
            await append(store, f"s{number}", 0, event)
        named = await store.delete("s0")
        assert named == {first.sha256}
        assert await store.sweep_blobs(named) == Swept(1, 1, 3)
        assert await store.sweep_blobs() == Swept(1, 0, 0)
        assert await store.blobs() == [other]
        assert await store.verify_blob(other.sha256) is None


@every_log
@trio_test
async def test_an_append_is_found_by_its_key(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0)
        await append(store, "orders", 1, placed(2), placed(3), key="k")
        await store.fork("orders", 3, "others", [placed(4)], at_us=NOON_US)
        assert await store.find_key("orders", "k") == (2, 3)
        assert await store.find_key("orders", "another") is None
        assert (
            await store.find_key("others", "k") is None
        )  # a key answers for the log it was given to
        with pytest.raises(NotFound):
            await store.find_key("missing", "k")


@every_engine
@trio_test
async def test_the_last_snapshot_that_was_taken_is_kept(engine: Engine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store:
        await append(store, "orders", 0, placed(1), placed(2))
        assert await store.snapshot("orders", "history") is None
        for seq, content in ((0, b""), (1, b"one"), (2, b"two")):
            await store.set_snapshot("orders", "history", Snapshot(seq, content))
            assert await store.snapshot("orders", "history") == Snapshot(seq, content)
        assert await store.snapshot("orders", "another") is None
        with pytest.raises(Refused, match="has 2 records"):
            await store.set_snapshot("orders", "history", Snapshot(3, b"three"))
        await store.fork("orders", 2, "others", [placed(3)], at_us=NOON_US)
        await store.set_snapshot("others", "history", Snapshot(2, b"inherited"))
        assert await store.snapshot("others", "history") == Snapshot(2, b"inherited")
        await store.delete("others")
        await append(store, "others", 0, placed(9), placed(10))
        assert await store.snapshot("others", "history") is None
        with pytest.raises(NotFound):
            await store.snapshot("missing", "history")


@every_log
@trio_test
async def test_every_listener_receives_each_changed_stream_once(
    engine: LogEngine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        with store.changes() as first, store.changes() as second:
            for number in range(3):
                await append(store, "a", number)
            await store.fork("a", 1, "b", [placed(2)], at_us=NOON_US)
            assert await first.receive() == {"a", "b"}
            await append(store, "b", 2)
            assert await first.receive() == {"b"}
            assert await second.receive() == {"a", "b"}
            with trio.move_on_after(0):
                raise AssertionError(await second.receive())


@every_engine
@trio_test
async def test_a_stream_that_is_moved_or_removed_has_changed(
    engine: Engine, tmp_path: Path
) -> None:
    async with engine(tmp_path) as store:
        await append(store, "b", 0)
        with store.changes() as first, store.changes() as second:
            await store.archive("b")
            assert await first.receive() == {"b"}
            await store.unarchive("b")
            await store.delete("b")
            assert await first.receive() == {"b"}
            assert await second.receive() == {"b"}
            with trio.move_on_after(0):
                raise AssertionError(await second.receive())


@every_log
@trio_test
async def test_a_change_wakes_its_listeners(engine: LogEngine, tmp_path: Path) -> None:
    async with engine(tmp_path) as store, trio.open_nursery() as nursery:
        heard: list[frozenset[str]] = []
        with store.changes() as changes:

            async def listen() -> None:
                heard.append(await changes.receive())

            nursery.start_soon(listen)
            await wait_all_tasks_blocked()
            assert heard == []
            await append(store, "a", 0)
            await wait_all_tasks_blocked()
            assert heard == [{"a"}]
