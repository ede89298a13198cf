"""The limit of open files, sockets and pipes of this process."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

# More than a thousand threads and clients need. The second is the maximum of macOS (OPEN_MAX).
DESCRIPTORS_WANTED: Final = (65_536, 10_240)

_given: int | None = None


def files_of_commands() -> int:
    """The soft limit of open files of the person's commands: the one that this process was started with."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] if _given is None else _given


def take_descriptors() -> None:
    """Raise the limit of open files: each log, client and command needs some."""
    global _given  # noqa: PLW0603  # of the process, as the limit is
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _given = soft if _given is None else _given
    for wanted in DESCRIPTORS_WANTED:
        count = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= count:
            return
        with suppress(ValueError, OSError):  # macOS: more than the system allows
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
            return


def give_descriptors_back() -> None:
    """Restore the limit that this process was started with: another program takes its place."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_of_commands(), hard))
