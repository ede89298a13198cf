"""A damaged log is made readable again: readable records keep their numbers, and lost records are marked under theirs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from codexd_eventstore.store import Damaged, EventStore, Refused, Rewritten
from simulated_files import Disk, SimulatedFileSystem
from simulated_power import AllKept, AllLost, Sampled, after_power_cut
from store_engines import NOON_US, append, content, log_path, opened, placed, put
from trio_test import trio_test

RECORDS = 8


class _Row(msgspec.Struct, frozen=True):
    seq: int
    type: str
    data: dict[str, object]


async def rows(store: EventStore, stream: str = "orders") -> list[int | None]:
    """The number of each record's event, in order; None for a lost one. The seqs must be 1, 2, 3…"""
    found = [msgspec.json.decode(record.line, type=_Row) for record in await store.read(stream)]
    assert [row.seq for row in found] == list(range(1, len(found) + 1))
    return [None if row.type == "log.lost" else int(str(row.data["number"])) for row in found]


async def written(store: EventStore, records: int = RECORDS) -> Path:
    """A log of eight records, closed."""
    for number in range(1, records + 1):
        await append(store, "orders", number - 1, placed(number), durable=True, key=f"key {number}")
    path = await log_path(store, "orders")
    store.close("orders")
    return path


def mode(path: str) -> int:
    """Who may read a file."""
    return Path(path).stat().st_mode & 0o777


def lines_of(whole: bytes) -> list[bytes]:
    """Its lines, with their newlines."""
    return whole.splitlines(keepends=True)


def without(whole: bytes, number: int) -> bytes:
    """A line missing."""
    lines = lines_of(whole)
    return b"".join(lines[: number - 1] + lines[number:])


def flipped(whole: bytes, number: int, place: int) -> bytes:
    """A bit of a line flipped; the place may count from its end."""
    lines = lines_of(whole)
    line = bytearray(lines[number - 1])
    line[place] ^= 1
    lines[number - 1] = bytes(line)
    return b"".join(lines)


def swapped(whole: bytes, number: int) -> bytes:
    """A line after the next one."""
    lines = lines_of(whole)
    lines[number - 1 : number + 1] = [lines[number], lines[number - 1]]
    return b"".join(lines)


def doubled(whole: bytes, number: int) -> bytes:
    """A line twice."""
    lines = lines_of(whole)
    return b"".join([*lines[:number], *lines[number - 1 :]])


def zeroed(whole: bytes, number: int, before: int, size: int) -> bytes:
    """A run of NULs that begins some bytes in front of a line's end."""
    end = sum(len(line) for line in lines_of(whole)[:number]) - before
    return whole[:end] + bytes(size) + whole[end + size :]


