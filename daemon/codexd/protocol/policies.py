"""The approval and sandbox policies of the protocol, and their translation to those of the core.

Law: a policy that a client asks for is translated to one that codexd has, never to a looser one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.settings import ActiveProfile, ApprovalPolicy, SandboxAccess, SandboxMode


class GranularPolicy(msgspec.Struct, frozen=True):
    """Codex's table of kinds of questions that may be asked; codexd asks all kinds."""

    granular: msgspec.Raw


# The values of `approvalPolicy` that a client may send: older clients send `on-failure`.
AskedPolicy = Literal["untrusted", "on-request", "never", "on-failure"] | GranularPolicy


def approval_policy(asked: AskedPolicy | None) -> ApprovalPolicy | None:
    """The core's policy for a policy of the protocol; None for None."""
    if isinstance(asked, GranularPolicy):
        return "untrusted"
    # What failed in the sandbox was asked about; on-request asks before a command leaves it.
    return "on-request" if asked == "on-failure" else asked


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
    """Another program confines the commands."""

    network_access: Literal["restricted", "enabled"] = "restricted"


SandboxPolicy = ReadOnly | WorkspaceWrite | DangerFullAccess | ExternalSandbox


class ActivePermissionProfile(msgspec.Struct, frozen=True):
    """The permission profile that the sandbox comes from."""

    id: str
    extends: str | None = None


def active_profile(profile: ActiveProfile) -> ActivePermissionProfile | None:
    """The profile as the wire has it; None if the sandbox comes from none."""
    return ActivePermissionProfile(profile.id, profile.extends) if profile.id else None


def sandbox_mode(policy: SandboxPolicy | None) -> SandboxMode | None:
    """The mode of a policy; None for None."""
    match policy:
        case None:
            return None
        case ReadOnly():
            return "read-only"
        case WorkspaceWrite():
            return "workspace-write"
        case DangerFullAccess() | ExternalSandbox():
            return "danger-full-access"


def sandbox_access(policy: SandboxPolicy | None) -> SandboxAccess | None:
    """What a policy lets through beyond its mode; None for None."""
    match policy:
        case None:
            return None
        case ReadOnly():
            return SandboxAccess(network_access=policy.network_access)
        case WorkspaceWrite():
            return SandboxAccess(
                policy.writable_roots,
                policy.network_access,
                policy.exclude_tmpdir_env_var,
                policy.exclude_slash_tmp,
            )
        case DangerFullAccess() | ExternalSandbox():
            return SandboxAccess()


def sandbox_policy(mode: SandboxMode, access: SandboxAccess) -> SandboxPolicy:
    """The policy of a mode."""
    match mode:
        case "read-only":
            return ReadOnly(access.network_access)
        case "workspace-write":
            return WorkspaceWrite(
                access.writable_roots,
                access.network_access,
                access.exclude_tmpdir_env_var,
                access.exclude_slash_tmp,
            )
        case "danger-full-access":
            return DangerFullAccess()
