"""One process at a time owns a store; another process gets the owner's pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import Locked
from store_engines import append
from trio_test import trio_test

OWNER = """
import sys, trio
from codexd_eventstore.operations.jsonl import open_jsonl_store

async def main():
    async with open_jsonl_store(sys.argv[1], state_dir=sys.argv[1] + "/state"):
        sys.stdout.write("owned\\n")
        sys.stdout.flush()
        sys.stdin.readline()

trio.run(main)
"""


def start_owner(folder: Path) -> subprocess.Popen[bytes]:
    """A process that owns the store until it is killed or gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"owned\n"
    return process


def start_heir() -> subprocess.Popen[bytes]:
    """A child that gets every descriptor that is not close-on-exec, and outlives the store."""
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)


@pytest.mark.slow
@trio_test
async def test_the_second_owner_gets_the_first_owners_pid(tmp_path: Path) -> None:
    with start_owner(tmp_path) as process:
        with pytest.raises(Locked, match=f"process {process.pid} "):
            async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state"):
                pass
        # SIGKILL gives the lock back: the kernel does it.
        process.send_signal(signal.SIGKILL)
        process.wait()
        async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
            await append(store, "orders", 0)


@trio_test
async def test_nor_can_one_process_own_it_twice(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state"):
        with pytest.raises(Locked, match=f"process {os.getpid()} "):
            async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state"):
                pass
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state"):
        assert (tmp_path / "store.lock").exists()


@pytest.mark.slow
@trio_test
async def test_a_child_that_outlives_its_owner_does_not_keep_the_lock(tmp_path: Path) -> None:
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        await append(store, "orders", 0, durable=True)
        child = start_heir()
    with child:
        async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
            assert (await store.head("orders")).version == 1
