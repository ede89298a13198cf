"""Whose a file is: who could have written it decides what it is believed. I/O.

As git does (safe.directory) for what is found on the way to where a thread works, and as sshd does
(StrictModes) for what codexd itself lives in. Root could change anything anyway, so it is trusted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class NotOurs(Exception):
    """Somebody else owns or may change what codexd would believe; says who and how to mend it."""


def foreign_owner(path: str | os.PathLike[str], opened: os.stat_result | None = None) -> int | None:
    """The other user that a file, a folder or the link to it belongs to; None: ours or root's.

    `opened` is what was opened there: by then the name may mean something else. Raises: OSError.
    """
    link, target = os.lstat(path), opened or os.stat(path)
    return next((uid for uid in (link.st_uid, target.st_uid) if not _is_trusted(uid)), None)


def refuse_unless_ours(path: Path) -> None:
    """Raises: NotOurs, where others own a file or a folder of ours, or may change it or what leads to it.

    What leads to it is looked at up to the person's home folder, or one step where it lies elsewhere.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return  # It will be made by us, or is missed elsewhere.
    except OSError as error:
        raise NotOurs(f"{path} cannot be looked at ({error.strerror})") from error
    _refuse_owner(path, found)
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(found.st_gid)):
        raise NotOurs(
            f"expected that nobody else may write to {path}, found mode {mode:04o}: look whether "
            f"somebody did, then `chmod go-w {path}`"
        )


def _is_trusted(uid: int) -> bool:
    return uid in (0, os.getuid())


def _refuse_owner(path: Path, found: os.stat_result) -> None:
    if not _is_trusted(found.st_uid):
        raise NotOurs(
            f"expected {path} to belong to uid {os.getuid()} or to root, found uid {found.st_uid}"
        )


def _is_own_group(gid: int) -> bool:
    """Whether a group is the one that many systems make for each user, with nobody else in it."""
    if gid != os.getgid():
        return False
    import grp
    import pwd

    try:
        group, name = grp.getgrgid(gid), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}
