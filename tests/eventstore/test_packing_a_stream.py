"""A stream is carried to another store in one file: whole, checked before any of it is seen, and byte for byte."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from codexd_eventstore.disk.package import HEADER_BYTES_MAX, MANIFEST, MEMBERS_MAX
from codexd_eventstore.store import (
    BlobRef,
    EventStore,
    NewEvent,
    Package,
    PackedLog,
    Record,
    Refused,
    Unpacked,
)
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


def naming(blob: BlobRef) -> NewEvent:
    """An event that names a blob."""
    return NewEvent("order.placed", b'{"number":0,"blob":"%b"}' % blob.sha256.encode())


async def forks(store: EventStore) -> BlobRef:
    """`a` with a blob; `b` forked from it, `c` from `b`, `early` from `b` in front of `b`'s own records."""
    blob = await store.put_blob(b"an image")
    await store.put_blob(b"nobody names this")
    for number, event in enumerate((placed(1), placed(2), naming(blob))):
        await append(store, "a", number, event, durable=True)
    await store.fork("a", 3, "b", [placed(4), placed(5)], at_us=NOON_US)
    await append(store, "a", 3, NewEvent("order.placed", b'{"number":0,"text":"private"}'))
    await store.fork("b", 5, "c", [placed(6)], at_us=NOON_US)
    await store.fork("b", 2, "early", [placed(30)], at_us=NOON_US)
    return blob


def repacked(path: Path, change: dict[str, bytes | None], **kinds: bytes) -> bytes:
    """The package with other members, or without some."""
    target = path.with_name("changed.tar")
    with tarfile.open(path) as old, tarfile.open(target, "w") as new:
        names = old.getnames()
        for name in [*names, *(name for name in change if name not in names)]:
            member = tarfile.TarInfo(name)
            if name in kinds:
                member.type = kinds[name]
                member.linkname = "/etc/passwd"
            held = old.extractfile(name) if name in names else None
            body = held.read() if held is not None else None
            if name in change:
                body = change[name]
            if body is not None:
                member.size = len(body) if member.isreg() else 0
                new.addfile(member, io.BytesIO(body))
    return content(target)


@trio_test
async def test_a_fork_of_a_fork_arrives_with_its_ancestors_and_no_more(tmp_path: Path) -> None:
    package = tmp_path / "c.tar"
    async with opened(tmp_path / "one") as store:
        blob = await forks(store)
        packed = await store.pack("c", str(package))
        assert [(log.stream, log.version) for log in packed.logs] == [("a", 3), ("b", 5), ("c", 6)]
        assert packed.blobs == (blob,)
        want = await store.read("c")
    assert b"private" not in content(package)
    assert package.stat().st_mode & 0o777 == 0o600
    async with opened(tmp_path / "two") as store:
        answer = await store.unpack(str(package))
        assert answer == Unpacked("c", 6, added=("a", "b", "c"), blobs=1)
        assert await store.read("c") == want
        assert await store.read_blob(blob.sha256) == b"an image"
        for name in ("a", "b", "c"):
            assert (await store.verify(name)).damage is None
        assert [(await store.head(name)).archived for name in "abc"] == [True, True, False]
        await append(store, "c", 6, durable=True)
        answer = await store.unpack(str(package))
        assert answer == Unpacked("c", 7, kept=("a", "b", "c"))
        assert (await store.head("c")).version == 7


@trio_test
async def test_a_fork_in_front_of_its_parents_own_records_arrives(tmp_path: Path) -> None:
    package = tmp_path / "early.tar"
    async with opened(tmp_path / "one") as store:
        await forks(store)
        packed = await store.pack("early", str(package))
        packed_logs = [(log.stream, log.version) for log in packed.logs]
        assert packed_logs == [("a", 3), ("b", 5), ("early", 3)]
    async with opened(tmp_path / "two") as store:
        await store.unpack(str(package))
        assert numbers(await store.read("early")) == [(1, 1), (2, 2), (3, 30)]
        assert (await store.verify("early")).damage is None


