"""The params and results of `model/*`, and of what a thread may choose besides: `permissionProfile/*`."""

from __future__ import annotations

from typing import Literal

import msgspec


class ModelListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List models."""

    cursor: str | None = None
    limit: int | None = None
    include_hidden: bool | None = None
    model_provider: str | None = None


class ReasoningEffortOption(msgspec.Struct, frozen=True, rename="camel"):
    """A reasoning effort that a model supports."""

    reasoning_effort: str
    description: str


class ModelUpgradeInfo(msgspec.Struct, frozen=True):
    """The model that is proposed in place of another."""

    model: str


class ModelServiceTier(msgspec.Struct, frozen=True):
    """A speed at which a provider answers for another price."""

    id: str
    name: str
    description: str


class Model(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A model, as a model picker shows it."""

    id: str
    model: str
    upgrade: str | None = None  # the model that replaces it
    upgrade_info: ModelUpgradeInfo | None = None
    display_name: str
    description: str
    hidden: bool = False
    supported_reasoning_efforts: tuple[ReasoningEffortOption, ...] = ()
    default_reasoning_effort: str
    input_modalities: tuple[Literal["text", "image", "audio"], ...] = ("text", "image")
    supports_personality: bool = False
    service_tiers: tuple[ModelServiceTier, ...] = ()
    is_default: bool = False


class ModelListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of models."""

    data: tuple[Model, ...]
    next_cursor: str | None = None


class PermissionProfileListParams(msgspec.Struct, frozen=True):
    """List the permission profiles of a folder."""

    cursor: str | None = None
    limit: int | None = None
    cwd: str | None = None


class PermissionProfileSummary(msgspec.Struct, frozen=True):
    """A permission profile, for a picker."""

    id: str
    description: str | None
    allowed: bool  # False: it cannot be used, for example because it extends itself


class PermissionProfileListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of permission profiles."""

    data: tuple[PermissionProfileSummary, ...]
    next_cursor: str | None = None
