"""System calls that Python does not have, by ctypes. I/O."""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
# Of these calls the numbers are the same on x86-64 and arm64.
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
AT_FDCWD: Final = -100
AT_EMPTY_PATH, AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, 0o2000000
_MOVE_MOUNT_FROM_EMPTY = 4
MOUNT_READ_ONLY, MOUNT_NO_SETUID, MOUNT_NO_DEVICES = 1, 2, 4

_PR_SET_DEATH_SIGNAL, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_CAPABILITIES_MAX = 64
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def syscall(number: int, *arguments: object) -> int:
    """Make a call by its number. Raises: OSError."""
    result: int = _LIBC.syscall(ctypes.c_long(number), *arguments)
    return _checked(result)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def unshare(flags: int) -> None:
    """Enter new namespaces."""
    _checked(_LIBC.unshare(flags))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    of_kind = None if kind is None else kind.encode()
    data = options.encode() or None
    _checked(
        _LIBC.mount(os.fsencode(source), os.fsencode(target), of_kind, ctypes.c_ulong(flags), data)
    )


def tree_at(path: str) -> int:
    """A copy of the mounts at a path, as a descriptor that `attach` puts somewhere."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | AT_RECURSIVE
    return syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path), ctypes.c_uint(flags))


def attach(tree: int, path: str) -> None:
    """Mount a copy at a path."""
    flags = ctypes.c_uint(_MOVE_MOUNT_FROM_EMPTY)
    syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(path), flags)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def restrict_mounts(where: int | str, attributes: int) -> None:
    """Give attributes to the mounts at a path, or to those of a copy."""
    wanted = _MountAttributes(attributes, 0, 0, 0)
    folder, path = (AT_FDCWD, os.fsencode(where)) if isinstance(where, str) else (where, b"")
    flags = ctypes.c_uint(AT_RECURSIVE | (0 if path else AT_EMPTY_PATH))
    syscall(MOUNT_SETATTR, folder, path, flags, ctypes.byref(wanted), ctypes.c_size_t(32))


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _checked(_LIBC.prctl(_PR_SET_DEATH_SIGNAL, ctypes.c_ulong(9), 0, 0, 0))


def raise_loopback() -> None:
    """Let the loopback interface of a new network namespace work."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(
            any_socket, _SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + bytes([_IFF_UP]).ljust(24, b"\0")
        )


def drop_capabilities() -> None:
    """Have none, now and after any exec."""
    for capability in range(_CAPABILITIES_MAX):
        if _LIBC.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # the kernel knows no more of them; or there is none to drop
    _LIBC.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _checked(_LIBC.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())))


def no_new_privileges() -> None:
    """From now on no program gives more rights, whoever owns it."""
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("instructions", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def set_filter(program: bytes) -> None:
    """Put this process under a filter, as `codexd.sandbox.seccomp` makes it."""
    kept = ctypes.create_string_buffer(program, len(program))
    described = _FilterProgram(len(program) // 8, ctypes.cast(kept, ctypes.c_void_p).value)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(described), 0, 0))


def landlock_version() -> int:
    """The version of landlock's interface; 0 where the kernel has none, or it is switched off."""
    try:
        return syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            return 0
        raise
