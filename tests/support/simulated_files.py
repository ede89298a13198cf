"""A file system in memory that knows what the disk has: for power cuts and faults at any call.

Law: what a caller sees is what the kernel would show, and it survives a power cut only as far as it was synced.
For each file the disk has a content and the kernel a list of writes and cuts that are not there yet; for each
folder the disk has names, and the kernel a list of names made, moved and removed. `sync` and `sync_folder` empty
those lists; `disk()` takes a picture of both, and `simulated_power.py` makes from it what a machine might find.

More pessimistic than most real ones: syncing a file does not sync its name, and syncing a folder neither its
own name nor the folders below it. A move happens whole or not at all, in both of its folders.
`test_the_simulated_files.py` holds it beside the real file system.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from codexd_eventstore.disk.files import Entry, FileState, FileSystem
from fault_plans import Faults, NoFaults

DEVICE = 77
ROOT = 1


@dataclass(frozen=True)
class Wrote:
    """Bytes that were written at a place and are not on the disk yet."""

    start: int
    content: bytes

    @property
    def end(self) -> int:
        """Where the file ends with it, at least."""
        return self.start + len(self.content)


@dataclass(frozen=True)
class Cut:
    """A file that was cut to this size."""

    end: int


FileChange = Wrote | Cut


@dataclass(frozen=True)
class NameChange:
    """A name made (`old` is None), removed (`new` is None) or moved; names are (folder, name)."""

    node: int
    old: tuple[int, str] | None
    new: tuple[int, str] | None

    def concerns(self, folder: int) -> bool:
        """Whether one of its names is in that folder."""
        return any(name is not None and name[0] == folder for name in (self.old, self.new))

    def apply(self, folders: dict[int, dict[str, int]]) -> None:
        """Do it to what the disk has."""
        if self.old is not None and folders[self.old[0]].get(self.old[1]) == self.node:
            del folders[self.old[0]][self.old[1]]
        if self.new is not None:
            folders[self.new[0]][self.new[1]] = self.node


@dataclass
class File:
    """A file: what readers see, what the disk has, and what it has not got yet."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    changes: list[FileChange] = field(default_factory=list)
    modified_us: int = 0


@dataclass(frozen=True)
class Disk:
    """A picture of what the disk has, and of what was on its way there."""

    files: dict[int, tuple[bytes, tuple[FileChange, ...]]]
    folders: dict[int, dict[str, int]]
    changes: tuple[NameChange, ...]


@dataclass
class Opened:
    """An open descriptor."""

    node: int
    path: str
    may_write: bool
    locks: bool = False


