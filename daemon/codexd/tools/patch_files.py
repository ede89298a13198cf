"""Writes the files of a patch: all of them or none, and after a crash at any step as well. I/O; it blocks.

Law: a file has its old content or its new one, never a part; and it has its old one until every new one is on disk.

    .NAME.TOKEN.new     the new content, written and synced before the first file changes
    .NAME.TOKEN.old     the old content, a hard link to it, until the last file has changed

Both are beside the file. What a crash leaves of them says how far it came: `finish_patch` completes the patch, or
takes it back where somebody has changed a file since.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from codexd.core.values.tool_actions import PatchedFile
from codexd.machine.foreign_files import NotAFile, read_file
from codexd.machine.umask import mode_for_commands

# A person's source file has some kilobytes; a larger one is data, and a patch is the wrong tool for it.
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
_NEW_FILE_MODE: Final = 0o666
_NEW_FOLDER_MODE: Final = 0o777


class CannotPatch(Exception):
    """A patch was not applied. The text says why, and what the files are now."""


class LedAway(Exception):
    """How far an interrupted patch came is not known: a path leads elsewhere now, and nothing was written there."""


def content_of(path: str) -> bytes | None:
    """A file's content; None if there is none. Raises: CannotPatch."""
    try:
        content = read_file(path, FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except (NotAFile, NotADirectoryError) as error:
        raise CannotPatch(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise CannotPatch(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise CannotPatch(
            f"{path}: expected a file of at most {FILE_BYTES_MAX} bytes, found a larger one"
        )
    return content


def print_of(content: bytes | None) -> str | None:
    """The sha256 of a content in hex; None for no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def missing_folders(paths: Iterable[str]) -> list[str]:
    """The folders that must be made for files at these paths, each after the one that holds it."""
    missing: dict[str, None] = {}
    for path in paths:
        above = [str(folder) for folder in Path(path).parents if not os.path.lexists(folder)]
        missing.update(dict.fromkeys(reversed(above)))
    return list(missing)


def write_patch(
    writes: Sequence[PatchedFile],
    contents: Mapping[str, bytes],
    folders: Sequence[str],
    token: str,
    is_as_shown: Callable[[str, str], bool] = lambda path, real: True,
) -> None:
    """Write the files.

    Args:
        contents: the new content by path, of each file that has one.
        folders: what `missing_folders` found; they are made first, and removed if nothing is written.
        token: of this patch, in names of files.
        is_as_shown: whether a file's path still leads where it led when a person or the policy allowed it.
    Raises: CannotPatch; then no file is changed.
    """
    files = [_File(write, token) for write in writes]
    _refuse_changed([file for file in files if not file.is_before])
    with contextlib.ExitStack() as held, _taken_back(files, folders):
        _make(folders)
        for file in files:
            file.hold_folder(held, is_as_shown)
        _prepare(files, contents)
        _change(files)


def finish_patch(
    writes: Sequence[PatchedFile],
    folders: Sequence[str],
    token: str,
    is_as_shown: Callable[[str, str], bool] = lambda path, real: True,
) -> None:
    """Finish what a crash interrupted, or take it back; the arguments are those of `write_patch`.

    Raises: CannotPatch; then no file is changed. LedAway; then each file that is where it was has its old content,
    unless the patch was complete.
    """
    files = [_File(write, token) for write in writes]
    with contextlib.ExitStack() as held:
        gone, away = _held(files, held, is_as_shown)
        there = [file for file in files if file not in gone and file not in away]
        if away:
            _take_back(there, ())
            raise LedAway(", ".join(file.shown for file in away))
        # What is beside the files is complete before the first of them changes, and goes after the last.
        begun = any(file.is_after and not file.is_before for file in there)
        if begun and not all(file.is_kept for file in there):
            _forget(there)
            return
        with _taken_back(there, folders):
            if not begun:
                raise CannotPatch("it was interrupted before the first file was changed")
            _refuse_changed([file for file in there if not (file.is_before or file.is_after)])
            _refuse_changed(gone)
            _change(there)


def _held(
    files: Sequence[_File], held: contextlib.ExitStack, is_as_shown: Callable[[str, str], bool]
) -> tuple[list[_File], list[_File]]:
    """Hold the folders of files. Returns those whose folder is gone, and those whose path leads elsewhere."""
    gone, away = list[_File](), list[_File]()
    for file in files:
        try:
            file.hold_folder(held, is_as_shown)
        except OSError:
            gone.append(file)
        except CannotPatch:
            away.append(file)
    return gone, away


@contextlib.contextmanager
def _taken_back(files: Sequence[_File], folders: Sequence[str]) -> Iterator[None]:
    """Take a patch back that fails within. Raises: CannotPatch."""
    try:
        yield
    except CannotPatch:
        _take_back(files, folders)
        raise
    except OSError as error:
        _take_back(files, folders)
        raise _cannot(error) from error


def _refuse_changed(files: Sequence[_File]) -> None:
    if files:
        paths = ", ".join(file.shown for file in files)
        raise CannotPatch(f"the content has changed since the patch was read: {paths}")


def _cannot(error: OSError) -> CannotPatch:
    # Of a folder that is held, the name in it says enough.
    name = str(error.filename)
    name = name.split("/", 5)[-1] if name.startswith("/proc/self/fd/") else name
    return CannotPatch(f"{name}: {error.strerror}")


class _File:
    """One file of a patch, with the two names beside it."""

    def __init__(self, write: PatchedFile, token: str) -> None:
        # A link stays a link: the file that it names is changed. A link that is deleted is removed itself.
        path = Path(write.path if write.after is None else os.path.realpath(write.path))
        self._write, self._token = write, token
        self._place(path.parent, path.name)

    def hold_folder(
        self, held: contextlib.ExitStack, is_as_shown: Callable[[str, str], bool]
    ) -> None:
        """From now on, reach the file by its folder as it is, wherever a path to it may be made to lead meanwhile.

        A confined command can make a link of a folder at any moment. Raises: OSError, CannotPatch.
        """
        folder, name = self._path.parent, self._path.name
        if sys.platform == "linux":
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, fd)
            folder = Path(f"/proc/self/fd/{fd}")
        if not is_as_shown(self._write.path, os.path.join(os.path.realpath(folder), name)):
            raise CannotPatch(
                f"{self.shown}: symbolic links on the way to it have changed since the patch was read"
            )
        self._place(folder, name)

    def _place(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._new, self._old = (folder / f".{name}.{self._token}.{end}" for end in ("new", "old"))

    @property
    def shown(self) -> str:
        """Its path as the patch has it."""
        return self._write.path

    @property
    def is_kept(self) -> bool:
        """Whether its old content is beside it."""
        return self._old.is_symlink() or self._old.exists()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._path.parent

    @property
    def is_before(self) -> bool:
        """Whether it has its old content."""
        return self._has(self._write.before)

    @property
    def is_after(self) -> bool:
        """Whether it has its new content."""
        return self._has(self._write.after)

    def _has(self, content: str | None) -> bool:
        try:
            return print_of(content_of(str(self._path))) == content
        except CannotPatch:
            return False

    def prepare(self, content: bytes | None) -> None:
        """Put the new content and the old one beside the file. Of a new file, the old one is empty."""
        self.forget()
        if self._write.before is None:
            self._old.touch(0o600, exist_ok=False)
        else:
            _keep(self._path, self._old)
        if content is None:
            return
        fd = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as new:
            new.write(content)
            new.flush()
            os.fchmod(fd, self._mode())
            os.fsync(fd)

    def _mode(self) -> int:
        before = self._write.moved_from if self._write.before is None else self._path
        if before is None:
            return mode_for_commands(_NEW_FILE_MODE)
        return stat.S_IMODE(os.stat(before).st_mode)

    def change(self) -> None:
        """Give the file its new content, if it does not have it."""
        if self.is_after:
            return
        if self._write.after is None:
            self._path.unlink()
        else:
            self._new.replace(self._path)

    def take_back(self) -> None:
        """Give the file its old content again, if this patch has changed it."""
        with contextlib.suppress(OSError):
            if self.is_after:
                if self._write.before is None:
                    self._path.unlink()
                else:  # What is beside it stays until every file is taken back.
                    self._new.unlink(missing_ok=True)
                    _keep(self._old, self._new)
                    self._new.replace(self._path)

    def forget(self) -> None:
        """Remove what is beside the file."""
        for beside in (self._new, self._old):
            beside.unlink(missing_ok=True)


def _keep(path: Path, name: Path) -> None:
    """The content under another name, too; a link to it is kept as a link."""
    if path.is_symlink():
        name.symlink_to(path.readlink())
        return
    try:
        os.link(path, name)
    except (
        OSError
    ):  # Some file systems have no hard links, and some kernels refuse them for files of others.
        shutil.copy2(path, name)


def _make(folders: Sequence[str]) -> None:
    for folder in folders:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)  # with a mode of its own
            os.chmod(folder, mode_for_commands(_NEW_FOLDER_MODE))


def _prepare(files: Sequence[_File], contents: Mapping[str, bytes]) -> None:
    for file in files:
        file.prepare(contents.get(file.shown))
    _sync_folders(files)


def _change(files: Sequence[_File]) -> None:
    for file in files:
        file.change()
    _sync_folders(files)
    _forget(files)


def _forget(files: Sequence[_File]) -> None:
    for file in files:
        file.forget()


def _take_back(files: Sequence[_File], folders: Sequence[str]) -> None:
    if all(file.is_kept for file in files):
        for file in files:
            file.take_back()
    _forget(files)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):  # It is not empty, or was never made.
            os.rmdir(folder)


def _sync_folders(files: Sequence[_File]) -> None:
    for folder in {file.folder for file in files}:
        with contextlib.suppress(OSError):  # A folder whose last file went may be gone with it.
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
