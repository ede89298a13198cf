"""Translates a client's overrides to a change of settings.

Law: as in Codex, a member takes precedence over the same key within `config`, and a collaboration mode
takes precedence over the members beside it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.settings import SettingsChange
from codexd.protocol.policies import AskedPolicy, SandboxPolicy, approval_policy, sandbox_mode
from codexd.protocol.threads import (
    ConfigOverrides,
    ThreadForkParams,
    ThreadResumeParams,
    ThreadStartParams,
)
from codexd.protocol.turns import CollaborationMode, TurnStartParams


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
        effort=config.model_reasoning_effort,
        summary=config.model_reasoning_summary,
        verbosity=config.model_verbosity,
    )


def turn_change(params: TurnStartParams) -> SettingsChange:
    """The change in the params of a turn; `cwd` is as the client sent it."""
    mode = params.collaboration_mode.settings if params.collaboration_mode else None
    return SettingsChange(
        cwd=params.cwd,
        model=(mode.model if mode else None) or params.model,
        approval_policy=approval_policy(params.approval_policy),
        sandbox=sandbox_mode(params.sandbox_policy),
        effort=(mode.reasoning_effort if mode else None) or params.effort,
        summary=params.summary,
        verbosity=params.verbosity,
    )


def settings_change(params: ThreadSettingsUpdateParams) -> SettingsChange:
    """The change in an update between turns; `cwd` is as the client sent it."""
    mode = params.collaboration_mode.settings if params.collaboration_mode else None
    return SettingsChange(
        cwd=params.cwd,
        model=(mode.model if mode else None) or params.model,
        provider=params.model_provider,
        approval_policy=approval_policy(params.approval_policy),
        sandbox=sandbox_mode(params.sandbox_policy),
        effort=(mode.reasoning_effort if mode else None) or params.effort,
        summary=params.summary,
        verbosity=params.verbosity,
    )


class ThreadSettingsUpdateParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Change settings from the next turn on; members that are absent or null change nothing."""

    thread_id: str
    cwd: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_policy: SandboxPolicy | None = None
    model: str | None = None
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    collaboration_mode: CollaborationMode | None = None
    model_provider: str | None = None  # codexd only, as is the next
    verbosity: Literal["low", "medium", "high"] | None = None


class ThreadSettingsUpdateResponse(msgspec.Struct, frozen=True):
    """The settings are in force; clients that follow the thread are notified."""
