"""What of a thread's policies is enforced. A client and a model are told this, never more.

Law: no policy is told that is looser or tighter than what happens. A thread keeps in its log the policies
that were asked for, so they count as soon as a sandbox enforces them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.values.settings import ApprovalPolicy, SandboxMode, Settings

# The modes that something here holds commands to. There is no sandbox yet, so commands may do whatever
# the daemon's user may. A sandbox adds its modes here, and `on-request` means itself in them.
ENFORCED_MODES: Final[frozenset[SandboxMode]] = frozenset({"danger-full-access"})
_CONFINING: Final[frozenset[SandboxMode]] = frozenset({"read-only", "workspace-write"})


def enforced_sandbox(mode: SandboxMode) -> SandboxMode:
    """The mode that commands are really held to."""
    return mode if mode in ENFORCED_MODES else "danger-full-access"


def enforced_policy(settings: Settings) -> ApprovalPolicy:
    """When a person is really asked: a policy that relies on a sandbox asks as `untrusted` without one."""
    if settings.approval_policy == "never":
        return "never"
    confined = settings.sandbox in _CONFINING & ENFORCED_MODES
    return settings.approval_policy if confined else "untrusted"


class Sandbox(msgspec.Struct, frozen=True):
    """What a tool call is held to."""

    mode: SandboxMode
    folder: str  # absolute; where `workspace-write` lets it write


def sandbox_of(settings: Settings) -> Sandbox:
    """What the tool calls of a turn are held to."""
    return Sandbox(enforced_sandbox(settings.sandbox), settings.cwd)


def enforced(settings: Settings) -> Settings:
    """The settings with the policies that are enforced."""
    return replace(
        settings,
        approval_policy=enforced_policy(settings),
        sandbox=enforced_sandbox(settings.sandbox),
    )
