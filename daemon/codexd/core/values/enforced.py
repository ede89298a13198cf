"""The policies of a thread that are enforced. Clients and models are shown these policies.

Law: the shown policy is never looser or tighter than the enforced one. A thread's log keeps the policies
that were requested, so they apply as soon as a sandbox enforces them.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.values.settings import ApprovalPolicy, SandboxMode, Settings

# The sandbox modes that are enforced. There is no sandbox yet, so commands may do everything that
# the daemon's user may do. A sandbox adds its modes here, and then `on-request` is used as it is.
ENFORCED_MODES: Final[frozenset[SandboxMode]] = frozenset({"danger-full-access"})
_CONFINING: Final[frozenset[SandboxMode]] = frozenset({"read-only", "workspace-write"})


def enforced_sandbox(mode: SandboxMode) -> SandboxMode:
    """The sandbox mode that is enforced."""
    return mode if mode in ENFORCED_MODES else "danger-full-access"


def enforced_policy(settings: Settings) -> ApprovalPolicy:
    """The approval policy that is enforced: without a sandbox, `on-request` is `untrusted`."""
    if settings.approval_policy == "never":
        return "never"
    confined = settings.sandbox in _CONFINING & ENFORCED_MODES
    return settings.approval_policy if confined else "untrusted"


class Sandbox(msgspec.Struct, frozen=True):
    """The sandbox of a tool call."""

    mode: SandboxMode
    folder: str  # absolute; the folder that `workspace-write` may write


def sandbox_of(settings: Settings) -> Sandbox:
    """The sandbox of a turn's tool calls."""
    return Sandbox(enforced_sandbox(settings.sandbox), settings.cwd)


def enforced(settings: Settings) -> Settings:
    """The settings with the policies that are enforced."""
    return replace(
        settings,
        approval_policy=enforced_policy(settings),
        sandbox=enforced_sandbox(settings.sandbox),
    )
