"""A disk that fails: who appended is told, what is there is read on, and several failed logs stop the store's writing."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.committer import LOGS_FAILED_MAX, STORE_PENDING_BYTES_MAX
from codexd_eventstore.jsonl import open_jsonl_store
from codexd_eventstore.store import StoreFailed
from fault_plans import FaultAt
from simulated_files import SimulatedFileSystem
from simulated_power import AllKept, AllLost, after_power_cut
from store_engines import append, numbers, placed
from trio_test import trio_test

DATA, STATE = "/disk/data", "/disk/state"
SYNC = frozenset({"sync"})


def failing(number: int, kinds: frozenset[str], stream: str = "") -> FaultAt:
    """All such calls on the logs of a stream, or of all, fail once it is started."""
    return FaultAt(
        1, number, kinds=kinds, goes_on=True, concerns=lambda path: f"{stream}.jsonl" in path
    )


@trio_test
async def test_ordered_records_that_the_disk_failed_are_told_to_followers_and_the_next_append() -> (
    None
):
    faults = failing(errno.EIO, SYNC)
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        faults.start()
        await append(store, "a", 1)
        with (
            store.subscribe("a", after=2) as subscription,
            pytest.raises(StoreFailed, match="could not be synced"),
        ):
            await subscription.receive()
        with pytest.raises(StoreFailed, match="takes nothing any more"):
            await append(store, "a", 2)
        faults.stop()
        # Opened anew it shows what the disk has, and not what the kernel believed.
        store.close("a")
        assert numbers(await store.read("a")) == [(1, 1)]
        assert (await append(store, "a", 1, durable=True)).last == 2


@trio_test
async def test_several_failed_logs_stop_all_appends_and_no_reading() -> None:
    faults = failing(errno.EIO, SYNC)
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        streams = [f"s{number}" for number in range(LOGS_FAILED_MAX + 1)]
        for stream in streams:
            await append(store, stream, 0, durable=True)
        faults.start()
        for stream in streams[:LOGS_FAILED_MAX]:
            with pytest.raises(StoreFailed):
                await append(store, stream, 1, durable=True)
        faults.stop()
        for durable in (False, True):
            with pytest.raises(StoreFailed, match="the store takes nothing any more") as caught:
                await append(store, streams[-1], 1, durable=durable)
            assert not caught.value.retry
        for stream in streams:
            assert numbers(await store.read(stream)) == [(1, 1)]
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, streams[-1], 1, durable=True)


@trio_test
async def test_one_failed_log_is_one_logs_trouble() -> None:
    faults = failing(errno.EIO, SYNC, "bad")
    async with open_jsonl_store(
        DATA, state_dir=STATE, files=SimulatedFileSystem(faults=faults)
    ) as store:
        for stream in ("bad", "good"):
            await append(store, stream, 0, durable=True)
        faults.start()
        for version in range(1, LOGS_FAILED_MAX + 2):
            store.close("bad")
            with pytest.raises(StoreFailed):
                await append(store, "bad", 1, durable=True)
            await append(store, "good", version, durable=True)


@pytest.mark.parametrize("durable", [False, True])
@trio_test
async def test_what_was_refused_for_space_does_not_come_back_after_a_power_cut(
    durable: bool,
) -> None:
    faults = FaultAt(
        1,
        errno.ENOSPC,
        kinds=frozenset({"write"}),
        goes_on=True,
        writes_part=0.9,
        concerns=lambda path: path.endswith(".jsonl"),
    )
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        await append(store, "a", 1, durable=True)
        faults.start()
        # The first of the batch would be whole in the file, the second one not.
        with pytest.raises(StoreFailed, match="nothing was appended") as caught:
            await append(store, "a", 2, placed(3), durable=durable)
        assert caught.value.retry
        disk = files.disk()
        faults.stop()
    for outcome in (AllLost(), AllKept()):
        found = after_power_cut(disk, outcome)
        async with open_jsonl_store(DATA, state_dir=STATE, files=found) as store:
            assert await store.read("a", after=2) == []
            assert (await store.head("a")).repaired is None


class HangingDisk(SimulatedFileSystem):
    """A disk whose syncs wait until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def sync(self, fd: int) -> None:
        self.free.wait()
        super().sync(fd)


