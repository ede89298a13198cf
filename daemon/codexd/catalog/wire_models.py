"""The models of the catalogue as clients see them. Pure."""

from __future__ import annotations

from codexd.models.catalog import Model
from codexd.protocol.models import Model as WireModel
from codexd.protocol.models import ModelServiceTier, ModelUpgradeInfo, ReasoningEffortOption


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