@trio_test
async def test_a_second_package_has_more_of_a_shared_ancestor(tmp_path: Path) -> None:
    first, late = tmp_path / "first.tar", tmp_path / "late.tar"
    async with opened(tmp_path / "one") as store:
        await forks(store)
        await store.fork("a", 2, "first", [placed(30)], at_us=NOON_US)
        await store.pack("first", str(first))
        await store.pack("c", str(late))
    async with opened(tmp_path / "two") as store:
        await store.unpack(str(first))
        answer = await store.unpack(str(late))
        assert (answer.extended, answer.added) == (("a",), ("b", "c"))
        assert numbers(await store.read("first"))[-1] == (3, 30)
        assert len(await store.read("c")) == 6
        assert (await store.unpack(str(first))).kept == ("a", "first")
    async with opened(tmp_path / "two") as store:
        for name in ("a", "b", "c", "first"):
            assert (await store.verify(name)).damage is None


@trio_test
async def test_a_name_of_another_stream_here_is_refused_and_nothing_is_imported(
    tmp_path: Path,
) -> None:
    package = tmp_path / "c.tar"
    async with opened(tmp_path / "one") as store:
        await forks(store)
        await store.pack("c", str(package))
    async with opened(tmp_path / "two") as store:
        await append(store, "b", 0, *[placed(n) for n in range(1, 7)], durable=True)
        before = await store.read("b")
        with pytest.raises(Refused, match="here already"):
            await store.unpack(str(package))
        assert await store.read("b") == before
        assert [row.stream for row in await store.streams()] == ["b"]
        assert await store.streams(archived=True) == []
        assert not list((tmp_path / "two" / "data" / "rewriting").iterdir())


@trio_test
async def test_a_log_that_was_scrubbed_here_knows_its_old_form(tmp_path: Path) -> None:
    package = tmp_path / "c.tar"

    def edit(record: Record) -> bytes | None:
        return b'{"number":0}' if record.seq == 1 else None

    async with opened(tmp_path / "one") as store:
        await forks(store)
        await store.pack("c", str(package))
        await store.scrub("a", edit, at_us=NOON_US)
        answer = await store.unpack(str(package))
        assert answer.kept == ("a", "b", "c")
        again = tmp_path / "again.tar"
        packed = await store.pack("c", str(again))
        assert packed.logs[0].generation == 2
    async with opened(tmp_path / "two") as store:
        await store.unpack(str(again))
        assert (await store.verify("b")).damage is None


