"""Translates a client's overrides to a change of settings.

Law: as in Codex, a member takes precedence over the same key within `config`, and a collaboration mode
takes precedence over the members beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from codexd.core.values.settings import (
    NO_PROFILE,
    Collaboration,
    SandboxAccess,
    SandboxMode,
    SettingsChange,
    tier_of,
)
from codexd.protocol.config_overrides import (
    NO_OVERRIDES,
    ConfigOverrides,
    WorkspaceWriteOverrides,
    features_off,
)
from codexd.protocol.policies import approval_policy, sandbox_access, sandbox_mode
from codexd.protocol.threads import ThreadForkParams, ThreadResumeParams, ThreadStartParams
from codexd.protocol.turns import AskedEnvironment, SettingsParams, TurnStartParams

OfThread = ThreadStartParams | ThreadResumeParams | ThreadForkParams


class ThreadSettingsUpdateParams(SettingsParams, frozen=True, kw_only=True):
    """Change settings from the next turn on; members that are absent or null change nothing."""

    model_provider: str | None = None  # codexd only
    # Who is asked: codexd has no agent that reviews, and refuses any other than the person.
    approvals_reviewer: Literal["user", "auto_review", "guardian_subagent"] | None = None
    disabled_plugin_ids: tuple[str, ...] | None = None  # codexd has no plugins


class ThreadSettingsUpdateResponse(msgspec.Struct, frozen=True):
    """The settings are in force; clients that follow the thread are notified."""


OfTurn = TurnStartParams | ThreadSettingsUpdateParams


class Contradiction(Exception):
    """Two members of the params exclude each other. The message is a sentence without its end."""


def asked_permissions(params: OfThread | OfTurn) -> str | None:
    """The permission profile that the params name. Raises: Contradiction."""
    other, named = "sandbox", params.permissions
    if isinstance(params, OfTurn):
        other, is_there = "sandboxPolicy", params.sandbox_policy is not None
    else:
        is_there = params.sandbox is not None
    if named is not None and is_there:
        raise Contradiction(f"`permissions` cannot be combined with `{other}`")
    if named is None and not is_there and not isinstance(params, OfTurn):
        return params.config.default_permissions if params.config is not None else None
    return named


def asked_environments(params: OfThread | OfTurn) -> tuple[AskedEnvironment, ...] | None:
    """The environments that the params choose; None if they choose none."""
    return (
        None if isinstance(params, ThreadResumeParams | ThreadForkParams) else params.environments
    )


def asked_change(params: OfThread | OfTurn) -> SettingsChange:
    """The change in the params, without a permission profile; `cwd` is as the client sent it."""
    return settings_change(params) if isinstance(params, OfTurn) else thread_change(params)


def asked_features_off(params: OfThread | OfTurn, before: Iterable[str]) -> tuple[str, ...] | None:
    """The features that are off after the params; None if they say nothing about any."""
    if isinstance(params, OfTurn) or params.config is None:
        return None
    return features_off(params.config, before)


def _has_environment(chosen: tuple[AskedEnvironment, ...] | None) -> bool | None:
    return None if chosen is None else bool(chosen)


def _cwd(params: OfThread | OfTurn) -> str | None:
    chosen = asked_environments(params)
    return chosen[0].cwd if chosen else params.cwd


def _tier(asked: str | None) -> str | None:
    return None if asked is None else tier_of(asked)


def thread_change(params: OfThread) -> SettingsChange:
    """The change in the params of a thread; `cwd` is as the client sent it."""
    config = params.config or NO_OVERRIDES
    mode = params.sandbox or config.sandbox_mode
    return SettingsChange(
        cwd=_cwd(params),
        model=params.model or config.model,
        provider=params.model_provider or config.model_provider,
        approval_policy=approval_policy(params.approval_policy or config.approval_policy),
        sandbox=mode,
        access=_access(mode, config),
        profile=None if mode is None else NO_PROFILE,
        has_environment=_has_environment(asked_environments(params)),
        context_window=config.model_context_window,
        compact_limit=config.model_auto_compact_token_limit,
        effort=config.model_reasoning_effort,
        summary=config.model_reasoning_summary,
        verbosity=config.model_verbosity,
        service_tier=_tier(params.service_tier or config.service_tier),
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


def settings_change(params: OfTurn) -> SettingsChange:
    """The change in the params of a turn, or between turns; `cwd` is as the client sent it."""
    chosen = params.collaboration_mode
    mode = chosen.settings if chosen is not None else None
    has_environment = _has_environment(params.environments)
    if has_environment is None and params.cwd is not None:
        has_environment = True
    return SettingsChange(
        cwd=_cwd(params),
        model=(mode.model if mode else None) or params.model,
        provider=params.model_provider if isinstance(params, ThreadSettingsUpdateParams) else None,
        approval_policy=approval_policy(params.approval_policy),
        sandbox=sandbox_mode(params.sandbox_policy),
        access=sandbox_access(params.sandbox_policy),
        profile=None if params.sandbox_policy is None else NO_PROFILE,
        has_environment=has_environment,
        # As in Codex, a mode without an effort is one with the model's default.
        effort=(mode.reasoning_effort if mode else None) or params.effort or ("" if mode else None),
        summary=params.summary,
        verbosity=params.verbosity,
        service_tier=None if params.service_tier is msgspec.UNSET else tier_of(params.service_tier),
        collaboration=None
        if chosen is None
        else Collaboration(chosen.mode, chosen.settings.developer_instructions),
    )
