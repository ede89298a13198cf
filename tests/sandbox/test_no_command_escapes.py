"""The escape suite: a confined command tries to get out, in each mode and with each mechanism.

The attacks are in `support/sandbox_attacks.py`, what they are aimed at in `support/sandbox_arena.py`. All attacks of a case
are made by one process; what they hit is looked at from outside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from codexd.core.values.settings import SandboxMode
from codexd.sandbox.confinement import Mechanism
from sandbox_arena import NOBODY, arena

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the mechanisms are those of Linux"),
    pytest.mark.slow,
]

# Mechanism, mode, network; landlock alone enforces nothing but `read-only`.
CASES: list[tuple[Mechanism, SandboxMode, bool]] = [
    ("bubblewrap", "read-only", False),
    ("bubblewrap", "workspace-write", False),
    ("bubblewrap", "workspace-write", True),
    ("namespaces", "read-only", False),
    ("namespaces", "workspace-write", False),
    ("namespaces", "workspace-write", True),
    ("landlock", "read-only", False),
]
USERS = [os.getuid(), *([NOBODY] if os.getuid() == 0 else [])]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(("mechanism", "mode", "network"), CASES)
def test_no_attack_gets_out(
    mechanism: Mechanism,
    mode: SandboxMode,
    network: bool,
    user: int,
    record_property: Callable[[str, object], None],
) -> None:
    with arena(mechanism, mode, network=network, user=user) as place:
        outcomes = place.attacked()
        escaped = [outcome for outcome in outcomes if outcome.outcome != "refused"]
        record_property("attacks", len(outcomes))
        record_property("escapes", len(escaped))
        print(f"{mechanism} {mode}, user {user}: {len(outcomes)} attacks, {len(escaped)} escapes")
        assert escaped == []
        assert place.damage() == []
        assert len(outcomes) > 120


@pytest.mark.skipif(
    os.getuid() != 0, reason="only root can be another user, whose attacks do no harm"
)
def test_the_attacks_are_real() -> None:
    """Without a sandbox, those succeed that need no rights of root's, and what they hit is noticed."""
    with arena("bubblewrap", "workspace-write", user=NOBODY) as place:
        place.unconfined = True
        outcomes = place.attacked()
        escaped = {outcome.name for outcome in outcomes if outcome.outcome == "escaped"}
        assert escaped >= {
            "append to a file outside",
            "write by a hard link",
            "move a file over one outside",
            "write a hook of git",
            "make .codex",
            "rename a folder above a workspace",
            "read codexd's own files",
            "TCP",
            "an abstract Unix socket",
            "codexd's own socket",
            "a datagram from a pair",
            "signal a process",
            "shared memory of the machine",
            "a new user namespace",
            "io_uring",
            "a keyring",
            "a call of 32-bit programs",
            "a program of another owner",
        }
        damage = " ".join(place.damage())
        for hit in ("outside/new changed", "was reached", "the victim ended with", "/dev/shm/"):
            assert hit in damage


def test_what_a_command_leaves_ends_with_it() -> None:
    """Also a process that has left its session, and one of another parent."""
    mechanisms: tuple[Mechanism, ...] = ("bubblewrap", "namespaces")
    for mechanism in mechanisms:
        with arena(mechanism, "workspace-write") as place:
            line = "(setsid sh -c 'setsid sleep 987 & sleep 987' &) ; echo $$"
            assert place.run("sh", "-c", line).returncode == 0
            left = [pid for pid in os.listdir("/proc") if pid.isdigit() and _runs(pid, "987")]
            assert left == []


def _runs(pid: str, argument: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return argument.encode() in file.read().split(b"\0")
    except OSError:
        return False
