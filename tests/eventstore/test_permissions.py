"""With any umask, files and folders are private to their owner."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from store_engines import NOON_US, append, content, log_path, placed, put
from trio_test import trio_test


async def use_everything(home: Path, state: Path) -> None:
    """Make one of each kind of file."""
    async with open_jsonl_store(home, state_dir=state) as store:
        await append(store, "01a9c2f0-0000-7000-8000-000000000000", 0)
        await append(store, "orders", 0, durable=True)
        await append(store, "orders", 1, durable=True)
        await store.fork("orders", 1, "others", [placed(2)], at_us=NOON_US)
        await append(store, "old", 0)
        await store.archive("old")
        store.open_draft("orders", "item", b"{}").append(b"text")
        await store.put_blob(b"bytes")
        await store.set_checkpoint("index", "orders", 1)
        path = await log_path(store, "orders")
        store.close("orders")
        put(path, content(path) + b"{")
        assert (await store.head("orders")).repaired


def everything_in(folder: Path) -> list[Path]:
    """All files and folders below it."""
    return list(folder.rglob("*"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@trio_test
async def test_no_other_user_may_look(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        await use_everything(tmp_path / "deep" / "home", tmp_path / "state")
    finally:
        os.umask(before)
    found = everything_in(tmp_path)
    kinds = {"threads", "archived", "drafts", "blobs", "store.lock", "notes.sqlite"}
    assert kinds <= {path.name for path in found}
    assert any(".torn-" in path.name for path in found)
    for path in found:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
