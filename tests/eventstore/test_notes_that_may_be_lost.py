"""The notes beside the logs may be missing, broken, old or not writable: that costs time, and changes no answer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from codexd_eventstore.log.keys import KEYS_KEPT_MAX
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.sidecar.notes import Notes
from codexd_eventstore.sidecar.rows import SnapshotRow
from codexd_eventstore.store import Damaged, EventStore, Snapshot
from store_engines import append, content, jsonl, log_path, placed, put
from trio_test import trio_test

KEYS = KEYS_KEPT_MAX + 200


async def write(store: EventStore, version: int, count: int) -> None:
    """Append records with a key each, long enough that the log is opened by its tail."""
    for number in range(version, version + count):
        await append(store, "orders", number, placed(number, size=50), key=f"k{number}")


async def ask_everything(store: EventStore, version: int) -> None:
    """The answers that no note may change."""
    assert (await store.head("orders")).version == version
    for number in (0, 1, version // 2, version - 1):
        assert await store.find_key("orders", f"k{number}") == (number + 1, number + 1)
    assert await store.find_key("orders", f"k{version}") is None
    assert (await append(store, "orders", 0, key="k0")).repeated
    assert await store.snapshot("orders", "fold") in (None, Snapshot(KEYS, b"fold"))
    assert await store.checkpoint("reader", "orders") in (0, 7, KEYS)


def put_nothing(notes: Path, old: bytes) -> None:
    """The file is gone."""
    notes.unlink()


def put_garbage(notes: Path, old: bytes) -> None:
    """Somebody wrote over it."""
    put(notes, b"garbage" * 1000)


def put_zeros_behind(notes: Path, old: bytes) -> None:
    """A disk lost all of it but its beginning."""
    whole = content(notes)
    put(notes, whole[:4096] + bytes(len(whole) - 4096))


def cut_short(notes: Path, old: bytes) -> None:
    """Only a part of it is there."""
    whole = content(notes)
    put(notes, whole[: len(whole) // 2])


def put_older_copy(notes: Path, old: bytes) -> None:
    """Somebody brought a copy back."""
    put(notes, old)


def put_other_version(notes: Path, old: bytes) -> None:
    """Another version of this program wrote it."""
    db = sqlite3.connect(notes)
    db.execute("PRAGMA user_version = 99")
    db.close()


def put_without_tables(notes: Path, old: bytes) -> None:
    """The tables are missing."""
    db = sqlite3.connect(notes)
    for table in ("mark", "key", "snapshot", "checkpoint"):
        db.execute(f"DROP TABLE {table}")
    db.close()


def put_folder(notes: Path, old: bytes) -> None:
    """There is a folder where it should be."""
    notes.unlink()
    notes.mkdir()


STATES: list[Callable[[Path, bytes], None]] = [
    put_nothing,
    put_garbage,
    put_zeros_behind,
    cut_short,
    put_older_copy,
    put_other_version,
    put_without_tables,
    put_folder,
]


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@trio_test
async def test_no_answer_depends_on_the_notes(
    state: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    notes = tmp_path / "state/notes.sqlite"
    async with jsonl(tmp_path) as store:
        await write(store, 0, 600)
        await store.set_checkpoint("reader", "orders", 7)
    old = content(notes)
    async with jsonl(tmp_path) as store:
        await write(store, 600, KEYS - 600)
        await store.set_checkpoint("reader", "orders", KEYS)
        await store.set_snapshot("orders", "fold", Snapshot(KEYS, b"fold"))
    async with jsonl(tmp_path) as store:
        await ask_everything(store, KEYS)
    state(notes, old)
    for version in (KEYS, KEYS + 5):
        async with jsonl(tmp_path) as store:
            await ask_everything(store, version)
            await write(store, version, 5)
            await store.set_checkpoint("reader", "orders", 7)
            assert await store.checkpoint("reader", "orders") == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@trio_test
async def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    async with jsonl(tmp_path) as store:
        await write(store, 0, 5)
    (tmp_path / "state").chmod(0o500)
    try:
        async with jsonl(tmp_path) as store:
            assert await store.find_key("orders", "k0") == (1, 1)
            await write(store, 5, 5)
    finally:
        (tmp_path / "state").chmod(0o700)


@trio_test
async def test_a_file_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    notes = Notes(str(tmp_path / "missing/folder/notes.sqlite"))
    notes.set_checkpoint("orders", "reader", 3)
    assert notes.checkpoint("orders", "reader") == 3
    await notes.write_out()
    assert notes.checkpoint("orders", "reader") == 0
    assert notes.hint("orders") is None
    assert notes.snapshot("orders", "fold") is None
    assert notes.find_key("orders", 1, "k", 5) == (False, None)
    await notes.shut()


@trio_test
async def test_notes_that_wait_to_be_written_are_visible_at_once(tmp_path: Path) -> None:
    notes = Notes(str(tmp_path / "notes.sqlite"))
    for _ in range(2):
        await notes.set_snapshot("orders", "fold", SnapshotRow(3, 9, b"fold"))
        assert notes.snapshot("orders", "fold") == SnapshotRow(3, 9, b"fold")
        notes.drop("orders", checkpoints=False)
        assert notes.snapshot("orders", "fold") is None
        await notes.write_out()
    await notes.shut()


def holds(folder: Path, text: bytes) -> bool:
    """Whether any file of a folder has it."""
    return any(text in content(path) for path in folder.iterdir())


@trio_test
async def test_dropping_leaves_nothing_of_a_snapshot_in_the_file(tmp_path: Path) -> None:
    notes = Notes(str(tmp_path / "notes.sqlite"))
    await notes.set_snapshot("orders", "fold", SnapshotRow(3, 9, b"a secret" * 1000))
    await notes.write_out()
    assert holds(tmp_path, b"a secret")
    notes.drop("orders", checkpoints=True)
    await notes.write_out()
    assert not holds(tmp_path, b"a secret")
    await notes.shut()


@pytest.mark.slow
@trio_test
async def test_the_last_record_that_rotted_at_rest_is_damage(tmp_path: Path) -> None:
    async with jsonl(tmp_path) as store:
        for number in range(3):
            await append(store, "orders", number, durable=True)
        path = await log_path(store, "orders")
    whole = content(path)
    last = whole.rindex(b"\n", 0, -1) + 1
    cases = 0
    for at in range(last, len(whole)):
        put(path, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        async with open_jsonl_store(tmp_path / "home", state_dir=tmp_path / "state") as reopened:
            with pytest.raises(Damaged):
                await reopened.head("orders")
        cases += 1
        await trio.lowlevel.checkpoint()
    print(f"flips in the last record: {cases} cases")
    for end in range(0, len(whole), 17):
        put(path, whole[:end])
        async with jsonl(tmp_path) as reopened:
            with pytest.raises(Damaged, match="3 records were acknowledged"):
                await reopened.head("orders")
            assert (await reopened.verify("orders")).damage if end else True
        assert content(path) == whole[:end]


@trio_test
async def test_another_whole_log_is_taken_and_said(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, total in ((first, 3), (second, 5)):
        async with jsonl(folder) as store:
            await append(store, "orders", 0, placed(1, size=300), durable=True)
            for number in range(1, total):
                await append(store, "orders", number, placed(total * 100 + number), durable=True)
            path = await log_path(store, "orders")
    put(first / "home/threads/other/orders.jsonl", content(path))
    async with jsonl(first) as store:
        head = await store.head("orders")
        assert head.version == 5
        assert head.repaired is not None
        assert "another program put it there" in head.repaired
        await append(store, "orders", 5, durable=True)
    async with jsonl(first) as store:
        assert (await store.head("orders")).repaired is None


@trio_test
async def test_a_stream_that_was_deleted_and_made_again_has_no_old_notes(tmp_path: Path) -> None:
    async with jsonl(tmp_path) as store:
        await append(store, "orders", 0, placed(1), placed(2), durable=True)
        path = await log_path(store, "orders")
    path.unlink()  # behind the store's back: its notes stay
    async with jsonl(tmp_path) as store:
        await append(store, "orders", 0, at_us=1, durable=True)
    async with jsonl(tmp_path) as store:
        assert (await store.head("orders")).version == 1
