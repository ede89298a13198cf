"""The filter of system calls, as the bytes of a program of classic BPF.

Every confined command runs under it. It refuses other architectures, what `syscalls.py` lists, namespaces, typing into
the terminal, and sockets: a command may have internet sockets, which lead nowhere in a network namespace of its own,
and connected pairs of Unix sockets. It may have no Unix socket with a name, because names reach servers outside that
act for their caller: a session bus, a container engine, a terminal multiplexer, codexd.

Source: seccomp(2), linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import errno
import struct
from typing import Final

import msgspec

from codexd.sandbox.syscalls import (
    ARCHITECTURES,
    LOOKED_AT,
    MISSING,
    NONE,
    REFUSED,
    WITHOUT_NAMESPACES,
)

# Offsets in struct seccomp_data.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# Where a comparison may lead: the ends of the program.
_ENDS: Final = {
    "allow": 0x7FFF0000,
    "refuse": 0x00050000 | errno.EPERM,
    "missing": 0x00050000 | errno.ENOSYS,
    "kill": 0x80000000,
}

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_DGRAM, _SOCK_TYPES = 2, 0xF
_NETLINK_ROUTE = 0  # the C library asks it for the machine's addresses
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SETS_FLAGS = (0x40086602, 0x401C5820)  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. In clone(2), NEWTIME would be a part of the signal.
_NAMESPACES = 0x7E020000
_NEWTIME = 0x80


class _Step(msgspec.Struct, frozen=True):
    """An instruction. A comparison leads to a label, or to the next step."""

    code: int
    value: int
    then: str | None = None
    otherwise: str | None = None


def filter_program(machine: str, *, namespaces: bool = True) -> bytes | None:
    """The program for a machine as uname(2) names it; None if there is none for it.

    Args:
        namespaces: whether they confine the command as well. If not, the filter refuses sockets, and changes of the
            mode, owner, times and attributes of files.
    """
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        return None
    steps: list[_Step | str] = [
        _Step(0x20, _ARCHITECTURE),
        _equal(architecture.audit, None, "kill"),
        _Step(0x20, _NUMBER),
    ]
    if architecture.foreign_from:
        steps.append(_Step(0x35, architecture.foreign_from, "kill"))
    refused = REFUSED if namespaces else {**REFUSED, **WITHOUT_NAMESPACES}
    for calls, end in ((refused, "refuse"), (MISSING, "missing")):
        numbers = sorted({call[architecture.column] for call in calls.values()} - {NONE})
        steps += [_equal(number, end) for number in numbers]
    for name, body in _bodies(namespaces=namespaces).items():
        number = LOOKED_AT[name][architecture.column]
        steps += [_equal(number, None, f"after {name}"), *body, f"after {name}"]
    steps.append(_Step(0x06, _ENDS["allow"]))
    return _assembled(steps)


def _bodies(*, namespaces: bool) -> dict[str, list[_Step]]:
    """What is done with a call by its arguments: each body ends the call."""
    refused = [_Step(0x06, _ENDS["refuse"])]
    allowed = [_Step(0x06, _ENDS["allow"])]
    families = [_equal(_AF_INET, "allow"), _equal(_AF_INET6, "allow")]
    netlink = [_equal(_AF_NETLINK, None, "refuse"), _argument(2), _equal(_NETLINK_ROUTE, "allow")]
    return {
        "clone": [_argument(0), _any(_NAMESPACES, "refuse"), *allowed],
        "unshare": [_argument(0), _any(_NAMESPACES | _NEWTIME, "refuse"), *allowed],
        "ioctl": [
            _argument(1),
            _equal(_TIOCSTI, "refuse"),
            _equal(_TIOCLINUX, "refuse"),
            *([] if namespaces else [_equal(flags, "refuse") for flags in _SETS_FLAGS]),
            *allowed,
        ],
        "socket": [_argument(0), *families, *netlink, *refused] if namespaces else refused,
        "socketpair": [
            _argument(0),
            _equal(_AF_UNIX, None, "refuse"),
            _argument(1),
            _Step(0x54, _SOCK_TYPES),
            # A pair for datagrams could still send them to a name.
            _equal(_SOCK_DGRAM, "refuse"),
            *allowed,
        ],
    }


def _argument(index: int) -> _Step:
    """Load the lower half of an argument: the kernel reads no more of these."""
    return _Step(0x20, _ARGUMENTS + 8 * index)


def _equal(value: int, then: str | None, otherwise: str | None = None) -> _Step:
    return _Step(0x15, value, then, otherwise)


def _any(bits: int, then: str) -> _Step:
    return _Step(0x45, bits, then)


def _assembled(steps: list[_Step | str]) -> bytes:
    """The bytes of the program, with its ends after the steps. A text among the steps is a label."""
    places: dict[str, int] = {}
    code: list[_Step] = []
    for step in steps:
        if isinstance(step, str):
            places[step] = len(code)
        else:
            code.append(step)
    for name, value in _ENDS.items():
        places[name] = len(code)
        code.append(_Step(0x06, value))

    def distance(at: int, label: str | None) -> int:
        return 0 if label is None else places[label] - at - 1

    return b"".join(
        struct.pack(
            "=HBBI", step.code, distance(at, step.then), distance(at, step.otherwise), step.value
        )
        for at, step in enumerate(code)
    )
