"""What a thread may do, in the wire's words, and what those words come to in ours.

The law: whatever a client asks for is brought to a policy that codexd has, never to a looser one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.settings import ApprovalPolicy, SandboxMode


class GranularPolicy(msgspec.Struct, frozen=True):
    """Codex's table of the questions that may be asked; codexd asks all of them."""

    granular: msgspec.Raw


# What a client may send for `approvalPolicy`: `on-failure` is of older clients.
AskedPolicy = Literal["untrusted", "on-request", "never", "on-failure"] | GranularPolicy


def approval_policy(asked: AskedPolicy | None) -> ApprovalPolicy | None:
    """The policy that an asked one comes to; None stays None."""
    if asked == "on-failure" or isinstance(asked, GranularPolicy):
        return "untrusted"
    return asked


class ReadOnly(msgspec.Struct, frozen=True, rename="camel", tag="readOnly"):
    """Commands may read everything and write nothing."""

    network_access: bool = False


class WorkspaceWrite(msgspec.Struct, frozen=True, rename="camel", tag="workspaceWrite"):
    """Commands may write in the thread's folder, in temporary ones, and in `writable_roots`."""

    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False


class DangerFullAccess(msgspec.Struct, frozen=True, tag="dangerFullAccess"):
    """Commands may do what the daemon's user may."""


class ExternalSandbox(msgspec.Struct, frozen=True, rename="camel", tag="externalSandbox"):
    """Somebody else confines the commands."""

    network_access: Literal["restricted", "enabled"] = "restricted"


SandboxPolicy = ReadOnly | WorkspaceWrite | DangerFullAccess | ExternalSandbox


def sandbox_mode(policy: SandboxPolicy | None) -> SandboxMode | None:
    """The word for a policy; None stays None."""
    match policy:
        case None:
            return None
        case ReadOnly():
            return "read-only"
        case WorkspaceWrite():
            return "workspace-write"
        case DangerFullAccess() | ExternalSandbox():
            return "danger-full-access"


def sandbox_policy(mode: SandboxMode) -> SandboxPolicy:
    """The policy that a word stands for."""
    match mode:
        case "read-only":
            return ReadOnly()
        case "workspace-write":
            return WorkspaceWrite()
        case "danger-full-access":
            return DangerFullAccess()
