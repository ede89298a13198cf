"""The machine: what confines commands, and the limits of a process. I/O."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Final

from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.protocol.doctor import Finding

# A log, a client and a command need a few each.
OPEN_FILES_WANTED: Final = 4_096
_INSTALL: Final = (
    "install bubblewrap, e.g. sudo apt install bubblewrap or sudo dnf install bubblewrap"
)


def sandbox(examined: Examined) -> Iterator[Finding]:
    """What confines commands, and how far."""
    active = examined.confinement.active
    missing = " ".join(active.missing)
    modes = ", ".join(active.modes)
    mend = "use macOS's own sandbox-exec" if sys.platform == "darwin" else _INSTALL
    if "workspace-write" in active.modes:
        yield ok("sandbox", f"{active.mechanism} enforces {modes}; {_network(examined)}")
    elif examined.config.unsandboxed():
        says = f"workspace-write is not enforced: a person is asked before each command. {missing}"
        yield warn("sandbox", says.strip(), mend)
    else:
        says = f"workspace-write is not enforced, so its commands are refused. {missing}"
        yield fail("sandbox", says.strip(), mend)


def _network(examined: Examined) -> str:
    reach = {"off": "no network", "domains": "a list of domains", "on": "the whole network"}
    return f"commands in workspace-write reach {reach[examined.config.network()]}"


def limits(_examined: Examined) -> Iterator[Finding]:
    """How many files a process may open; the daemon raises its limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES_WANTED:
        most = "any number" if hard == resource.RLIM_INFINITY else f"{hard:,}"
        yield ok("limits.files", f"{soft:,} open files, and {most} if needed")
    else:
        says = f"at most {hard:,} open files: many threads at once will not fit"
        yield warn("limits.files", says, f"ulimit -Hn {OPEN_FILES_WANTED}, then codexctl restart")