class SimulatedFileSystem(FileSystem):
    """See the module. `on_call` is called in front of each call with its name and path, and may take a picture."""

    def __init__(self, disk: Disk | None = None, faults: Faults | None = None) -> None:
        self.faults: Faults = faults or NoFaults()
        self.on_call: Callable[[str, str], None] | None = None
        self._guard = threading.RLock()
        self._files: dict[int, File] = {}
        self._folders: dict[int, dict[str, int]] = {ROOT: {}}  # as they are seen
        self._durable: dict[int, dict[str, int]] = {ROOT: {}}
        self._changes: list[NameChange] = []
        self._opened: dict[int, Opened] = {}
        self._next_fd = 1000
        self._last_node = ROOT
        self._ticks = 0
        if disk is not None:
            self._start_from(disk)

    def _start_from(self, disk: Disk) -> None:
        """A process that starts on a running machine sees what is on its way to the disk, too."""
        self._durable = {number: dict(names) for number, names in disk.folders.items()}
        self._folders = {number: dict(names) for number, names in disk.folders.items()}
        for change in disk.changes:
            change.apply(self._folders)
        self._changes = list(disk.changes)
        for number, (durable, changes) in disk.files.items():
            content = bytearray(played(durable, changes))
            self._files[number] = File(content, durable, list(changes))
        self._last_node = max([*disk.files, *disk.folders])

    def disk(self) -> Disk:
        """What the disk has now, and what it has not got yet."""
        with self._guard:
            return Disk(
                {n: (file.durable, tuple(file.changes)) for n, file in self._files.items()},
                {n: dict(names) for n, names in self._durable.items()},
                tuple(self._changes),
            )

    def descriptors(self) -> list[str]:
        """The paths that open descriptors were opened by."""
        with self._guard:
            return sorted(opened.path for opened in self._opened.values())

    # Descriptors

    def create(self, path: str) -> int:
        """Make a new file to append to."""
        with self._call("create", path):
            folder, name = self._parent(path)
            if name in self._folders[folder]:
                raise _error(errno.EEXIST, path)
            node = self._made(folder, name)
            self._files[node] = File(modified_us=self._ticks)
            return self._open(node, path, True)

    def open(self, path: str) -> int:
        """Open a file that exists, to append to it and to read it."""
        with self._call("open", path):
            return self._open(self._file_at(path), path, True)

    def open_to_read(self, path: str) -> int:
        """Open a file that exists, to read it only."""
        with self._call("open", path):
            node = self._at(path)
            if node not in self._files:
                raise _error(errno.EINVAL, path)  # the kernel opens a folder, `FileSystem` does not
            return self._open(node, path, False)

    def open_of_others(self, path: str) -> int:
        """The same: nobody but the store is in here."""
        return self.open_to_read(path)

    def close(self, fd: int) -> None:
        """Close it without syncing."""
        with self._call("close", self._fd(fd).path):
            del self._opened[fd]

    def write(self, fd: int, content: bytes) -> None:
        """Append all of it, or a part of it and fail."""
        opened = self._fd(fd)
        with self._guard:
            try:
                with self._call("write", opened.path):
                    if not opened.may_write:
                        raise _error(errno.EBADF, opened.path)
                    self._put(opened.node, content)
            except OSError:
                self._put(opened.node, content[: self.faults.part_written(len(content))])
                raise

    def write_pieces(self, fd: int, pieces: Sequence[bytes], size: int) -> None:
        """The same in one call, however many bytes they are."""
        self.write(fd, b"".join(pieces))

    def read(self, fd: int, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`."""
        opened = self._fd(fd)
        with self._call("read", opened.path):
            return bytes(self._files[opened.node].content[start : start + size])

    def is_at_hand(self, fd: int, start: int, size: int) -> bool:
        """All of it is in memory."""
        return True

    def read_range(self, path: str, start: int, size: int) -> bytes:
        """The same by path."""
        fd = self.open_to_read(path)
        try:
            return self.read(fd, start, size)
        finally:
            self.close(fd)

    def sync(self, fd: int) -> None:
        """The disk has the content from here on; where that fails, it never gets it."""
        opened = self._fd(fd)
        file = self._files[opened.node]
        with self._guard:
            try:
                with self._call("sync", opened.path):
                    file.durable = bytes(file.content)
            finally:
                # The kernel believes after a failure that all is written: no later sync tries again.
                file.changes.clear()

    def forget_cache(self, fd: int) -> None:
        """Show what the disk has, where nothing is still on its way to it."""
        opened = self._fd(fd)
        with self._call("forget_cache", opened.path):
            file = self._files[opened.node]
            if not file.changes:
                size = len(file.content)
                file.content = bytearray(file.durable[:size].ljust(size, b"\0"))

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file off."""
        opened = self._fd(fd)
        with self._call("truncate", opened.path):
            if not opened.may_write:
                raise _error(errno.EINVAL, opened.path)
            file = self._files[opened.node]
            file.content = bytearray(bytes(file.content[:size]).ljust(size, b"\0"))
            file.changes.append(Cut(size))
            file.modified_us = self._ticks

    # Names

    def sync_folder(self, path: str) -> None:
        """The disk has the folder's names from here on, and what moved in or out with both of its names."""
        with self._call("sync_folder", path):
            folder = self._folder_at(path)
            flushed: list[NameChange] = []
            touched: set[tuple[int, str] | None] = set()
            for change in reversed(self._changes):
                # What was done before to a name that gets to the disk is settled with it.
                if change.concerns(folder) or touched & ({change.old, change.new} - {None}):
                    flushed.append(change)
                    touched |= {change.old, change.new}
            for change in reversed(flushed):
                change.apply(self._durable)
                self._changes.remove(change)

    def rename(self, old: str, new: str) -> None:
        """Move a file, over another one if one is there."""
        with self._call("rename", old):
            source, target = self._parent(old), self._parent(new)
            node = self._file_at(old)
            if self._folders[target[0]].get(target[1], node) in self._folders:
                raise _error(errno.EISDIR, new)
            if source == target:
                return
            del self._folders[source[0]][source[1]]
            self._folders[target[0]][target[1]] = node
            self._changes.append(NameChange(node, source, target))

    def unlink(self, path: str) -> None:
        """Remove a file; who has it open keeps it."""
        with self._call("unlink", path):
            node = self._file_at(path)
            folder, name = self._parent(path)
            del self._folders[folder][name]
            self._changes.append(NameChange(node, (folder, name), None))

    def make_folder(self, path: str) -> bool:
        """Make a folder if it is not there; whether it was made."""
        with self._call("make_folder", path):
            folder, name = self._parent(path)
            if name in self._folders[folder]:
                return False
            node = self._made(folder, name)
            self._folders[node], self._durable[node] = {}, {}
            return True

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        with self._call("remove_folder", path):
            node = self._folder_at(path)
            if self._folders[node]:
                raise _error(errno.ENOTEMPTY, path)
            folder, name = self._parent(path)
            del self._folders[folder][name]
            self._changes.append(NameChange(node, (folder, name), None))

    def state(self, path: str) -> FileState | None:
        """What lies at the path; None where nothing does."""
        with self._call("state", path):
            try:
                node = self._at(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return self._state(node)

    def fd_state(self, fd: int) -> FileState:
        """The same of an open file, wherever its name is now."""
        opened = self._fd(fd)
        with self._call("fd_state", opened.path):
            return self._state(opened.node)

    def entries(self, path: str) -> list[Entry]:
        """The rows of a folder, none where there is no folder."""
        with self._call("entries", path):
            try:
                names = self._folders[self._folder_at(path)]
            except (FileNotFoundError, NotADirectoryError):
                return []
            return [self._entry(name, node) for name, node in names.items()]

    def lock(self, path: str) -> int | None:
        """Take the advisory lock on a file, made if need be; None where another descriptor has it."""
        with self._call("lock", path):
            folder, name = self._parent(path)
            if name not in self._folders[folder]:
                self._files[self._made(folder, name)] = File()
            node = self._file_at(path)
            if any(opened.locks and opened.node == node for opened in self._opened.values()):
                return None
            fd = self._open(node, path, True)
            self._opened[fd].locks = True
            return fd

    # Inside

    def _call(self, kind: str, path: str) -> threading.RLock:
        """Count a call and fail it if that is the plan; the guard to do it under."""
        with self._guard:
            self._ticks += 1
            if self.on_call is not None:
                self.on_call(kind, path)
            number = self.faults.number_of(kind, path)
            if number is not None:
                raise _error(number, path)
        return self._guard

    def _fd(self, fd: int) -> Opened:
        with self._guard:
            if fd not in self._opened:
                raise _error(errno.EBADF, str(fd))
            return self._opened[fd]

    def _open(self, node: int, path: str, may_write: bool) -> int:
        self._next_fd += 1
        self._opened[self._next_fd] = Opened(node, path, may_write)
        return self._next_fd

    def _put(self, node: int, content: bytes) -> None:
        file = self._files[node]
        if content:
            file.changes.append(Wrote(len(file.content), content))
            file.content += content
            file.modified_us = self._ticks

    def _made(self, folder: int, name: str) -> int:
        self._last_node += 1
        self._folders[folder][name] = self._last_node
        self._changes.append(NameChange(self._last_node, None, (folder, name)))
        return self._last_node

    def _at(self, path: str) -> int:
        node = ROOT
        for part in path.strip("/").split("/") if path.strip("/") else []:
            if node not in self._folders:
                raise _error(errno.ENOTDIR, path)
            if part not in self._folders[node]:
                raise _error(errno.ENOENT, path)
            node = self._folders[node][part]
        return node

    def _parent(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        return self._folder_at(above), name

    def _folder_at(self, path: str) -> int:
        node = self._at(path)
        if node not in self._folders:
            raise _error(errno.ENOTDIR, path)
        return node

    def _file_at(self, path: str) -> int:
        node = self._at(path)
        if node not in self._files:
            raise _error(errno.EISDIR, path)
        return node

    def _state(self, node: int) -> FileState:
        file = self._files.get(node)
        if file is None:
            return FileState(DEVICE, node, 0, 0)
        return FileState(DEVICE, node, len(file.content), file.modified_us)

    def _entry(self, name: str, node: int) -> Entry:
        state = self._state(node)
        return Entry(name, node in self._folders, state.size_bytes, state.modified_us)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


def played(content: bytes, changes: tuple[FileChange, ...]) -> bytes:
    """A content after changes; a gap is zeros."""
    for change in changes:
        if isinstance(change, Cut):
            content = content[: change.end].ljust(change.end, b"\0")
        else:
            before = content[: change.start].ljust(change.start, b"\0")
            content = before + change.content + content[change.end :]
    return content
