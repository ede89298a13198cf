"""How many files, sockets and pipes this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

# More than a thousand threads and clients need; commands inherit the number, and some count up to it. The
# second is what macOS gives at most (OPEN_MAX).
DESCRIPTORS_WANTED: Final = (65_536, 10_240)


def take_descriptors() -> None:
    """Have as many as this process may have: a log, a client and a command need some each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in DESCRIPTORS_WANTED:
        count = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= count:
            return
        with suppress(ValueError, OSError):  # macOS: more than the system gives to anybody
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
            return
