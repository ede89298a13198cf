"""A thread that is opened from a snapshot and its tail is the thread that its whole log makes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from builders import ENDED, begun, calling, said
from codexd.core.events.events import (
    Event,
    InputQueued,
    ModelCallStarted,
    ThreadForked,
    TurnCompleted,
    encode_event,
)
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.record import Recorded
from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.items import TextInput
from codexd.projections.model.history import ModelHistory
from codexd.runtime.snapshots.folds import Folds
from codexd.runtime.snapshots.load import Loaded, load
from codexd.runtime.snapshots.refold import evicted_items, refold
from codexd.runtime.snapshots.writer import INDEX, WHOLE, SnapshotWriter, find_folds
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import EventStore, NewEvent, Record, Snapshot
from counting_store import CountingStore
from random_thread import INSTRUCTIONS, THREAD, TOOLS, Play, a_long_play, played
from stored import write

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=80)
CUTS = st.lists(st.integers(1, 60), min_size=1, max_size=6)
FEW = settings(max_examples=60, deadline=None, derandomize=True)
CHILD = ThreadId("0194d2a0-0000-7000-8000-000000000002")
GRANDCHILD = ThreadId("0194d2a0-0000-7000-8000-000000000003")


async def restore(
    store: EventStore, thread_id: ThreadId, folds: Folds, snapshot_writer: SnapshotWriter
) -> None:
    """Have all items in memory, as an actor does where a request is due."""
    if folds.history.evicted:
        items = await evicted_items(store, thread_id, folds, snapshot_writer)
        folds.history = folds.history.with_restored(items)


async def keep_steps(
    store: EventStore, records: Sequence[Recorded], gaps: Sequence[int]
) -> tuple[SnapshotWriter, Folds]:
    """Fold the records as an actor does, and take a snapshot once so many have gone by and nothing is open."""
    snapshot_writer, folds = SnapshotWriter(store, THREAD), Folds()
    left = list(gaps)
    last = 0
    for record in records:
        reverts = folds.summary.reverts.after(record.seq, record.event)
        if reverts is not folds.summary.reverts:
            refolded = await refold(store, THREAD, folds, reverts, record.seq - 1)
            folds.history = refolded.history
        folds.apply(record)
        # A request is due now and then, and then all items are in memory.
        if record.seq % 7 == 0:
            await restore(store, THREAD, folds, snapshot_writer)
        if left and record.seq - last >= left[0] and folds.between_turns:
            await snapshot_writer.keep(folds, last=record.seq % 2 == 0)
            last = record.seq
            if left.pop(0) % 3 == 0:
                folds.history = folds.history.without_printed()
    return snapshot_writer, folds


async def opened(
    store: EventStore, thread_id: ThreadId = THREAD, seed: Folds | None = None
) -> Loaded:
    """It as an actor has it when a request is due."""
    snapshot_writer = SnapshotWriter(store, thread_id)
    loaded = await load(store, thread_id, snapshot_writer, seed=seed)
    printed = next_print(loaded.folds.history)
    await restore(store, thread_id, loaded.folds, snapshot_writer)
    assert next_print(loaded.folds.history) == printed  # It takes no more than the newest items.
    return loaded


def next_print(history: ModelHistory) -> object:
    return history.print_request(INSTRUCTIONS, TOOLS)


def assert_alike(thread: Loaded, other: Loaded) -> None:
    assert thread.folds.state == other.folds.state
    assert thread.folds.history.evicted == other.folds.history.evicted == 0
    assert thread.folds.history == other.folds.history
    assert next_print(thread.folds.history) == next_print(other.folds.history)
    assert thread.folds.usage == other.folds.usage
    assert thread.folds.summary == other.folds.summary
    assert list(thread.turn_so_far) == list(other.turn_so_far)


@pytest.mark.slow
@FEW
@given(RUNS, CUTS, st.integers(0, 10_000))
def test_snapshot_and_tail_are_the_fold_from_zero(
    run: list[int], gaps: list[int], end: int
) -> None:
    async def check() -> None:
        records = played(run).records
        records = records[: 1 + end % len(records)]
        plain, kept = MemoryStore(), MemoryStore()
        await write(plain, records)
        await write(kept, records)
        await keep_steps(kept, records, gaps)
        assert_alike(await opened(kept), await opened(plain))

    trio.run(check)


@pytest.mark.slow
@FEW
@given(RUNS, CUTS, st.integers(0, 10_000))
def test_a_fork_begins_with_the_last_snapshot_in_front_of_it(
    run: list[int], gaps: list[int], end: int
) -> None:
    async def check() -> None:
        records = played(run).records
        at_seq = 1 + end % len(records)
        plain, kept = MemoryStore(), MemoryStore()
        event = ThreadForked(THREAD, at_seq)
        forked = NewEvent(event.type, encode_event(event))
        for store in (plain, kept):
            await write(store, records)
            await store.fork(THREAD, at_seq, CHILD, [forked], at_us=1)
        await keep_steps(kept, records, gaps)
        seed = await find_folds(kept, THREAD, at_seq)
        assert seed is None or seed.version <= at_seq
        assert_alike(await opened(kept, CHILD, seed), await opened(plain, CHILD))

    trio.run(check)


def test_a_fork_of_a_loaded_thread_begins_with_its_folds() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        snapshot_writer, folds = await keep_steps(store, play.records, [100, 100])
        event = ThreadForked(THREAD, folds.version)
        forked = NewEvent(event.type, encode_event(event))
        await store.fork(THREAD, folds.version, CHILD, [forked], at_us=1)
        whole = await opened(store, CHILD)
        seed = snapshot_writer.seed(folds)
        assert seed is not None
        assert_alike(await opened(store, CHILD, seed), whole)
        # What the child becomes is its own.
        assert folds.version == len(play.records)
        assert folds.history.items == play.history.items

    trio.run(check)


def test_a_grandchild_finds_the_items_that_its_elders_kept() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        records = play.records
        await write(store, records)
        await keep_steps(store, records, [60, 60])
        event = ThreadForked(THREAD, len(records))
        await store.fork(
            THREAD, len(records), CHILD, [NewEvent(event.type, encode_event(event))], at_us=1
        )
        child = SnapshotWriter(store, CHILD)
        seed = await find_folds(store, THREAD, len(records))
        assert seed is not None
        loaded = await load(store, CHILD, child, seed=seed)
        await child.keep(loaded.folds)
        again = await find_folds(store, CHILD, len(records) + 1)
        assert again is not None
        assert again.history.evicted
        assert await store.snapshot(CHILD, WHOLE) is None
        assert await store.snapshot(THREAD, WHOLE) is not None
        plain = MemoryStore()
        await write(plain, records)
        assert (await opened(store, CHILD)).folds.history.items == (
            (await opened(plain)).folds.history.items
        )

    trio.run(check)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


@pytest.mark.parametrize("spoil", [_cut, _flipped, lambda content: b"", lambda content: b"x" * 99])
@pytest.mark.parametrize("name", [INDEX, WHOLE, "step-1", "step-3"])
def test_a_changed_snapshot_is_ignored(spoil: Callable[[bytes], bytes], name: str) -> None:
    async def check() -> None:
        play, store, plain = a_long_play(), MemoryStore(), MemoryStore()
        await write(plain, play.records)
        await write(store, play.records)
        await keep_steps(store, play.records, [100, 100, 100])
        kept = await store.snapshot(THREAD, name)
        assert kept is not None
        await store.set_snapshot(THREAD, name, Snapshot(kept.seq, spoil(kept.content)))
        assert_alike(await opened(store), await opened(plain))

    trio.run(check)


def _packed_again(content: bytes) -> bytes:
    """Whole, and the same to who reads only what is packed: its checksum alone tells."""
    return content[:4] + zlib.compress(zlib.decompress(content[4:]), level=9)


def _another_checksum(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


async def version_found(store: EventStore, at_seq: int) -> int | None:
    found = await find_folds(store, THREAD, at_seq)
    return found.version if found is not None else None


@pytest.mark.parametrize("spoil", [_packed_again, _another_checksum])
def test_a_snapshot_counts_only_with_its_checksum(spoil: Callable[[bytes], bytes]) -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        await keep_steps(store, play.records, [100, 100])
        first, second = [await store.snapshot(THREAD, f"step-{n}") for n in (1, 2)]
        index = await store.snapshot(THREAD, INDEX)
        assert first is not None
        assert second is not None
        assert index is not None
        assert await version_found(store, second.seq) == second.seq
        assert await version_found(store, second.seq - 1) == first.seq
        await store.set_snapshot(THREAD, "step-2", Snapshot(second.seq, spoil(second.content)))
        assert await version_found(store, second.seq) == first.seq
        await store.set_snapshot(THREAD, "step-1", Snapshot(first.seq, spoil(first.content)))
        assert await version_found(store, second.seq) is None
        await store.set_snapshot(THREAD, "step-2", second)
        assert await version_found(store, second.seq) == second.seq
        await store.set_snapshot(THREAD, INDEX, Snapshot(index.seq, spoil(index.content)))
        assert await version_found(store, second.seq) is None

    trio.run(check)


def test_a_snapshot_of_another_thread_or_place_or_shape_is_ignored() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        await keep_steps(store, play.records, [100])
        index, kept = [await store.snapshot(THREAD, name) for name in (INDEX, "step-1")]
        assert index is not None
        assert kept is not None
        assert await version_found(store, len(play.records)) == kept.seq
        event = ThreadForked(THREAD, len(play.records))
        await store.fork(
            THREAD, kept.seq, CHILD, [NewEvent(event.type, encode_event(event))], at_us=1
        )
        await store.set_snapshot(CHILD, INDEX, index)
        await store.set_snapshot(CHILD, "step-1", kept)
        assert await find_folds(store, CHILD, kept.seq) is None
        await store.set_snapshot(THREAD, "step-1", Snapshot(kept.seq - 1, kept.content))
        assert await version_found(store, len(play.records)) is None
        members = msgspec.msgpack.decode(zlib.decompress(kept.content[4:]))
        members[0] = members[0][:-1] + "x"
        content = zlib.compress(msgspec.msgpack.encode(members))
        older = crc32(content).to_bytes(4) + content
        await store.set_snapshot(THREAD, "step-1", Snapshot(kept.seq, older))
        assert await version_found(store, len(play.records)) is None

    trio.run(check)


@pytest.mark.slow
def test_text_that_was_scrubbed_from_an_ancestor_is_in_no_snapshot_of_a_fork(
    tmp_path: Path,
) -> None:
    async def check() -> None:
        play = a_long_play()
        version = len(play.records)
        event = ThreadForked(THREAD, version)
        forked = NewEvent(event.type, encode_event(event))
        scrubbed = [record for record in play.records if isinstance(record.event, InputQueued)]

        def edit(record: Record) -> bytes | None:
            event = play.records[record.seq - 1].event
            if record.seq != scrubbed[0].seq or not isinstance(event, InputQueued):
                return None
            return encode_event(replace(event, content=(TextInput("nothing of it"),)))

        async with open_jsonl_store(tmp_path / "home", state_dir=tmp_path / "state") as store:
            await write(store, play.records)
            await store.fork(THREAD, version, CHILD, [forked], at_us=1)
            await store.fork(CHILD, version + 1, GRANDCHILD, [forked], at_us=1)
            for fork in (CHILD, GRANDCHILD):
                snapshot_writer = SnapshotWriter(store, fork)
                await snapshot_writer.keep((await load(store, fork, snapshot_writer)).folds)
                assert await find_folds(store, fork, version + 2) is not None
            await store.scrub(THREAD, edit, at_us=1)
            for fork in (CHILD, GRANDCHILD):
                assert await find_folds(store, fork, version + 2) is None
                items = (await opened(store, fork)).folds.history.items
                assert b"nothing of it" in b"".join(items)

    trio.run(check)


def test_a_long_first_reading_holds_only_items_that_no_request_has_had() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        snapshot_writer = SnapshotWriter(store, THREAD)
        loaded = await load(store, THREAD, snapshot_writer, events=100, held_bytes=1000)
        assert loaded.folds.history.evicted > len(loaded.folds.history.items)
        await restore(store, THREAD, loaded.folds, snapshot_writer)
        assert loaded.folds.history.items == play.history.items

    trio.run(check)


async def items_read(store: CountingStore, play: Play) -> int:
    """Open the thread and have its items as the play has them; how many records had to be read for the items."""
    snapshot_writer = SnapshotWriter(store, THREAD)
    loaded = await load(store, THREAD, snapshot_writer)
    assert loaded.folds.history.evicted
    before = store.read_records
    await restore(store, THREAD, loaded.folds, snapshot_writer)
    assert loaded.folds.history.items == play.history.items
    return store.read_records - before


def test_the_items_that_a_request_needs_are_stored_whole_when_a_thread_is_unloaded() -> None:
    async def check() -> None:
        play, store = a_long_play(), CountingStore()
        await write(store, play.records)
        snapshot_writer = SnapshotWriter(store, THREAD)
        loaded = await load(store, THREAD, snapshot_writer)
        assert snapshot_writer.is_last_due(loaded.folds)
        await snapshot_writer.keep(loaded.folds, last=True)
        assert not snapshot_writer.is_last_due(loaded.folds)
        assert await items_read(store, play) == 0

    trio.run(check)


def test_a_history_is_written_whole_once_it_is_twice_as_long() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        snapshot_writer, folds, kept = SnapshotWriter(store, THREAD), Folds(), dict[int, int]()
        for record in play.records:
            folds.apply(record)
            if folds.between_turns:
                await snapshot_writer.keep(folds)
                whole = await store.snapshot(THREAD, WHOLE)
                assert whole is not None
                kept.setdefault(whole.seq, folds.history.sequence.size_bytes)
        sizes = list(kept.values())
        assert len(sizes) > 2
        assert all(2 * size <= larger for size, larger in pairwise(sizes))
        assert folds.history.sequence.size_bytes < 2 * sizes[-1]

    trio.run(check)


def test_without_a_whole_history_the_log_is_read_from_the_compaction_on() -> None:
    async def check() -> None:
        play, store = a_long_play(), CountingStore()
        records, history = list(play.records), play.history
        summary = msgspec.Raw(b'{"type":"message","role":"user","content":[]}')
        events: list[Event] = [HistoryCompacted(ItemId("k"), "so far", (summary,))]
        for n in range(900, 930):
            events += [begun(n), calling(f"t{n}/1"), said(f"m{n}", "word"), ENDED, TurnCompleted()]
        for seq, event in enumerate(events, len(records) + 1):
            if isinstance(event, ModelCallStarted):
                event = replace(event, request=history.print_request(INSTRUCTIONS, TOOLS))
            history = history.after(event, seq)
            records.append(Recorded(seq, 1, event))
        play.history = history
        await write(store, records)
        await keep_steps(store, records, [100] * 5)
        await store.set_snapshot(THREAD, WHOLE, Snapshot(1, b""))
        assert history.since > 400
        assert len(events) <= await items_read(store, play) < len(events) + 200

    trio.run(check)


def test_a_snapshot_has_nothing_of_an_append_that_failed() -> None:
    async def check() -> None:
        play, store = a_long_play(), MemoryStore()
        await write(store, play.records)
        folds, snapshot_writer = Folds(), SnapshotWriter(store, THREAD)
        for record in play.records:
            folds.apply(record)
        dropped = folds.copy()
        dropped.apply(Recorded(folds.version + 1, 1, said("m9", "never written")))
        assert b"never written" in dropped.history.items[-1]
        await snapshot_writer.keep(folds)
        for name in ("step-1", WHOLE):
            kept = await store.snapshot(THREAD, name)
            assert kept is not None
            assert b"never written" not in zlib.decompress(kept.content[4:])
        assert folds.history.items == play.history.items

    trio.run(check)