ALL: list[int | None] = [1, 2, 3, 4, 5, 6, 7, 8]
CASES: dict[str, tuple[Callable[[bytes], bytes], list[int | None]]] = {
    "a flipped bit in the data": (
        lambda w: flipped(w, 4, w.index(b'"number"') + 9),
        [1, 2, 3, None, 5, 6, 7, 8],
    ),
    "a flipped bit in a number": (lambda w: flipped(w, 4, 7), ALL),
    "a flipped bit in a checksum": (lambda w: flipped(w, 4, -5), ALL),
    "a flipped bit in the first line": (
        lambda w: flipped(w, 1, -25),
        [None, 2, 3, 4, 5, 6, 7, 8],
    ),
    "a flipped newline": (lambda w: flipped(w, 4, -1), ALL),
    "a missing line": (lambda w: without(w, 4), [1, 2, 3, None, 5, 6, 7, 8]),
    "a missing first line": (lambda w: without(w, 1), [None, 2, 3, 4, 5, 6, 7, 8]),
    "two missing lines": (
        lambda w: without(without(w, 4), 4),
        [1, 2, 3, None, None, 6, 7, 8],
    ),
    "swapped lines": (lambda w: swapped(w, 4), ALL),
    "swapped first lines": (lambda w: swapped(w, 1), ALL),
    "a doubled line": (lambda w: doubled(w, 4), ALL),
    "NULs in a line": (lambda w: zeroed(w, 4, 30, 9), [1, 2, 3, None, 5, 6, 7, 8]),
    "NULs over the end of a line": (
        lambda w: zeroed(w, 4, 30, 60),
        [1, 2, 3, None, None, 6, 7, 8],
    ),
    "NULs in front of a line": (
        lambda w: lines_of(w)[0] + bytes(512) + b"".join(lines_of(w)[1:]),
        ALL,
    ),
    "a line of something else": (
        lambda w: b"".join([*lines_of(w)[:4], b"what is this\n", *lines_of(w)[4:]]),
        ALL,
    ),
    "two flaws": (
        lambda w: without(flipped(w, 2, -25), 6),
        [1, None, 3, 4, 5, None, 7, 8],
    ),
    "the last line missing": (lambda w: without(w, 8), [1, 2, 3, 4, 5, 6, 7, None]),
    "the last line broken": (lambda w: flipped(w, 8, -25), [1, 2, 3, 4, 5, 6, 7, None]),
    "cut in the middle": (lambda w: w[: len(w) // 2], [1, 2, 3, 4, None, None, None, None]),
    "all NULs": (lambda w: bytes(len(w)), [None] * 8),
    "nothing left": (lambda w: b"", [None] * 8),
    "empty lines": (lambda w: w.replace(b"\n", b"\n\n"), ALL),
}


@trio_test
@pytest.mark.parametrize("case", CASES)
async def test_readable_records_keep_their_numbers_and_the_others_are_marked_lost(
    tmp_path: Path, case: str
) -> None:
    damage, want = CASES[case]
    async with opened(tmp_path) as store:
        path = await written(store)
        whole = content(path)
        put(path, broken := damage(whole))
        with pytest.raises(Damaged):
            await store.head("orders")
        answer = await store.salvage("orders", at_us=NOON_US)
        lost = want.count(None)
        assert answer == Rewritten("orders", 2, RECORDS, lost, lost, answer.kept)
        assert answer.kept is not None
        assert content(Path(answer.kept)) == broken
        assert mode(answer.kept) == 0o600
        assert await rows(store) == want
        assert (await store.verify("orders")).damage is None
        again = await append(store, "orders", RECORDS, durable=True)
        assert again.first == RECORDS + 1
    async with opened(tmp_path) as store:
        assert await rows(store) == [*want, 9]
        assert (await store.verify("orders")).damage is None
        answer = await store.salvage("orders", at_us=NOON_US)
        assert answer == Rewritten("orders", 2, 9, 0)


@trio_test
async def test_a_whole_log_and_a_torn_log_stay_as_they_are(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        whole = content(path)
        assert await store.salvage("orders", at_us=NOON_US) == Rewritten("orders", 1, 8, 0)
        assert content(path) == whole
        put(path, whole + b'{"seq":9,"at"')
        assert (await store.salvage("orders", at_us=NOON_US)).lost == 0
        assert content(path) == whole + b'{"seq":9,"at"'
        assert len(await rows(store)) == 8


@trio_test
async def test_lost_records_say_how_much_is_kept_and_where(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        whole = content(path)
        size = len(lines_of(whole)[3])
        put(path, without(flipped(whole, 4, -25), 6))
        answer = await store.salvage("orders", at_us=NOON_US)
        assert answer.kept is not None
        records = await store.read("orders")
        name = Path(answer.kept).name
        data = [msgspec.json.decode(records[n - 1].line, type=_Row).data for n in (4, 6)]
        assert data[0] == {"bytes": size, "keptIn": name}
        # Nothing bears out the record behind a missing one.
        assert data[1] == {"bytes": 0, "keptIn": name, "nextUnchecked": True}


@trio_test
async def test_forks_of_a_salvaged_stream_and_a_salvaged_fork_read_and_verify(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        await store.fork("orders", 4, "child", [placed(50)], at_us=NOON_US)
        await append(store, "child", 5, placed(60), durable=True)
        await store.fork("child", 3, "early", [placed(40)], at_us=NOON_US)
        child = await log_path(store, "child")
        for name in ("orders", "child", "early"):
            store.close(name)
        put(path, flipped(content(path), 4, -25))
        put(child, flipped(content(child), 1, -25))
        await store.salvage("orders", at_us=NOON_US)
        await store.salvage("child", at_us=NOON_US)
        assert await rows(store, "child") == [1, 2, 3, None, None, 60]
        assert await rows(store, "early") == [1, 2, 3, 40]
        for name in ("orders", "child", "early"):
            assert (await store.verify(name)).damage is None, name
    async with opened(tmp_path) as store:
        assert await rows(store, "child") == [1, 2, 3, None, None, 60]
        assert (await store.head("child")).parent == "orders"


@trio_test
async def test_a_parent_is_salvaged_up_to_its_forks(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        await store.fork("orders", 7, "child", [placed(70)], at_us=NOON_US)
    for file in (tmp_path / "state").iterdir():
        file.unlink()  # nothing but the logs themselves says how many there were
    whole = content(path)
    put(path, without(b"".join(lines_of(whole)[:5]), 2))
    async with opened(tmp_path) as store:
        await store.salvage("orders", at_us=NOON_US)
        assert await rows(store) == [1, None, 3, 4, 5, None, None]
        assert await rows(store, "child") == [1, None, 3, 4, 5, None, None, 70]


@trio_test
async def test_a_fork_whose_parent_is_gone_keeps_its_own_records(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        await store.fork("orders", 3, "child", [placed(40)], at_us=NOON_US)
        store.close("child")
        store.close("orders")
        path.unlink()
        with pytest.raises(Damaged, match="gone"):
            await store.read("child")
        answer = await store.salvage("child", at_us=NOON_US)
        assert (answer.records, answer.lost) == (4, 3)
        assert await rows(store, "child") == [None, None, None, 40]
        assert (await store.verify("child")).damage is None
        assert (await store.head("child")).parent is None


@trio_test
async def test_an_append_whose_end_was_never_written_is_not_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store, 3)
        await append(store, "orders", 3, placed(4), placed(5), placed(6), durable=True)
        store.close("orders")
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    put(path, flipped(b"".join(lines_of(content(path))[:5]), 2, -25))
    async with opened(tmp_path) as store:
        await store.salvage("orders", at_us=NOON_US)
        assert await rows(store) == [1, None, 3]


@trio_test
async def test_an_acknowledged_append_whose_end_is_lost_stays_as_far_as_it_is_readable(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        path = await written(store, 3)
        await append(store, "orders", 3, placed(4), placed(5), placed(6), durable=True)
        store.close("orders")
        put(path, b"".join(lines_of(content(path))[:5]))
        await store.salvage("orders", at_us=NOON_US)
        assert await rows(store) == [1, 2, 3, 4, 5, None]


@trio_test
async def test_nothing_can_be_saved_of_a_file_that_nothing_is_known_of(tmp_path: Path) -> None:
    path = tmp_path / "data" / "threads" / "other" / "orders.jsonl"
    put(path, b'{"seq":0,' + b"x" * 100)
    async with opened(tmp_path) as store:
        with pytest.raises(Refused, match="nothing in its file can be read"):
            await store.salvage("orders", at_us=NOON_US)
        assert content(path) == b'{"seq":0,' + b"x" * 100


@trio_test
async def test_a_broken_preface_loses_only_its_own_members(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        path = await written(store)
        await store.scrub(
            "orders", lambda record: b'{"number":44}' if record.seq == 4 else None, at_us=NOON_US
        )
        store.close("orders")
        whole = content(path)
        length = whole.index(b"\n")
        for place in range(0, length + 1, 5):
            put(path, whole[:place] + b"\0" + whole[place + 1 :])
            answer = await store.salvage("orders", at_us=NOON_US)
            assert answer.lost == 0, place
            assert await rows(store) == [1, 2, 3, 44, 5, 6, 7, 8]
            await store.salvage("orders", at_us=NOON_US)
            store.close("orders")


@trio_test
async def test_an_archived_log_is_salvaged_where_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await written(store)
        await store.archive("orders")
        path = await log_path(store, "orders")
        store.close("orders")
        put(path, flipped(content(path), 4, -25))
        answer = await store.salvage("orders", at_us=NOON_US)
        assert answer.kept is not None
        assert Path(answer.kept).parent == path.parent
        assert (await store.head("orders")).archived
        assert [row.stream for row in await store.streams(archived=True)] == ["orders"]


@pytest.mark.slow
@trio_test
async def test_random_damage_never_moves_a_record_and_loses_no_distant_record(
    tmp_path: Path,
) -> None:
    dice = random.Random(7)
    cases = 0
    async with opened(tmp_path) as store:
        for number in range(1, 31):
            await append(store, "orders", number - 1, placed(number, 40), durable=True)
        path = await log_path(store, "orders")
        store.close("orders")
        whole = content(path)
        for _ in range(300):
            broken = bytearray(whole)
            start = dice.randrange(len(whole))
            size = dice.choice([1, 3, 64, 512, 1500])
            kind = dice.randrange(4)
            if kind == 0:
                broken[start : start + size] = bytes(len(broken[start : start + size]))
            elif kind == 1:
                broken[start : start + size] = dice.randbytes(len(broken[start : start + size]))
            elif kind == 2:
                del broken[start : start + size]
            else:
                broken[start:start] = broken[start : start + size]
            put(path, bytes(broken))
            await store.salvage("orders", at_us=NOON_US)
            found = await rows(store)
            assert all(n in (None, seq) for seq, n in enumerate(found[:30], 1))
            touched = whole[start : start + size].count(b"\n") + 2
            # Where the end is lost, nothing but a note of this very file says how far it went.
            missing = found[:30].count(None) + max(0, 30 - len(found))
            assert missing <= touched, (kind, start, size)
            assert (await store.verify("orders")).damage is None
            store.close("orders")
            cases += 1
    print(f"logs damaged at random and salvaged: {cases} cases")


@pytest.mark.slow
@trio_test
async def test_after_a_power_cut_at_any_call_the_log_is_the_damaged_or_the_salvaged_log() -> None:
    files = SimulatedFileSystem()
    moments: list[tuple[str, Disk]] = []
    async with opened("/disk", files) as store:
        await written(store)
        path = "/disk/data/threads/other/orders.jsonl"
        broken = flipped(files.read_range(path, 0, 100_000), 4, -25)
        fd = files.open(path)
        files.truncate(fd, 0)
        files.write(fd, broken)
        files.sync(fd)
        files.close(fd)
        files.on_call = lambda kind, path: moments.append((f"{kind} {path}", files.disk()))
        await store.salvage("orders", at_us=NOON_US)
        files.on_call = lambda kind, path: None
        moments.append(("the end", files.disk()))
    salvaged = set()
    for place, (call, disk) in enumerate(moments):
        for outcome in (AllLost(), AllKept(), Sampled(random.Random(place))):
            after = after_power_cut(disk, outcome)
            async with opened("/disk", after) as store:
                try:
                    assert await rows(store) == [1, 2, 3, None, 5, 6, 7, 8], call
                    salvaged.add(True)
                except Damaged:
                    salvaged.add(False)
                    await store.salvage("orders", at_us=NOON_US)
                    assert await rows(store) == [1, 2, 3, None, 5, 6, 7, 8], call
    assert salvaged == {True, False}
    print(f"power cuts while salvaging: {3 * len(moments)} cases")
