"""Other programs change a running store's files, and clocks jump: it is detected and reported, and nothing acknowledged is lost silently."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Damaged, NotFound, StoreFailed
from store_engines import NOON_US, append, content, log_path, numbers, placed, put, rows
from trio_test import trio_test

HOUR_US = 3_600_000_000
TEN_YEARS_US = 10 * 365 * 24 * HOUR_US


def replaced(path: Path) -> None:
    """As a sync tool does it: a copy, renamed over it."""
    shutil.copy(path, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def extended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"garbage\n")


def cut(path: Path) -> None:
    put(path, content(path)[:-10])


def moved_away(path: Path) -> None:
    path.rename(path.with_suffix(".away"))


def opened_by_a_child() -> set[str] | None:
    """What a child has open that gets every descriptor which is not close-on-exec; None where nobody can know."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        folder = Path(f"/proc/{child.pid}/fd")
        return {os.readlink(row) for row in folder.iterdir()} if folder.exists() else None


HANDS: dict[str, Callable[[Path], None]] = {
    "renamed over": replaced,
    "removed": Path.unlink,
    "emptied": lambda path: put(path, b""),
    "cut": cut,
    "extended": extended,
    "moved away": moved_away,
}


@pytest.mark.parametrize("hand", HANDS)
@trio_test
async def test_a_durable_append_to_a_changed_file_fails_and_says_why(
    hand: str, tmp_path: Path
) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number in range(3):
            await append(store, "orders", number, durable=True)
        path = await log_path(store, "orders")
        HANDS[hand](path)
        with pytest.raises(StoreFailed, match=r"is not the file of \d+ bytes that was written"):
            await append(store, "orders", 3, durable=True)
        with pytest.raises(StoreFailed, match="takes nothing any more"):
            await append(store, "orders", 3)
        # What it had acknowledged it still shows, from memory.
        assert numbers(await store.read("orders")) == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("hand", HANDS)
@trio_test
async def test_a_caller_that_appended_in_order_gets_the_failure_too(
    hand: str, tmp_path: Path
) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, durable=True)
        HANDS[hand](await log_path(store, "orders"))
        await append(store, "orders", 1)
        with (
            store.subscribe("orders", after=2) as subscription,
            pytest.raises(StoreFailed, match="another program replaced, cut or extended it"),
        ):
            await subscription.receive()


@pytest.mark.parametrize("hand", ["removed", "emptied", "cut", "extended"])
@trio_test
async def test_opened_again_it_is_never_quietly_shorter(hand: str, tmp_path: Path) -> None:
    """A follower's next read, or the next process, says what is missing."""
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number in range(3):
            await append(store, "orders", number, durable=True)
        HANDS[hand](await log_path(store, "orders"))
        store.close("orders")
        try:
            head = await store.head("orders")
        except (Damaged, NotFound):
            return
        assert head.version == 3 or head.repaired is not None


@trio_test
async def test_time_never_runs_back_in_a_stream(tmp_path: Path) -> None:
    times = [NOON_US, NOON_US - HOUR_US, NOON_US + 1, NOON_US + TEN_YEARS_US, NOON_US + 2]
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        for number, at_us in enumerate(times):
            await append(store, "orders", number, at_us=at_us, durable=number % 2 == 0)
            if number == 3:
                store.close("orders")
        await store.fork("orders", 4, "fork", [placed(5)], at_us=NOON_US)
        found = [row.at for row in rows(await store.read("orders"))]
        later = "2036-11-18T03:00:00.000000Z"
        noon = "2026-11-21T03:00:00.00000"
        assert found == [f"{noon}0Z", f"{noon}0Z", f"{noon}1Z", later, later]
        assert rows(await store.read("fork"))[-1].at == later


@pytest.mark.slow
@trio_test
async def test_a_child_that_was_started_meanwhile_has_no_file_of_the_store_open(
    tmp_path: Path,
) -> None:
    """Every descriptor is close-on-exec: also those of logs, drafts and the notes."""
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, durable=True)
        draft = store.open_draft("orders", "item", b"{}")
        draft.append(b"text")
        await store.set_checkpoint("index", "orders", 1)
        opened = opened_by_a_child()
        if opened is None:
            pytest.skip("only Linux shows what a process has open")
        assert [path for path in opened if path.startswith(str(tmp_path))] == []
