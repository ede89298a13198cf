"""The file system in memory does what the real one does; and its behaviour at a power cut is specified here."""

from __future__ import annotations

import errno
import inspect
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codexd_eventstore.disk.files import (
    JOINED_BYTES_MAX,
    PIECES_MAX,
    Entry,
    FileState,
    FileSystem,
)
from fault_plans import FaultAt
from simulated_files import SimulatedFileSystem, Wrote
from simulated_power import AllKept, AllLost, Sampled, after_power_cut, sectors

PATHS = ("/a", "/b", "/f", "/f/a", "/f/b", "/g", "/g/a", "/a/x", "/missing/a")
# Which of them it is when a folder stands where a file is wanted, or the other way, is nobody's concern.
IN_THE_WAY = {errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY}
SCRIPTS = 150
CALLS = 60

Call = tuple[str, tuple[Any, ...]]


def calls_at(dice: random.Random, fds: int) -> Call:
    """Any call; descriptors are named by the order in which they were opened."""
    path, other = dice.choice(PATHS), dice.choice(PATHS)
    file = dice.choice([name for name in PATHS if name not in {"/f", "/g"}])
    fd = dice.randrange(fds) if fds else None
    named: list[Call] = [
        ("create", (path,)),
        ("open", (path,)),
        ("open_to_read", (file,)),
        ("rename", (file, other)),  # the store moves no folders
        ("unlink", (path,)),
        ("make_folder", (dice.choice(("/f", "/g", "/missing/g")),)),
        ("remove_folder", (path,)),
        ("state", (path,)),
        ("entries", (path,)),
        ("read_range", (path, dice.randrange(5), dice.randrange(20))),
        ("sync_folder", (path,)),
        ("lock", (path,)),
    ]
    opened: list[Call] = [
        ("write", (fd, dice.choice((b"", b"hello", b"world!" * 5)))),
        ("read", (fd, dice.randrange(5), dice.randrange(40))),
        ("truncate", (fd, dice.randrange(12))),
        ("sync", (fd,)),
        ("fd_state", (fd,)),
        ("forget_cache", (fd,)),
        ("close", (fd,)),
    ]
    return dice.choice(named + opened if fd is not None else named)


class Player:
    """Makes the calls on one file system and says what came of each."""

    def __init__(self, files: FileSystem, root: str) -> None:
        self._files = files
        self._root = root
        self.fds: list[int] = []

    def play(self, call: Call) -> object:
        """The result as it can be compared, or the name of the error."""
        name, arguments = call
        real = [self._root + a if isinstance(a, str) else a for a in arguments]
        takes_fd = {"write", "read", "truncate", "sync", "fd_state", "forget_cache", "close"}
        if real and arguments[0] is not None and name in takes_fd:
            real[0] = self.fds[arguments[0]]
        try:
            result = getattr(self._files, name)(*real)
        except OSError as error:
            return "something in the way" if error.errno in IN_THE_WAY else error.errno
        if name in {"create", "open", "open_to_read", "lock"} and result is not None:
            self.fds.append(result)
            return "opened"
        return self._comparable(result)

    def _comparable(self, result: object) -> object:
        if isinstance(result, FileState):
            return result.size_bytes if self._is_file(result) else "folder"
        if isinstance(result, list):
            rows: list[Entry] = result
            return sorted((row.name, row.is_folder, row.size_bytes) for row in rows)
        return result

    def _is_file(self, state: FileState) -> bool:
        if isinstance(self._files, SimulatedFileSystem):
            return state.inode in self._files.disk().files
        return (
            state.size_bytes < 4096
        )  # nothing here is longer, and a folder is not shorter on ext4

    def close(self) -> None:
        """Close what is open."""
        for fd in self.fds:
            try:
                self._files.close(fd)
            except OSError:
                continue


@pytest.mark.slow
def test_any_calls_do_the_same_as_on_the_real_file_system(tmp_path: Path) -> None:
    made = 0
    for seed in range(SCRIPTS):
        dice = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        real = Player(FileSystem(), str(folder))
        simulated_files = SimulatedFileSystem()
        simulated_files.make_folder("/root")
        simulated = Player(simulated_files, "/root")
        closed: set[int] = set()
        for _ in range(CALLS):
            call = calls_at(dice, len(real.fds))
            # A closed number may be another file's by now on the real one.
            if call[1] and isinstance(call[1][0], int) and call[1][0] in closed:
                continue
            assert real.play(call) == simulated.play(call), f"seed {seed}: {call}"
            made += 1
            if call[0] == "close":
                closed.add(call[1][0])
        real.fds = [fd for place, fd in enumerate(real.fds) if place not in closed]
        real.close()
    print(f"simulated files: {made} calls beside the real ones")


