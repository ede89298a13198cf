"""What marks the processes of a command, so that they are found wherever they have gone: a variable and a limit.

A command starts with both, and what it starts inherits both. The variable, `CODEXD_COMMAND=HOME/OWNER/ID`, is lost
where an environment is emptied (`env -i`) and can't be read of a process that forbids it (ssh-agent). On Linux the
soft limit of file locks, RLIMIT_LOCKS, is a number that says the same: the kernel has not looked at that limit
since 2.4.25 (getrlimit(2)), any user may set it, and no program does. Only `ulimit -a` shows it.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = b"CODEXD_COMMAND"
_LOCKS = 10  # RLIMIT_LOCKS of <asm-generic/resource.h>, which Python does not name
# The number: 30 bits for the home and 32 for the command, less than an rlim_t with a sign takes.
_COMMAND_BITS, _HOME_MASK = 32, (1 << 30) - 1


def of_command(value: bytes) -> bytes:
    """The mark of a command, from the value of its variable."""
    return b"%s=%s" % (VARIABLE, value)


def of_home(home: bytes) -> bytes:
    """The beginning of the marks of all commands of a home."""
    return b"%s=%s/" % (VARIABLE, home)


@contextlib.contextmanager
def limit_set(mark: bytes) -> Iterator[None]:
    """Have a process that starts meanwhile the number of this mark as its limit."""
    _set_own(_number(mark))
    try:
        yield
    finally:
        clear_own()


def clear_own() -> None:
    """Take the limit back that a command has given this process, which is then none of the command's."""
    _set_own(None)


def _set_own(soft: int | None) -> None:
    """Set the limit of this process, on Linux; None: as high as it may be."""
    if sys.platform == "linux":
        # Where the limit can't be set, as in an emulated kernel, the variable has to do.
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(_LOCKS)
            resource.setrlimit(_LOCKS, (hard if soft is None else soft, hard))


def has(pid: int, mark: bytes) -> bool:
    """Whether a process has this mark of a command, or one of this home. Linux."""
    number = _limit(pid)
    if mark == of_home(_home_in(mark)):
        return number >> _COMMAND_BITS == _home_number(mark) or _has_variable(pid, mark)
    return number == _number(mark) or _has_variable(pid, mark + b"\0" * (mark[-1:] != b"/"))


def _limit(pid: int) -> int:
    """The limit of a process; 0 of one that is another user's or gone."""
    if sys.platform != "linux":
        return 0
    try:
        return resource.prlimit(pid, _LOCKS)[0]
    except OSError:
        return 0


def _home_in(mark: bytes) -> bytes:
    return mark[len(VARIABLE) + 1 :].partition(b"/")[0]


def _home_number(mark: bytes) -> int:
    return crc32(_home_in(mark)) & _HOME_MASK


def _number(mark: bytes) -> int:
    return _home_number(mark) << _COMMAND_BITS | crc32(mark)


def _has_variable(pid: int, begin: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            variables = file.read()
    except OSError:
        return False  # another user's, or gone meanwhile
    return variables.startswith(begin) or b"\0" + begin in variables
