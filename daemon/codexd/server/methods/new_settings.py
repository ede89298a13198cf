"""The settings of a new thread: those that its client asks for, else those of its folder's configuration."""

from __future__ import annotations

from msgspec.structs import replace

from codexd.config.file import ReadConfig
from codexd.config.keys import Config
from codexd.config.policies import Policies, access_of, features_off
from codexd.core.values.settings import NO_PROFILE, Settings, SettingsChange, tier_of
from codexd.protocol import threads as t
from codexd.protocol.settings import asked_features_off, thread_change
from codexd.server.connection.connection import Connection
from codexd.server.methods.daemon import config_for
from codexd.server.methods.lookup import (
    absolute,
    check_provider,
    checked_cwd,
    permissions_in,
    policies_in,
)
from codexd.server.services import Services


async def new_settings(
    services: Services, connection: Connection, params: t.ThreadStartParams
) -> tuple[Settings, ReadConfig]:
    """The settings, and the configuration of the thread's folder. Raises: RpcError."""
    permissions, asked = permissions_in(params), thread_change(params)
    given = asked.cwd or str(services.cwd)
    # A terminal of Codex exits where this is refused, and a folder may be removed under it: its client is warned.
    may_be_gone = params.idempotency_key is None
    cwd = absolute(services, given) if may_be_gone else await checked_cwd(services, given)
    read = await config_for(services, connection, cwd)
    policies = await _new_policies(services, asked, permissions, cwd, read.config)
    off = features_off(read.config)
    said = asked_features_off(params, off)
    asked = replace(asked, features_off=off if said is None else said)
    return _new_settings(services, asked, cwd, policies, read.config), read


async def _new_policies(
    services: Services, asked: SettingsChange, permissions: str | None, cwd: str, config: Config
) -> Policies:
    """The policies of a new thread: by the profile that its client names, by its sandbox mode, or by the config."""
    policies = await policies_in(services, cwd, config, permissions)
    if permissions is not None:
        return policies
    if asked.sandbox is not None:
        access = asked.access or access_of(config, asked.sandbox, cwd)
        return replace(policies, sandbox=asked.sandbox, access=access, profile=NO_PROFILE)
    if asked.access is not None:
        return replace(policies, access=asked.access, profile=NO_PROFILE)
    return policies


def _new_settings(
    services: Services, asked: SettingsChange, cwd: str, policies: Policies, config: Config
) -> Settings:
    """The settings of a new thread: the request's, else the config's, else the defaults."""
    default_model = next(model.id for model in services.models() if model.is_default)
    provider = asked.provider or config.model_provider
    check_provider(services, provider)
    return Settings(
        cwd=cwd,
        model=asked.model or config.model or default_model,
        provider=provider,
        approval_policy=asked.approval_policy or policies.approval_policy,
        sandbox=policies.sandbox,
        effort=asked.effort or config.model_reasoning_effort,
        summary=asked.summary or config.model_reasoning_summary,
        verbosity=asked.verbosity or config.model_verbosity,
        access=policies.access,
        profile=policies.profile,
        has_environment=asked.has_environment is not False,
        features_off=asked.features_off or (),
        service_tier=tier_of(config.service_tier)
        if asked.service_tier is None
        else asked.service_tier,
        context_window=asked.context_window,
        compact_limit=asked.compact_limit,
        enforcement=services.confinement.enforcement(),
    )
