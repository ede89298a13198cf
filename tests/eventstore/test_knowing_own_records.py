"""A store recognises its own records: by a key that is in its folder, and in no package."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zlib import crc32

import pytest

from codexd_eventstore.format.lines import crc_of
from codexd_eventstore.format.seals import SEAL_BYTES
from codexd_eventstore.memory.store import MemoryStore
from codexd_eventstore.operations.jsonl import JsonlStore, open_jsonl_store
from codexd_eventstore.store import EventStore, NewEvent, Record, Refused, StoreFailed
from store_engines import NOON_US, FastFiles, append, content, placed
from trio_test import trio_test


@asynccontextmanager
async def opened(folder: Path, *, sealed: bool = True) -> AsyncIterator[JsonlStore]:
    """The default engine with seals, without waiting for the disk."""
    async with open_jsonl_store(
        folder / "home", state_dir=folder / "state", files=FastFiles(), sealed=sealed
    ) as store:
        yield store


async def foreign(store: EventStore, stream: str) -> list[int]:
    """The records of a stream that are not the store's own."""
    return sorted(await store.foreign_in(stream, await store.read(stream)))


def log_of(folder: Path, stream: str) -> Path:
    """Where a stream's file lies."""
    return folder / "home" / "threads" / "other" / f"{stream}.jsonl"


async def filled(store: EventStore, stream: str, records: int) -> None:
    for number in range(records):
        await append(store, stream, number, placed(number + 1), durable=True)


def chained(path: Path, stream: str, change: bytes, to: bytes) -> None:
    """Change a log as somebody does who can compute checksums."""
    chain, lines = crc32(stream.encode()), []
    for line in content(path).splitlines():
        body = line[:-18].replace(change, to)
        lines.append(b'%b,"crc":"%08x"}\n' % (body, crc32(body, chain)))
        chain = crc_of(lines[-1][:-1])
    path.write_bytes(b"".join(lines))


@trio_test
async def test_its_records_are_its_own_also_when_it_is_opened_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await filled(store, "a", 3)
        await append(store, "a", 3, placed(4), placed(5), key="k")
        await store.fork("a", 5, "b", [placed(6)], at_us=NOON_US)
        assert await foreign(store, "b") == []
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == await foreign(store, "b") == []


@trio_test
async def test_a_folder_that_is_moved_whole_knows_its_records(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as store:
        await filled(store, "a", 3)
    shutil.copytree(tmp_path / "one" / "home", tmp_path / "two" / "home")
    async with opened(tmp_path / "two") as store:
        assert await foreign(store, "a") == []


@trio_test
@pytest.mark.parametrize("archived", [False, True])
async def test_a_log_that_was_put_into_the_folder_is_foreign(
    tmp_path: Path, archived: bool
) -> None:
    async with opened(tmp_path / "one") as store:
        await filled(store, "a", 3)
    async with opened(tmp_path / "two") as store:
        await filled(store, "b", 1)
    path = log_of(tmp_path / "two", "a")
    path = tmp_path / "two" / "home" / "archived" / "a.jsonl" if archived else path
    path.parent.mkdir(exist_ok=True)
    shutil.copy(log_of(tmp_path / "one", "a"), path)
    async with opened(tmp_path / "two") as store:
        assert await foreign(store, "a") == [1, 2, 3]
        if not archived:
            await append(store, "a", 3)
            assert await foreign(store, "a") == [1, 2, 3]
        assert await foreign(store, "b") == []


@trio_test
async def test_before_its_first_start_a_folder_has_nothing_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "one", sealed=False) as store:
        await filled(store, "a", 3)
    path = log_of(tmp_path / "two", "a")
    path.parent.mkdir(parents=True)
    shutil.copy(log_of(tmp_path / "one", "a"), path)
    async with opened(tmp_path / "two") as store:
        assert await foreign(store, "a") == [1, 2, 3]