@pytest.mark.slow
@trio_test
async def test_a_disk_that_hangs_does_not_fill_the_memory() -> None:
    """Many streams, each below its own bound, wait at the bound of the store."""
    disk, size = HangingDisk(), 6_000_000
    async with open_jsonl_store(DATA, state_dir=STATE, files=disk) as store:
        streams = [f"s{number}" for number in range(16)]
        for stream in streams:
            await append(store, stream, 0, durable=True)
        accepted = 0

        async def write(stream: str) -> None:
            nonlocal accepted
            await append(store, stream, 1, placed(2, size), durable=True)
            accepted += 1

        async with trio.open_nursery() as nursery:
            disk.free.clear()
            for stream in streams:
                nursery.start_soon(write, stream)
            await wait_all_tasks_blocked()
            pending = store._parts.committer._pending_bytes
            assert STORE_PENDING_BYTES_MAX < pending <= STORE_PENDING_BYTES_MAX + size + 1000
            disk.free.set()
        assert accepted == len(streams)
        assert store._parts.committer._pending_bytes == 0


WRITER = """
import sys, trio
from codexd_eventstore.jsonl import open_jsonl_store
from codexd_eventstore.store import NewEvent, StoreFailed

async def main():
    async with open_jsonl_store(sys.argv[1], state_dir=sys.argv[1] + "/state") as store:
        for number in range(5):
            try:
                answer = await store.append("orders", [NewEvent("order.placed", b'{"number":%d}' % (number + 1))],
                    expected_version=number, at_us=1, durable=True)
                print("acked", answer.last, flush=True)
            except StoreFailed as error:
                print("failed", error.retry, len(await store.read("orders")), flush=True)
                return

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the errors")
@pytest.mark.parametrize("nth", [1, 2, 4])
@trio_test
async def test_a_real_error_of_fdatasync_is_told_and_costs_nothing_acknowledged(
    nth: int, tmp_path: Path
) -> None:
    inject = f"inject=fdatasync:error=EIO:when={nth}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject]
    command += [sys.executable, "-c", WRITER, str(tmp_path)]
    answer = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    if b"ptrace" in answer.stderr:
        pytest.skip("strace may not trace here")
    said = answer.stdout.decode().splitlines()
    assert said[-1].startswith("failed False"), answer.stderr.decode()
    acked = len(said) - 1
    async with open_jsonl_store(tmp_path, state_dir=tmp_path / "state") as store:
        # What was refused may be there all the same: nobody said that it was not.
        version = (await store.head("orders")).version
        assert version >= acked
        assert (await append(store, "orders", version, durable=True)).last == version + 1


def mounted(folder: Path) -> bool:
    """Whether a file system of 64 KiB could be mounted there."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mount = shutil.which("mount")
    return mount is not None and (
        subprocess.run([mount, *options], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.slow
@trio_test
async def test_a_real_full_file_system_takes_what_fits_and_goes_on_when_there_is_space(
    tmp_path: Path,
) -> None:
    small = tmp_path / "small"
    if not mounted(small):
        pytest.skip("only root can mount a file system")
    try:
        async with open_jsonl_store(small, state_dir=tmp_path / "state") as store:
            ballast = small / "ballast"
            ballast.write_bytes(bytes(20_000))
            version = 0
            while True:
                try:
                    version = (
                        await append(
                            store, "a", version, placed(version + 1, 3000), durable=version % 2 == 0
                        )
                    ).last
                except StoreFailed as error:
                    failure = error
                    break
            assert failure.retry
            assert version > 3
            assert (await store.verify("a")).damage is None
            assert len(await store.read("a")) == version
            ballast.unlink()
            answer = await append(store, "a", version, placed(version + 1, 3000), durable=True)
            assert answer.last == version + 1
        async with open_jsonl_store(small, state_dir=tmp_path / "state") as store:
            expected = [(n, n) for n in range(1, version + 2)]
            assert numbers(await store.read("a")) == expected
    finally:
        await trio.run_process(["umount", str(small)])