def test_it_replaces_every_call() -> None:
    for name, _ in inspect.getmembers(FileSystem, inspect.isfunction):
        assert name in vars(SimulatedFileSystem), f"{name} would reach the real file system"


def written(*, sync: bool, sync_folder: bool) -> SimulatedFileSystem:
    """A file with a durable and a later part."""
    files = SimulatedFileSystem()
    fd = files.create("/a")
    files.write(fd, b"first")
    if sync:
        files.sync(fd)
    if sync_folder:
        files.sync_folder("/")
    files.write(fd, b"second")
    return files


def left(files: SimulatedFileSystem, path: str = "/a") -> bytes | None:
    """The file's content, if it is there."""
    state = files.state(path)
    return None if state is None else files.read_range(path, 0, state.size_bytes)


@pytest.mark.parametrize(
    ("sync", "sync_folder", "expected"),
    [(True, True, b"first"), (True, False, None), (False, True, b""), (False, False, None)],
)
def test_a_power_cut_leaves_what_was_synced(
    sync: bool, sync_folder: bool, expected: bytes | None
) -> None:
    disk = written(sync=sync, sync_folder=sync_folder).disk()
    assert left(after_power_cut(disk, AllLost())) == expected
    assert left(after_power_cut(disk, AllKept())) == b"firstsecond"


def outcomes(files: SimulatedFileSystem, look: Callable[[SimulatedFileSystem], object]) -> set[Any]:
    """What may be found after a power cut, by many throws of the dice."""
    disk = files.disk()
    return {look(after_power_cut(disk, Sampled(random.Random(seed)))) for seed in range(300)}


def test_a_write_may_be_there_in_any_part_of_it() -> None:
    found = outcomes(written(sync=True, sync_folder=True), left)
    assert {b"first" + b"second"[:cut] for cut in range(7)} <= found
    assert b"first" + bytes(6) in found


def test_a_later_write_may_overtake_an_earlier_write() -> None:
    files = written(sync=True, sync_folder=True)
    fd = files.open("/a")
    files.write(fd, b"third")
    assert b"first" + bytes(6) + b"third" in outcomes(files, left)
    in_order = {
        left(after_power_cut(files.disk(), Sampled(random.Random(seed), in_order=True)))
        for seed in range(300)
    }
    assert b"first" + bytes(6) + b"third" not in in_order
    assert b"firstsecondth" in in_order


def test_a_write_is_torn_at_its_sectors() -> None:
    assert sectors(Wrote(500, bytes(1000))) == [(500, 512), (512, 1024), (1024, 1500)]


def test_names_are_lost_in_any_order() -> None:
    files = SimulatedFileSystem()
    for path in ("/a", "/b"):
        files.close(files.create(path))
    files.rename("/b", "/c")

    def names(found: SimulatedFileSystem) -> tuple[str, ...]:
        return tuple(sorted(row.name for row in found.entries("/")))

    assert outcomes(files, names) == {(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c")}


def test_a_move_is_whole_and_syncing_either_folder_settles_it() -> None:
    files = SimulatedFileSystem()
    for folder in ("/x", "/y"):
        files.make_folder(folder)
    files.close(files.create("/x/a"))
    files.sync_folder("/")
    files.rename("/x/a", "/y/a")
    files.sync_folder("/y")
    found = after_power_cut(files.disk(), AllLost())
    assert (found.state("/x/a"), left(found, "/y/a")) == (None, b"")


def test_a_failed_sync_never_reaches_the_disk_and_the_next_does_not_report_it() -> None:
    faults = FaultAt(1, 5, kinds=frozenset({"sync"}))
    files = SimulatedFileSystem(faults=faults)
    fd = files.create("/a")
    files.write(fd, b"lost")
    files.sync_folder("/")
    faults.start()
    with pytest.raises(OSError, match="Input/output error"):
        files.sync(fd)
    assert left(files) == b"lost"
    assert left(after_power_cut(files.disk(), AllKept())) == b""
    files.forget_cache(fd)
    assert left(files) == bytes(4)


@pytest.mark.parametrize("length", [1, JOINED_BYTES_MAX // PIECES_MAX + 1])
@pytest.mark.parametrize("count", [0, 1, PIECES_MAX, 2 * PIECES_MAX + 1])
def test_pieces_are_written_as_one(tmp_path: Path, count: int, length: int) -> None:
    fs = FileSystem()
    fd = fs.create(f"{tmp_path}/file")
    pieces = [b"%d" % (number % 10) * length for number in range(count)]
    fs.write(fd, b"before")
    fs.write_pieces(fd, pieces, count * length)
    fs.close(fd)
    assert (tmp_path / "file").read_bytes() == b"before" + b"".join(pieces)
