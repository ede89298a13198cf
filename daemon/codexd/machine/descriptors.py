"""The limit of open files, sockets and pipes of this process."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

# More than a thousand threads and clients need; commands inherit the limit, and some loop up to it. The
# second is the maximum of macOS (OPEN_MAX).
DESCRIPTORS_WANTED: Final = (65_536, 10_240)


def take_descriptors() -> None:
    """Raise the limit of open files: each log, client and command needs some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in DESCRIPTORS_WANTED:
        count = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= count:
            return
        with suppress(ValueError, OSError):  # macOS: more than the system allows
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
            return
