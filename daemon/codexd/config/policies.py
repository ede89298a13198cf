"""The policies of a new thread where its client asks for none: those of config.toml, or by its project's trust.

I/O: it looks for the root of a repository.
"""

from __future__ import annotations

import os
from typing import Final

import msgspec

from codexd.config.keys import Config
from codexd.config.layers.projects import trust_of
from codexd.config.permission_profiles import (
    READ_ONLY,
    WORKSPACE,
    UnusableProfile,
    permissions_of,
)
from codexd.core.decide.lookups import Here
from codexd.core.values.settings import (
    NO_PROFILE,
    ActiveProfile,
    ApprovalPolicy,
    SandboxAccess,
    SandboxMode,
)

# In place of a folder that is not known yet: each rule for a path may be about it.
_ANYWHERE: Final = "/"


class Policies(msgspec.Struct, frozen=True):
    """When a person is asked, and what commands may do."""

    approval_policy: ApprovalPolicy
    sandbox: SandboxMode
    access: SandboxAccess
    profile: ActiveProfile


def policies_for(config: Config, folder: str, permissions: str | None = None) -> Policies:
    """The policies of a thread in this folder, as Codex has them.

    Args:
        permissions: the profile that its client names, in place of the configured one.

    Raises:
        UnusableProfile: that profile, or the configured one, cannot be used.
    """
    trust = _trust_level(config, folder)
    asks = config.approval_policy or ("untrusted" if trust == "untrusted" else "on-request")
    named = permissions or config.default_permissions
    if named is not None:
        found = permissions_of(named, config, folder)
        return Policies(asks, found.sandbox, found.access, found.profile)
    mode = config.sandbox_mode or ("read-only" if trust is None else "workspace-write")
    access = access_of(config, mode, folder)
    profile = NO_PROFILE
    if config.sandbox_mode is None and access == SandboxAccess():
        profile = ActiveProfile(READ_ONLY if mode == "read-only" else WORKSPACE)
    return Policies(asks, mode, access, profile)


def here_of(config: Config) -> Here:
    """What holds here for a thread from elsewhere: no more than a person has configured."""
    here = Here(
        config.approval_policy or "untrusted",
        config.sandbox_mode or "read-only",
        developer_instructions=config.developer_instructions,
    )
    if config.default_permissions is None:
        return here
    try:
        found = permissions_of(config.default_permissions, config, _ANYWHERE)
    except UnusableProfile:
        return msgspec.structs.replace(here, sandbox="read-only")
    # A thread from elsewhere gets no more folders than its own, and no network, as without a profile.
    access = msgspec.structs.replace(found.access, writable_roots=(), network_access=False)
    keeps = access == found.access or found.profile.unenforced is not None
    return msgspec.structs.replace(
        here,
        sandbox=found.sandbox,
        access=access,
        profile=found.profile if keeps else NO_PROFILE,
    )


def access_of(config: Config, mode: SandboxMode, folder: str) -> SandboxAccess:
    """What the configuration lets through in this mode, for a thread in this folder."""
    if mode != "workspace-write":
        return SandboxAccess()
    table = config.sandbox_workspace_write
    roots = tuple(os.path.join(folder, os.path.expanduser(root)) for root in table.writable_roots)
    return SandboxAccess(**{**msgspec.structs.asdict(table), "writable_roots": roots})


def features_off(config: Config) -> tuple[str, ...]:
    """The features that are off in a new thread, sorted."""
    features = config.features
    switches = (
        ("request_permissions_tool", features.request_permissions_tool),
        ("shell_tool", features.shell_tool),
        ("update_plan", config.tools.update_plan.enabled),
        ("view_image", features.view_image),
    )
    return tuple(name for name, is_on in switches if not is_on)


def _trust_level(config: Config, folder: str) -> str | None:
    """What a person said of the folder, or of the repository that it is in."""
    if not config.projects:
        return None
    levels = {key: project.trust_level for key, project in config.projects.items()}
    return trust_of(levels, folder).level
