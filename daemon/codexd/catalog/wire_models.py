"""The models of the catalogue and the providers as clients see them. Pure."""

from __future__ import annotations

from typing import Final

from codexd.core.values.shown import shown_url, shown_variable
from codexd.models.catalog import Model
from codexd.models.provider import Provider
from codexd.protocol.models import (
    GatewaySettings,
    ModelProviderSummary,
    ModelServiceTier,
    ModelUpgradeInfo,
    NoAuth,
    OpenaiSettings,
    OtherAuth,
    ReasoningEffortOption,
    VariableAuth,
)
from codexd.protocol.models import Model as WireModel

# The key of OpenAI's own table, which Codex's clients know.
OPENAI: Final = "openai"


def wire_model(model: Model) -> WireModel:
    """A model, as a model picker shows it."""
    return WireModel(
        id=model.id,
        model=model.id,
        display_name=model.display_name,
        description=model.description,
        hidden=model.hidden,
        supported_reasoning_efforts=tuple(
            ReasoningEffortOption(effort.effort, effort.description) for effort in model.efforts
        ),
        default_reasoning_effort=model.default_effort,
        input_modalities=model.modalities,
        is_default=model.is_default,
        upgrade=model.upgrade,
        upgrade_info=ModelUpgradeInfo(model.upgrade) if model.upgrade is not None else None,
        service_tiers=tuple(
            ModelServiceTier(tier.id, tier.name, tier.description) for tier in model.service_tiers
        ),
    )


def wire_provider(provider: Provider) -> ModelProviderSummary:
    """A provider, as a picker shows it; an address that may hold a secret is left out, as in Codex."""
    if provider.key == OPENAI:
        return ModelProviderSummary(id=provider.key, name=provider.name, settings=OpenaiSettings())
    shown = shown_url(provider.base_url)
    return ModelProviderSummary(
        id=provider.key,
        name=provider.name,
        base_url=shown if shown == provider.base_url and not provider.query_params else None,
        settings=GatewaySettings(_auth(provider)),
    )


def _auth(provider: Provider) -> NoAuth | VariableAuth | OtherAuth:
    variable = None if provider.env_key is None else shown_variable(provider.env_key)
    if provider.http_headers or provider.env_http_headers:
        return OtherAuth(variable)
    return NoAuth() if variable is None else VariableAuth(variable)
