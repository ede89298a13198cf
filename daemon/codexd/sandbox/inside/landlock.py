"""Landlock: a process gives up rights to files, and to reach others by signals and abstract sockets. I/O.

Source: landlock(7), linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat

from .kernel import (
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    landlock_version,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WRITE_FILE, READ_FILE = 1 << 1, 1 << 2
# REMOVE_DIR to MAKE_SYM: the entries of folders.
_CHANGE_FOLDERS = 0x1FF0
_MOVE_ELSEWHERE, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_RIGHTS_OF_FILES = WRITE_FILE | READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_CONNECT_AND_BIND = 3
SIGNALS_SINCE = 6  # the version that knows scopes
_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(writable: Iterable[str], readable: Iterable[str] | None, *, network: bool) -> None:
    """Allow writing beneath some paths only, and reading files beneath some others, or all.

    Args:
        readable: None: all.
        network: whether TCP is allowed; other protocols are the filter's.
    """
    version = landlock_version()
    write = WRITE_FILE | _CHANGE_FOLDERS
    write |= _MOVE_ELSEWHERE if version >= 2 else 0
    write |= _TRUNCATE if version >= 3 else 0
    write |= _DEVICE_CONTROL if version >= 5 else 0
    read = 0 if readable is None else READ_FILE
    tcp = _CONNECT_AND_BIND if version >= 4 and not network else 0
    scoped = _ABSTRACT_SOCKETS | _SIGNALS if version >= SIGNALS_SINCE else 0
    wanted = _Ruleset(write | read, tcp, scoped)
    size = ctypes.c_size_t(24 if version >= SIGNALS_SINCE else 16 if version >= 4 else 8)
    ruleset = syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(wanted), size, ctypes.c_uint32(0))
    for path in writable:
        _allow(ruleset, path, write | read)
    for path in readable or ():
        _allow(ruleset, path, READ_FILE)
    syscall(LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there, or may not be looked at, is not allowed
    try:
        if not os.path.isdir(path):
            rights &= _RIGHTS_OF_FILES
        rule = _PathBeneath(rights, folder)
        syscall(LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(folder)


def all_but(hidden: Iterable[str]) -> list[str]:
    """Paths that cover all files but those beneath the hidden folders."""
    parts = [path.strip("/").split("/") for path in (*hidden, *_disks())]
    found: list[str] = []
    _cover("/", parts, found)
    return found


def _disks() -> list[str]:
    """Disks, from which one who is root could read any file."""
    found = [os.path.join("/dev", name) for name in os.listdir("/dev")]
    return [path for path in found if os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode)]


def _cover(folder: str, hidden: list[list[str]], found: list[str]) -> None:
    """Add what covers a folder but for the hidden ones, given by their names from here on."""
    if not hidden:
        found.append(folder)
        return
    if any(not names for names in hidden):
        return
    on_the_way: dict[str, list[list[str]]] = {}
    for first, *rest in hidden:
        on_the_way.setdefault(first, []).append(rest)
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for name in entries:
        path = os.path.join(folder, name)
        if not os.path.islink(path):  # it may lead to a hidden folder
            _cover(path, on_the_way.get(name, []), found)