@trio_test
async def test_a_record_that_was_changed_or_put_in_is_foreign_though_its_checksum_is_right(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await filled(store, "a", 4)
    path = log_of(tmp_path, "a")
    chained(path, "a", b'{"number":2,', b'{"number":9,')
    shutil.rmtree(tmp_path / "state")
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == [2]
    last = content(path).splitlines()[-1]
    body = b'{"seq":5,"at":"2026-11-21T03:00:00.000000Z","type":"x","data":{"n":5}'
    body += last[-18 - SEAL_BYTES : -18]
    with path.open("ab") as file:
        file.write(b'%b,"crc":"%08x"}\n' % (body, crc32(body, crc_of(last))))
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == [2, 5]


@trio_test
async def test_a_store_that_is_older_than_its_key_keeps_its_records(tmp_path: Path) -> None:
    async with opened(tmp_path, sealed=False) as store:
        await filled(store, "a", 3)
        await store.fork("a", 2, "child", [placed(9)], at_us=NOON_US)
        await filled(store, "b", 2)
        await store.archive("b")
    async with opened(tmp_path) as store:
        for stream in ("a", "b", "child"):
            assert await foreign(store, stream) == []
        await append(store, "a", 3)
        await store.fork("a", 4, "late", [placed(9)], at_us=NOON_US)
        assert await foreign(store, "late") == []
    with log_of(tmp_path, "a").open("ab") as file:  # Not by us.
        chain = crc_of(content(log_of(tmp_path, "a")).splitlines()[-1])
        body = b'{"seq":5,"at":"2026-11-21T03:00:00.000000Z","type":"x","data":{}'
        file.write(b'%b,"crc":"%08x"}\n' % (body, crc32(body, chain)))
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == [5]
        await store.delete("a", detach_children=True)
        assert await foreign(store, "late") == await foreign(store, "child") == []


@trio_test
async def test_a_deleted_name_is_foreign_when_it_is_imported_again(tmp_path: Path) -> None:
    async with opened(tmp_path, sealed=False) as store:
        await filled(store, "a", 3)
    kept = content(log_of(tmp_path, "a"))
    async with opened(tmp_path) as store:
        await store.delete("a")
    log_of(tmp_path, "a").write_bytes(kept)
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == [1, 2, 3]


@trio_test
async def test_what_it_rewrites_stays_its_own_and_what_it_did_not_write_does_not_become_so(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        own, put = placed(1), NewEvent("order.placed", b'{"number":2}', foreign=True)
        await append(store, "a", 0, own, put, placed(3))
        await store.fork("a", 3, "b", [placed(4)], at_us=NOON_US)
        assert await foreign(store, "a") == await foreign(store, "b") == [2]

        def edit(record: Record) -> bytes | None:
            return b'{"number":"gone"}' if record.seq < 3 else None

        await store.scrub("a", edit, at_us=NOON_US)
        assert b"gone" in content(log_of(tmp_path, "a"))
        assert await foreign(store, "a") == await foreign(store, "b") == [2]
        await store.delete("a", detach_children=True)
        assert await foreign(store, "b") == [2]


@trio_test
async def test_a_package_has_no_key_and_is_foreign_elsewhere(tmp_path: Path) -> None:
    package = str(tmp_path / "a.tar")
    async with opened(tmp_path / "one") as store:
        await filled(store, "a", 3)
        await store.pack("a", package)
    key = content(tmp_path / "one" / "home" / "seal.key")
    assert (tmp_path / "one" / "home" / "seal.key").stat().st_mode & 0o777 == 0o600
    assert key.strip() not in content(Path(package))
    async with opened(tmp_path / "two") as store:
        await store.unpack(package)
        assert await foreign(store, "a") == [1, 2, 3]


@trio_test
async def test_a_package_that_only_ends_alike_replaces_nothing(
    tmp_path: Path,
) -> None:
    """Checksums are for accidents: other records can be made to end in the same one."""
    package = tmp_path / "a.tar"
    async with opened(tmp_path / "one") as store:
        await filled(store, "a", 2)
    async with opened(tmp_path / "two", sealed=False) as store:
        await append(store, "a", 0, placed(7), durable=True)
        wanted = crc_of(content(log_of(tmp_path / "one", "a")).splitlines()[-1])
        await append(store, "a", 1, forged(store, tmp_path, wanted))
        await append(store, "a", 2)
        assert crc_of(content(log_of(tmp_path / "two", "a")).splitlines()[1]) == wanted
        await store.pack("a", str(package))
    async with opened(tmp_path / "one") as store:
        with pytest.raises(Refused, match="others"):
            await store.unpack(str(package))
        assert await foreign(store, "a") == []


def forged(store: JsonlStore, folder: Path, wanted: int) -> NewEvent:
    """An event whose record ends in a checksum that somebody wants: six characters are enough, searched by halves."""
    chain = crc_of(content(log_of(folder / "two", "a")).splitlines()[-1])
    head = b'{"seq":2,"at":"2026-11-21T03:00:00.000000Z","type":"order.placed","data":{"number":2,"text":"'
    # crc32 is linear: flipping one bit of the text flips the same bits of the sum, whatever stands beside it.
    zero, tail = b"@" * 40, b'"}'

    def crc(text: bytes) -> int:
        return crc32(head + text + tail, chain)

    flips: list[tuple[int, int]] = []
    for place in range(40):
        for bit in (1, 2, 4, 8):
            text = bytearray(zero)
            text[place] ^= bit
            flips.append((crc(bytes(text)) ^ crc(zero), 1 << len(flips)))
    basis: dict[int, tuple[int, int]] = {}
    for value, uses in flips:
        while value and value.bit_length() in basis:
            value, uses = value ^ basis[value.bit_length()][0], uses ^ basis[value.bit_length()][1]
        if value:
            basis[value.bit_length()] = value, uses
    value, uses = crc(zero) ^ wanted, 0
    while value:
        value, uses = value ^ basis[value.bit_length()][0], uses ^ basis[value.bit_length()][1]
    text = bytearray(zero)
    for number in range(len(flips)):
        if uses >> number & 1:
            text[number // 4] ^= (1, 2, 4, 8)[number % 4]
    return NewEvent("order.placed", b'{"number":2,"text":"%b"}' % bytes(text))


@trio_test
async def test_a_store_in_memory_distinguishes_them_too(tmp_path: Path) -> None:
    store = MemoryStore(sealed=True)
    put = NewEvent("order.placed", b'{"number":2}', foreign=True)
    await append(store, "a", 0, placed(1), put)
    await store.fork("a", 2, "b", [placed(3)], at_us=NOON_US)
    assert await foreign(store, "b") == [2]


@trio_test
async def test_without_seals_nothing_is_distinguished(tmp_path: Path) -> None:
    async with opened(tmp_path, sealed=False) as store:
        await filled(store, "a", 2)
        assert await foreign(store, "a") == []
        assert b"seal" not in content(log_of(tmp_path, "a"))
    assert not (tmp_path / "home" / "seal.key").exists()


@trio_test
async def test_a_key_that_is_none_is_said_and_nothing_is_opened(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await filled(store, "a", 1)
    (tmp_path / "home" / "seal.key").write_bytes(b"\0" * 64)
    with pytest.raises(StoreFailed, match=r"seal\.key"):
        async with opened(tmp_path):
            pass


@trio_test
async def test_a_record_that_was_written_for_one_stream_grants_nothing_in_another(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await filled(store, "a", 3)
        await filled(store, "b", 4)
    theirs = content(log_of(tmp_path, "b")).splitlines()
    lines = content(log_of(tmp_path, "a")).splitlines()
    put_together(log_of(tmp_path, "a"), "a", [lines[0], theirs[1], lines[2], theirs[3]])
    put_together(log_of(tmp_path, "c"), "c", theirs)
    shutil.rmtree(tmp_path / "state")
    async with opened(tmp_path) as store:
        assert await foreign(store, "a") == [2, 4]
        assert await foreign(store, "c") == [1, 2, 3, 4]
        assert await foreign(store, "b") == []


@trio_test
async def test_a_package_of_own_records_under_another_name_is_foreign(tmp_path: Path) -> None:
    package = tmp_path / "a.tar"
    async with opened(tmp_path) as store:
        await filled(store, "a", 3)
    async with opened(tmp_path / "elsewhere", sealed=False) as other:
        path = log_of(tmp_path / "elsewhere", "b")
        path.parent.mkdir(parents=True, exist_ok=True)
        put_together(path, "b", content(log_of(tmp_path, "a")).splitlines())
        await other.pack("b", str(package))
    async with opened(tmp_path) as store:
        await store.unpack(str(package))
        assert await foreign(store, "b") == [1, 2, 3]


@trio_test
async def test_an_own_package_is_own_when_it_is_imported_again(tmp_path: Path) -> None:
    package = str(tmp_path / "b.tar")
    async with opened(tmp_path) as store:
        await filled(store, "a", 3)
        await store.fork("a", 2, "b", [placed(9)], at_us=NOON_US)
        await store.pack("b", package)
        for stream in ("b", "a"):
            await store.delete(stream)
        await store.unpack(package)
        assert await foreign(store, "a") == await foreign(store, "b") == []


@trio_test
async def test_inherited_records_are_known_by_the_name_that_they_were_written_for(
    tmp_path: Path,
) -> None:
    """Also where its parents are gone, and it and its own forks have copies."""
    async with opened(tmp_path) as store:
        await forks(store)
        assert await foreign_of_all(store) == []
        copied = [record.line for record in await store.read("child")]
        await store.delete("a", detach_children=True)
        assert [record.line for record in await store.read("child")] == copied
        assert await foreign_of_all(store) == []
    async with opened(tmp_path) as store:
        await store.scrub("child", lambda record: b'{"number":"gone"}', at_us=NOON_US)
        assert await foreign_of_all(store) == []
        await store.fork("child", 4, "new", [placed(1)], at_us=NOON_US)
        await store.delete("child", detach_children=True)
    async with opened(tmp_path) as store:
        for stream in ("late", "early", "new"):
            assert await foreign(store, stream) == [], stream
        for stream in ("new", "early", "late"):
            await store.delete(stream)
    assert content(tmp_path / "home" / "inherited.json") == b"{}"


@trio_test
async def test_a_store_in_memory_knows_inherited_records(tmp_path: Path) -> None:
    store = MemoryStore(sealed=True)
    await forks(store)
    assert await foreign_of_all(store) == []
    await store.delete("a", detach_children=True)
    await store.scrub("child", lambda record: b'{"number":"gone"}', at_us=NOON_US)
    assert await foreign_of_all(store) == []


@trio_test
async def test_salvaged_records_of_a_detached_stream_are_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await forks(store)
        await store.delete("a", detach_children=True)
    path = log_of(tmp_path, "child")
    path.write_bytes(content(path).replace(b'"number":2', b'"numb\xff\0:2'))
    async with opened(tmp_path) as store:
        done = await store.salvage("child", at_us=NOON_US)
        assert done.lost == 1
        assert await foreign(store, "child") == []


async def forks(store: EventStore) -> None:
    """A stream, its fork, and two forks of that: one left among what it inherited, one behind it."""
    await filled(store, "a", 4)
    await store.fork("a", 3, "child", [placed(5)], at_us=NOON_US)
    await append(store, "child", 4)
    await store.fork("child", 2, "early", [placed(6)], at_us=NOON_US)
    await append(store, "early", 3)
    await store.fork("child", 5, "late", [placed(7)], at_us=NOON_US)


async def foreign_of_all(store: EventStore) -> list[tuple[str, int]]:
    """The records of all streams that are not the store's own."""
    names = [row.stream for row in await store.streams()]
    return [(name, seq) for name in names for seq in await foreign(store, name)]


def put_together(path: Path, stream: str, lines: list[bytes]) -> None:
    """Make a log of lines that were written for others, with the checksums that belong there."""
    chain, made = crc32(stream.encode()), []
    for line in lines:
        body = line[:-18]
        chain = crc32(body, chain)
        made.append(b'%b,"crc":"%08x"}\n' % (body, chain))
    path.write_bytes(b"".join(made))
