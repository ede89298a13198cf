"""The policies of a new thread where its client asks for none: those of config.toml, or by its project's trust.

I/O: it looks for the root of a repository.
"""

from __future__ import annotations

import os

import msgspec

from codexd.config.keys import Config
from codexd.config.layers.projects import trust_of
from codexd.core.decide.lookups import Here
from codexd.core.values.settings import ApprovalPolicy, SandboxAccess, SandboxMode


class Policies(msgspec.Struct, frozen=True):
    """When a person is asked, and what commands may do."""

    approval_policy: ApprovalPolicy
    sandbox: SandboxMode


def policies_for(config: Config, folder: str) -> Policies:
    """The policies of a thread in this folder, as Codex has them."""
    trust = _trust_level(config, folder)
    return Policies(
        config.approval_policy or ("untrusted" if trust == "untrusted" else "on-request"),
        config.sandbox_mode or ("read-only" if trust is None else "workspace-write"),
    )


def here_of(config: Config) -> Here:
    """What holds here for a thread from elsewhere: no more than a person has configured."""
    return Here(
        config.approval_policy or "untrusted",
        config.sandbox_mode or "read-only",
        developer_instructions=config.developer_instructions,
    )


def access_of(config: Config, mode: SandboxMode, folder: str) -> SandboxAccess:
    """What the configuration lets through in this mode, for a thread in this folder."""
    if mode != "workspace-write":
        return SandboxAccess()
    table = config.sandbox_workspace_write
    roots = tuple(os.path.join(folder, os.path.expanduser(root)) for root in table.writable_roots)
    return SandboxAccess(**{**msgspec.structs.asdict(table), "writable_roots": roots})


def _trust_level(config: Config, folder: str) -> str | None:
    """What a person said of the folder, or of the repository that it is in."""
    if not config.projects:
        return None
    levels = {key: project.trust_level for key, project in config.projects.items()}
    return trust_of(levels, folder).level
