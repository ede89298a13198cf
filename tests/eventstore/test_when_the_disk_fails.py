"""A disk that fails: callers get the error, stored records can still be read, and several failed logs stop the store's writing."""

from __future__ import annotations

import errno
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from codexd_eventstore.log.committer import (
    FILES_OPEN_MAX,
    LOGS_FAILED_MAX,
    STORE_PENDING_BYTES_MAX,
)
from codexd_eventstore.operations.jsonl import open_jsonl_store
from codexd_eventstore.store import NotFound, StoreFailed
from fault_plans import FaultAt, NoFaults
from simulated_files import SimulatedFileSystem
from simulated_power import Sampled, after_power_cut
from store_engines import append, numbers, placed
from trio_test import trio_test

DATA, STATE = "/disk/data", "/disk/state"
SYNC = frozenset({"sync"})


def is_log(path: str) -> bool:
    """Whether the file is a log."""
    return path.endswith(".jsonl")


def failing(number: int, kinds: frozenset[str], stream: str = "") -> FaultAt:
    """All such calls on the logs of a stream, or of all, fail once it is started."""
    return FaultAt(
        1, number, kinds=kinds, goes_on=True, concerns=lambda path: f"{stream}.jsonl" in path
    )


@trio_test
async def test_failed_ordered_records_are_reported_to_followers_and_the_next_append() -> None:
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
async def test_nothing_is_said_to_be_on_disk_of_a_log_that_the_disk_failed() -> None:
    faults = failing(errno.EIO, SYNC)
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        faults.start()
        await append(store, "a", 1, key="k")
        with store.subscribe("a", after=2) as subscription, pytest.raises(StoreFailed):
            await subscription.receive()
        faults.stop()
        # None of these met the failure; each would promise that record 2 is there after a power cut.
        with pytest.raises(StoreFailed, match="may be lost"):
            await store.archive("a")
        with pytest.raises(StoreFailed, match="may be lost"):
            await append(store, "a", 1, durable=True, key="k")
        assert (await append(store, "a", 1, key="k")).repeated
        assert not (await store.head("a")).archived


@trio_test
async def test_synced_records_of_a_log_that_fails_later_are_acknowledged_as_durable() -> None:
    faults = failing(errno.EIO, SYNC)
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True, key="k")
        faults.start()
        with pytest.raises(StoreFailed):
            await append(store, "a", 1, durable=True)
        faults.stop()
        answer = await append(store, "a", 0, durable=True, key="k")
        assert (answer.repeated, answer.last) == (True, 1)


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


class HangingDisk(SimulatedFileSystem):
    """A disk whose syncs wait until it is let go."""

    def __init__(self, faults: FaultAt | None = None) -> None:
        super().__init__(faults=faults)
        self.free = threading.Event()
        self.free.set()
        self.hangs = threading.Event()

    def sync(self, fd: int) -> None:
        if not self.free.is_set():
            self.hangs.set()
        self.free.wait()
        super().sync(fd)


@trio_test
async def test_a_record_that_was_refused_for_space_is_not_there_after_a_power_cut() -> None:
    """Two appends in one write: the first is whole in the file when the second does not fit."""
    faults = FaultAt(
        1, errno.ENOSPC, kinds=frozenset({"write"}), goes_on=True, writes_part=0.9, concerns=is_log
    )
    disk = HangingDisk(faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=disk) as store:
        await append(store, "a", 0, durable=True)

        async def refused(version: int) -> None:
            with pytest.raises(StoreFailed, match="nothing was appended") as caught:
                await append(store, "a", version, durable=True)
            assert caught.value.retry

        async with trio.open_nursery() as nursery:
            disk.free.clear()
            nursery.start_soon(lambda: append(store, "a", 1, durable=True))
            await trio.to_thread.run_sync(disk.hangs.wait)
            for version in (2, 3):
                await wait_all_tasks_blocked()
                nursery.start_soon(refused, version)
            await wait_all_tasks_blocked()
            faults.start()
            disk.free.set()
        found = disk.disk()
        faults.stop()
    for seed in range(50):
        files = after_power_cut(found, Sampled(random.Random(seed)))
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            assert numbers(await store.read("a")) == [(1, 1), (2, 2)]


@pytest.mark.parametrize("durable", [False, True])
@trio_test
async def test_a_look_at_a_file_that_fails_costs_that_append_alone(durable: bool) -> None:
    for nth in range(1, 6):
        faults = FaultAt(nth, errno.EIO, kinds=frozenset({"state", "fd_state"}), concerns=is_log)
        files = SimulatedFileSystem(faults=faults)
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            faults.start()
            try:
                version = (await append(store, "a", 0, durable=durable)).last
            except StoreFailed:
                version = 0
            faults.stop()
            assert (await append(store, "a", version, durable=True)).last == version + 1
        assert files.descriptors() == []


@trio_test
async def test_a_file_that_could_not_be_looked_at_does_not_stay_open() -> None:
    for nth in (1, 2):  # of its folder's names, and of the file that was made
        faults = FaultAt(nth, errno.EIO, kinds=frozenset({"state", "fd_state"}), concerns=is_log)
        files = SimulatedFileSystem(faults=faults)
        async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
            faults.start()
            with pytest.raises(StoreFailed):
                await append(store, "a", 0, durable=True)
            assert not any(map(is_log, files.descriptors()))


