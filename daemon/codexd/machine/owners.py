"""Checks who owns a file, or may change it: files of other users are not trusted. I/O.

The rules are those of git (safe.directory) for files in the project's folders, and those of sshd
(StrictModes) for codexd's own folders. Root could change anything anyway, so it is trusted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from codexd.machine.paths import PRIVATE_FOLDER, home_folder, make_folders
from codexd_eventstore.disk.files import open_own

_STEPS_MAX: Final = 64  # from a folder of ours up to the home folder: real paths are shorter
__all__ = ["open_own"]  # Re-exported from the store, which frontends may not import.


class NotOurs(PermissionError):
    """Another user owns or may change a file that codexd would trust; says who, and how to repair it."""


def foreign_owner(path: str | os.PathLike[str], opened: os.stat_result | None = None) -> int | None:
    """The uid of another user who owns a file, a folder or the link to it; None if we or root own it.

    `opened` is the stat of the opened file, since the name may mean another file by then. Raises: OSError.
    """
    link, target = os.lstat(path), opened or os.stat(path)
    return next((uid for uid in (link.st_uid, target.st_uid) if not _is_trusted(uid)), None)


def refuse_unless_ours(path: Path) -> None:
    """Raises: NotOurs, if other users own a file or a folder of ours, may change it, or may replace it.

    The folders above it are checked up to the person's home folder; outside of it only the nearest one.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        found = None  # It will be made by us, or another check reports it as missing.
    except OSError as error:
        raise NotOurs(f"{path} cannot be looked at ({error.strerror})") from error
    if found is not None:
        _refuse_owner(path, found)
        mode = stat.S_IMODE(found.st_mode)
        if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(found.st_gid)):
            raise _open_to_others(path, mode)
    home = home_folder(os.environ)
    for above in list(path.parents)[: _STEPS_MAX if path.is_relative_to(home) else 1]:
        _refuse_trap(above)
        if above == home:
            return


def make_own_folder(folder: Path) -> None:
    """Make a folder of ours, or remove other users' access to an existing one. Raises: NotOurs, OSError."""
    if folder.parent == folder:
        # Others need access to it.
        raise NotOurs(f"expected a folder of codexd's own, found {folder}")
    refuse_unless_ours(folder)
    make_folders(folder)
    found = folder.stat()
    if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.getuid():
        folder.chmod(PRIVATE_FOLDER)


def _is_trusted(uid: int) -> bool:
    return uid in (0, os.getuid())


def _refuse_trap(folder: Path) -> None:
    """Raises: NotOurs, for a folder in which any user may replace our file."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise _open_to_others(folder, mode)


def _open_to_others(path: Path, mode: int) -> NotOurs:
    return NotOurs(
        f"expected that no other user may write to {path}, found mode {mode:04o}: check whether "
        f"anyone did, then `chmod go-w {path}`"
    )


def _refuse_owner(path: Path, found: os.stat_result) -> None:
    if not _is_trusted(found.st_uid):
        raise NotOurs(
            f"expected {path} to belong to uid {os.getuid()} or to root, found uid {found.st_uid}"
        )


def _is_own_group(gid: int) -> bool:
    """Whether a group is the private group of the user, without other members."""
    if gid != os.getgid():
        return False
    import grp
    import pwd

    try:
        group, name = grp.getgrgid(gid), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}
