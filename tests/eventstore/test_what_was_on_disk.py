"""A record says up to where the log before it was on disk, if not all: so a power cut is distinguished from damage."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from codexd_eventstore.format.lines import at_us_of, claim_of, frame, marks_of
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Damaged, NewEvent, Record, Refused, Verdict
from store_engines import NOON_US, append, close_unnoted, content, log_path, placed, put
from trio_test import trio_test


class Said(msgspec.Struct, frozen=True):
    """What a record says of those in front of it."""

    seq: int
    synced: int | None = None


def said(records: tuple[Record, ...]) -> list[Said]:
    """What records say of those in front of them."""
    return [msgspec.json.decode(record.line, type=Said) for record in records]


@trio_test
async def test_only_a_record_after_an_unsynced_record_says_so(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        durable = await append(store, "a", 0, durable=True)
        assert said(durable.records) == [Said(1)]
        several = await append(store, "a", 1, placed(2), placed(3), placed(4), durable=True)
        assert said(several.records) == [Said(2), Said(3, 1), Said(4, 1)]
        first = await append(store, "a", 4, key="k")
        second = await append(store, "a", 5, placed(6), placed(7), key="l")
        assert said(first.records) == [Said(5)]
        assert said(second.records) == [Said(6, 4), Said(7, 4)]
        third = await append(store, "a", 7, durable=True)
        assert said(third.records) == [Said(8, 4)]
        assert said((await append(store, "a", 8)).records) == [Said(9)]
        child = await store.fork("a", 9, "b", [placed(10), placed(11)], at_us=NOON_US)
        assert said(child.records) == [Said(10), Said(11, 9)]


@trio_test
async def test_records_of_an_older_process_may_not_be_on_disk(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number in range(3):
            await append(store, "a", number, durable=True)
        close_unnoted(store, "a")
        # Record 3 alone says of 2 that the disk had it; of 3 nobody knows.
        assert said((await append(store, "a", 3)).records) == [Said(4, 2)]


@pytest.mark.parametrize("v", [1, 2])
@pytest.mark.parametrize("key", [None, 'k"\\'])
@pytest.mark.parametrize("count", [1, 2])
def test_every_member_is_found_beside_it(v: int, key: str | None, count: int) -> None:
    events = [NewEvent("a.b", b"{}", v=v, members=b'"synchron":1')] * count
    first, *rest = frame(events, after=9, chain=1, at_us=NOON_US, key=key, synced=7)
    assert claim_of(first.line) == (10, 7)
    assert (marks_of(first).key, marks_of(first).more) == (key, count > 1)
    assert at_us_of(first) == NOON_US
    assert [claim_of(record.line) for record in rest] == [(11, 7)] * (count - 1)
    with pytest.raises(Refused, match="store's own"):
        frame([NewEvent("a.b", b"{}", members=b'"synced":1')], after=0, chain=1, at_us=0)


async def write(folder: Path, synced: int, unsynced: int) -> tuple[Path, list[bytes]]:
    """A log, and its lines: some on disk, and then some that a power cut may take. Nothing is noted of it."""
    async with open_jsonl_store(folder, state_dir=folder / "state") as store:
        for number in range(synced):
            await append(store, "a", number, durable=True)
        for number in range(synced, synced + unsynced):
            await append(store, "a", number)
        path = await log_path(store, "a")
    for left in list((folder / "state").iterdir()):
        left.unlink()
    return path, content(path).splitlines(keepends=True)


@pytest.mark.slow
@trio_test
async def test_a_power_cut_may_lose_any_unsynced_record(tmp_path: Path) -> None:
    path, lines = await write(tmp_path, 2, 4)
    assert msgspec.json.decode(lines[-1], type=Said) == Said(6, 2)
    cases = list(itertools.product((False, True), repeat=4))
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for lost in cases:
            tail = zip(lines[2:], lost, strict=True)
            put(path, b"".join([*lines[:2], *[bytes(len(x)) if gone else x for x, gone in tail]]))
            stands = 2 + (lost.index(True) if True in lost else 4)
            assert (await store.head("a")).version == stands
            assert await store.verify("a") == Verdict("a", stands)
            close_unnoted(store, "a")
    print(f"lost unsynced records: {len(cases)} cases")


@trio_test
async def test_synced_records_are_not_given_up(tmp_path: Path) -> None:
    path, lines = await write(tmp_path, 3, 3)
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for lost in range(3):
            broken = [bytes(len(line)) if n == lost else line for n, line in enumerate(lines)]
            put(path, b"".join(broken))
            with pytest.raises(Damaged, match=f"record {lost + 1} "):
                await store.head("a")
