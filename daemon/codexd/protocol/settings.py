"""Translates a client's overrides to a change of settings.

Law: as in Codex, a member takes precedence over the same key within `config`, and a collaboration mode
takes precedence over the members beside it.
"""

from __future__ import annotations

import msgspec

from codexd.core.values.settings import SandboxAccess, SandboxMode, SettingsChange
from codexd.protocol.policies import approval_policy, sandbox_access, sandbox_mode
from codexd.protocol.threads import (
    ConfigOverrides,
    ThreadForkParams,
    ThreadResumeParams,
    ThreadStartParams,
    WorkspaceWriteOverrides,
)
from codexd.protocol.turns import SettingsParams, TurnStartParams


class ThreadSettingsUpdateParams(SettingsParams, frozen=True, kw_only=True):
    """Change settings from the next turn on; members that are absent or null change nothing."""

    model_provider: str | None = None  # codexd only


class ThreadSettingsUpdateResponse(msgspec.Struct, frozen=True):
    """The settings are in force; clients that follow the thread are notified."""


def thread_change(
    params: ThreadStartParams | ThreadResumeParams | ThreadForkParams,
) -> SettingsChange:
    """The change in the params of a thread; `cwd` is as the client sent it."""
    config = params.config or ConfigOverrides()
    return SettingsChange(
        cwd=params.cwd,
        model=params.model or config.model,
        provider=params.model_provider or config.model_provider,
        approval_policy=approval_policy(params.approval_policy or config.approval_policy),
        sandbox=params.sandbox or config.sandbox_mode,
        access=_access(params.sandbox or config.sandbox_mode, config),
        effort=config.model_reasoning_effort,
        summary=config.model_reasoning_summary,
        verbosity=config.model_verbosity,
    )


def _access(mode: SandboxMode | None, config: ConfigOverrides) -> SandboxAccess | None:
    """What the overrides let through. A mode that cannot have it drops it; None: it stays as it was."""
    if mode not in (None, "workspace-write"):
        return SandboxAccess()
    table = config.sandbox_workspace_write or WorkspaceWriteOverrides()
    given = SandboxAccess(
        **{
            name: getattr(table, name) if dotted is None else dotted
            for name in table.__struct_fields__
            for dotted in [getattr(config, f"sandbox_{name}")]
        }
    )
    return None if given == SandboxAccess() else given


def settings_change(params: TurnStartParams | ThreadSettingsUpdateParams) -> SettingsChange:
    """The change in the params of a turn, or between turns; `cwd` is as the client sent it."""
    mode = params.collaboration_mode.settings if params.collaboration_mode else None
    return SettingsChange(
        cwd=params.cwd,
        model=(mode.model if mode else None) or params.model,
        provider=params.model_provider if isinstance(params, ThreadSettingsUpdateParams) else None,
        approval_policy=approval_policy(params.approval_policy),
        sandbox=sandbox_mode(params.sandbox_policy),
        access=sandbox_access(params.sandbox_policy),
        effort=(mode.reasoning_effort if mode else None) or params.effort,
        summary=params.summary,
        verbosity=params.verbosity,
    )