@trio_test
async def test_the_archived_state_travels(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as store:
        await forks(store)
        await store.archive("a")
        await store.pack("a", str(tmp_path / "a.tar"))
    async with opened(tmp_path / "two") as store:
        await store.unpack(str(tmp_path / "a.tar"))
        assert (await store.head("a")).archived


@trio_test
async def test_a_hostile_or_broken_package_leaves_no_files(tmp_path: Path) -> None:
    package = tmp_path / "c.tar"
    async with opened(tmp_path / "one") as store:
        blob = await forks(store)
        packed = await store.pack("c", str(package))
        log = content(await log_path(store, "c"))
    blob_name = f"blobs/{blob.sha256}"
    evil = Package(1, "../evil", (msgspec.structs.replace(packed.logs[-1], stream="../evil"),), ())
    orphan = Package(1, "c", packed.logs[1:], ())
    whole = content(package)
    bodies = [
        repacked(package, {"manifest.json": None}),
        repacked(package, {"manifest.json": b"{}"}),
        repacked(package, {"manifest.json": b"[" * 100_000}),
        repacked(package, {"manifest.json": msgspec.json.encode(evil), "logs/../evil.jsonl": log}),
        repacked(package, {"../../outside": b"x"}),
        repacked(package, {"/absolute": b"x"}),
        repacked(package, {"link": b""}, link=tarfile.SYMTYPE),
        repacked(package, {"hard": b""}, hard=tarfile.LNKTYPE),
        repacked(package, {"device": b""}, device=tarfile.CHRTYPE),
        repacked(package, {blob_name: None}),
        repacked(package, {blob_name: b"an imagE"}),
        repacked(package, {"logs/c.jsonl": log[:-1]}),
        repacked(package, {"logs/c.jsonl": log.replace(b"6", b"7", 1)}),
        repacked(package, {"logs/a.jsonl": log}),
        repacked(
            package,
            {"manifest.json": msgspec.json.encode(orphan), "logs/a.jsonl": None, blob_name: None},
        ),
    ]
    bodies += [b"", b"no tar at all", whole[:100], whole[: len(whole) // 2]]
    async with opened(tmp_path / "two") as store:
        hostile = tmp_path / "hostile.tar"
        for number, body in enumerate(bodies):
            put(hostile, body)
            with pytest.raises(Refused, match="nothing was unpacked"):
                await store.unpack(str(hostile))
            assert await store.streams() == [], number
            assert await store.streams(archived=True) == []
        assert not (tmp_path / "two" / "data" / "blobs").exists()
        assert not list((tmp_path / "two" / "data").rglob("*.jsonl*"))
    print(f"hostile packages: {len(bodies)} cases")


@trio_test
async def test_every_flipped_byte_of_a_package_is_refused_or_means_nothing(tmp_path: Path) -> None:
    package, flipped = tmp_path / "a.tar", tmp_path / "flipped.tar"
    async with opened(tmp_path / "one") as store:
        await append(store, "a", 0, placed(1), durable=True)
        await store.pack("a", str(package))
        want = await store.read("a")
    whole = content(package)
    refused = 0
    async with opened(tmp_path / "two") as store:
        for place in range(0, len(whole), 61):
            put(flipped, whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            try:
                await store.unpack(str(flipped))
            except Refused:
                refused += 1
                continue
            assert await store.read("a") == want
            await store.delete("a")
    assert refused
    print(f"flipped bytes in a package: {len(whole) // 61} cases, {refused} refused")


@trio_test
async def test_nothing_is_packed_over_a_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await append(store, "a", 0, durable=True)
        put(tmp_path / "a.tar", b"mine")
        with pytest.raises(Refused, match="there already"):
            await store.pack("a", str(tmp_path / "a.tar"))
        assert content(tmp_path / "a.tar") == b"mine"


def tar_of(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], **pax: str) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=pax or None) as tar:
        for member, body in members:
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return path


@trio_test
async def test_the_description_of_a_package_is_bounded(tmp_path: Path) -> None:
    """A tar file can describe its members at any length, all of them at once, and without end."""
    long = tarfile.TarInfo("logs/x.jsonl")
    long.pax_headers = {"comment": "x" * 2 * HEADER_BYTES_MAX}
    few = [(tarfile.TarInfo(MANIFEST), b"{}")]
    async with opened(tmp_path / "one") as store:
        for path, why in (
            (tar_of(tmp_path / "a.tar", [*few, (long, b"")]), "claims to have"),
            (tar_of(tmp_path / "b.tar", few, comment="x"), "all of its members at once"),
        ):
            with pytest.raises(Refused, match=why):
                await store.unpack(str(path))


@pytest.mark.slow
@trio_test
async def test_a_package_has_a_bounded_number_of_members(tmp_path: Path) -> None:
    members = ((tarfile.TarInfo(f"blobs/{n:064x}"), b"") for n in range(MEMBERS_MAX + 1))
    path = tar_of(tmp_path / "many.tar", members)
    async with opened(tmp_path / "one") as store:
        with pytest.raises(Refused, match=f"more than {MEMBERS_MAX} members"):
            await store.unpack(str(path))


@trio_test
async def test_a_hole_in_a_package_is_not_copied(tmp_path: Path) -> None:
    """A file of a terabyte may take no place at all on a disk, and would fill the one that it is copied to."""
    package, whole = tmp_path / "a.tar", 1 << 40
    async with opened(tmp_path / "one") as store:
        await append(store, "a", 0, durable=True)
        manifest = msgspec.json.encode(
            Package(1, "a", (PackedLog("a", 1, "00000000", whole, False, 1, None, 0),))
        )
        tar_of(package, [(tarfile.TarInfo(MANIFEST), manifest)])
        hole = tarfile.TarInfo("logs/a.jsonl")
        hole.size = whole
        with package.open("r+b") as file:
            file.seek(1024)
            file.write(hole.tobuf(tarfile.GNU_FORMAT))
            file.truncate(1024 + 512 + whole + 1024)
    async with opened(tmp_path / "two") as store:
        with pytest.raises(Refused, match="a line that no record has"):
            await store.unpack(str(package))
    left = sum(path.stat().st_blocks for path in (tmp_path / "two").rglob("*")) * 512
    assert left < 1 << 20
