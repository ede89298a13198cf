"""The policies of a thread that are enforced. Clients and models are shown these policies.

Law: the shown policy is never looser or tighter than the enforced one; in plan mode commands write nothing, whatever
policy is shown beside the mode. A thread's log keeps the policies
that were requested, and what the machine could enforce.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from codexd.core.values.settings import (
    ApprovalPolicy,
    Collaboration,
    Notice,
    SandboxAccess,
    SandboxMode,
    Settings,
)

_CONFINING: Final[frozenset[SandboxMode]] = frozenset({"read-only", "workspace-write"})


def sandbox_wanted(settings: Settings) -> SandboxMode:
    """The sandbox mode of commands, if it can be enforced: in plan mode, which changes nothing, the tightest."""
    return "read-only" if settings.plans else settings.sandbox


def is_confined(settings: Settings) -> bool:
    """Whether commands run in a sandbox."""
    if settings.profile.unenforced is not None:
        return False
    wanted = sandbox_wanted(settings)
    return wanted in _CONFINING and wanted in settings.enforcement.modes


def is_refused(settings: Settings) -> bool:
    """Whether commands are refused, because their sandbox cannot be enforced."""
    must = settings.sandbox in _CONFINING and not settings.enforcement.unsandboxed
    return must and not is_confined(settings)


def enforced_sandbox(settings: Settings) -> SandboxMode:
    """The sandbox mode that is enforced; where commands are refused, the mode that was requested."""
    if is_confined(settings) or is_refused(settings):
        return sandbox_wanted(settings)
    return "danger-full-access"


def enforced_policy(settings: Settings) -> ApprovalPolicy:
    """The approval policy that is enforced: without a sandbox, `on-request` is `untrusted`."""
    if settings.approval_policy == "never":
        return "never"
    confined = is_confined(settings) or is_refused(settings)
    return settings.approval_policy if confined else "untrusted"


def unenforced(settings: Settings) -> tuple[Notice, ...]:
    """The warning that commands are refused, if they are."""
    if not is_refused(settings):
        return ()
    profile = settings.profile
    if profile.problem is not None:
        text = (
            f"The {profile.problem}, so commands are refused. Choose another profile, or set `allow_unsandboxed = true` "
            "in config.toml to be asked before commands instead."
        )
        return (Notice(f"profile:{profile.id}:{profile.unenforced}", text),)
    text = (
        f"The sandbox mode {settings.sandbox} cannot be enforced on this machine, so commands are refused. "
        "`codexctl status` says why. Install what is missing, or set `allow_unsandboxed = true` in config.toml to be "
        "asked before commands instead."
    )
    return (Notice(f"sandbox:{settings.sandbox}", text),)


Network = Literal["off", "domains", "on"]


def network_of(settings: Settings) -> Network:
    """What commands may reach by the network; `domains`: those of a list."""
    if "danger-full-access" in (settings.sandbox, enforced_sandbox(settings)):
        return "on"
    if not settings.access.network_access:
        return "off"
    return "domains" if settings.enforcement.domains else "on"


class CannotConfine(Exception):
    """A command was not run, because its sandbox can't be enforced. The message says why, as the rest of a sentence."""


class Sandbox(msgspec.Struct, frozen=True):
    """The sandbox of a tool call."""

    mode: SandboxMode
    folder: str  # absolute; the folder that `workspace-write` may write
    access: SandboxAccess = SandboxAccess()
    domains: bool = False  # its network is a list of domains, behind a proxy
    temporary: str | None = (
        None  # TMPDIR of the command's environment; None: that of whoever confines it
    )


def sandbox_of(settings: Settings) -> Sandbox:
    """The sandbox of a turn's tool calls."""
    network, access = network_of(settings), settings.access
    if settings.plans:  # The network of the person's own sandbox, and none of its folders.
        access = SandboxAccess(network_access=network != "off")
    return Sandbox(enforced_sandbox(settings), settings.cwd, access, network == "domains")


def beside_plan_mode(settings: Settings) -> Settings:
    """The settings with which a turn would run after plan mode: their policies are the person's, and are shown."""
    return replace(settings, collaboration=Collaboration()) if settings.plans else settings


def enforced(settings: Settings) -> Settings:
    """The settings with the policies that are enforced."""
    return replace(
        settings,
        approval_policy=enforced_policy(settings),
        sandbox=enforced_sandbox(settings),
    )