@trio_test
async def test_a_write_at_once_that_the_disk_fails_is_not_to_be_repeated() -> None:
    faults = failing(errno.EIO, frozenset({"write"}))
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        faults.start()
        with pytest.raises(StoreFailed, match="shows when it is opened again") as caught:
            await append(store, "a", 1)
        assert not caught.value.retry
        assert not any(map(is_log, files.descriptors()))


@trio_test
async def test_files_that_were_closed_take_no_place_among_those_that_may_be_open() -> None:
    files = SimulatedFileSystem()
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        for number in range(FILES_OPEN_MAX + 1):
            await append(store, f"s{number}", 0, durable=True)
            store.close(f"s{number}")
        assert not any(map(is_log, files.descriptors()))
        for stream in ("a", "b"):
            await append(store, stream, 0, durable=True)
        assert len([path for path in files.descriptors() if is_log(path)]) == 2


@trio_test
async def test_a_sync_that_could_not_be_begun_is_begun_again() -> None:
    faults = FaultAt(1, errno.ENOMEM, kinds=frozenset({"state"}), concerns=is_log)
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        faults.start()
        await append(store, "a", 1)
        with trio.fail_after(5):
            while not any(
                durable.count(b'"seq"') == 2 for durable, _ in files.disk().files.values()
            ):
                await trio.lowlevel.checkpoint()
        assert faults.failed == 1


class FullAndBroken(NoFaults):
    """No write to a log fits, and no file can be removed."""

    works = True

    def number_of(self, kind: str, path: str) -> int | None:
        if self.works or not is_log(path):
            return None
        return {"write": errno.ENOSPC, "unlink": errno.EIO}.get(kind)


@trio_test
async def test_a_new_stream_that_does_not_fit_is_tried_again_also_where_nothing_can_be_removed() -> (
    None
):
    faults = FullAndBroken()
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        faults.works = False
        for durable in (False, True):
            with pytest.raises(StoreFailed, match="nothing was appended") as caught:
                await append(store, "a", 0, durable=durable)
            assert caught.value.retry
        faults.works = True
        await append(store, "a", 0, durable=True)


@trio_test
async def test_drafts_that_cannot_be_read_raise_the_stores_own_errors() -> None:
    faults = FaultAt(
        1,
        errno.EIO,
        kinds=frozenset({"entries", "read", "unlink", "remove_folder"}),
        goes_on=True,
        concerns=lambda path: "/drafts" in path,
    )
    files = SimulatedFileSystem(faults=faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=files) as store:
        await append(store, "a", 0, durable=True)
        drafts = [store.open_draft("a", f"item-{n}", b"{}") for n in range(2)]
        drafts[0].append(b"text")
        faults.start()
        with pytest.raises(StoreFailed):
            drafts[0].read()
        drafts[0].drop()
        store.close("a")
        for call in (store.left_drafts, store.drop_left_drafts):
            with pytest.raises(StoreFailed):
                await call("a")
        with pytest.raises(StoreFailed, match="was deleted, and its drafts could not be"):
            await store.delete("a")
        with pytest.raises(NotFound):
            await store.head("a")


@pytest.mark.slow
@trio_test
async def test_a_disk_that_hangs_does_not_fill_the_memory() -> None:
    """Many streams, each below its own bound, wait at the bound of the store."""
    faults, size = failing(errno.EIO, SYNC, "bad"), 6_000_000
    disk = HangingDisk(faults)
    async with open_jsonl_store(DATA, state_dir=STATE, files=disk) as store:
        streams = [f"s{number}" for number in range(16)]
        for stream in streams:
            await append(store, stream, 0, durable=True)
        accepted = 0

        async def write(stream: str) -> None:
            nonlocal accepted
            await append(store, stream, 1, placed(2, size), durable=True)
            accepted += 1

        async def fail(version: int) -> None:
            with pytest.raises(StoreFailed):
                await append(store, "bad", version, placed(version + 1, size), durable=True)

        await append(store, "bad", 0, durable=True)
        faults.start()
        async with trio.open_nursery() as nursery:
            disk.free.clear()
            # What befalls these concerns nobody who waits for room: one that is written, one that waits for it.
            for version in (1, 2):
                nursery.start_soon(fail, version)
                await wait_all_tasks_blocked()
            for stream in streams:
                nursery.start_soon(write, stream)
            await wait_all_tasks_blocked()
            pending = store.committer._pending_bytes
            assert STORE_PENDING_BYTES_MAX < pending <= STORE_PENDING_BYTES_MAX + size + 1000
            disk.free.set()
        assert accepted == len(streams)
        assert store.committer._pending_bytes == 0


WRITER = """
import sys, trio
from codexd_eventstore.operations.jsonl import open_jsonl_store
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
async def test_a_real_error_of_fdatasync_is_reported_and_loses_nothing_acknowledged(
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
async def test_a_real_full_file_system_takes_what_fits_and_continues_when_there_is_space(
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
