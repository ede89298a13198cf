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


class NoAuth(msgspec.Struct, frozen=True, tag="none", tag_field="mode"):
    """Requests have no key."""


class VariableAuth(
    msgspec.Struct, frozen=True, rename="camel", tag="environmentVariable", tag_field="mode"
):
    """The key is in an environment variable."""

    env_key: str


class OtherAuth(
    msgspec.Struct, frozen=True, rename="camel", tag="externallyConfigured", tag_field="mode"
):
    """Headers of config.toml, or of a program, are the key."""

    env_key: str | None = None


class OpenaiSettings(msgspec.Struct, frozen=True, tag="openai"):
    """The provider is OpenAI."""


class GatewaySettings(msgspec.Struct, frozen=True, tag="customGateway"):
    """Another provider."""

    auth: NoAuth | VariableAuth | OtherAuth


class ModelProviderSummary(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A provider of models."""

    id: str
    name: str
    base_url: str | None = None  # null: it may hold a secret
    can_edit: bool = False
    settings: OpenaiSettings | GatewaySettings


class ModelProviderListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """All providers, in the order of their names."""

    data: tuple[ModelProviderSummary, ...]
    default_provider_id: str
    can_change_default: bool = True


class ModelProviderDefaultSetParams(msgspec.Struct, frozen=True, rename="camel"):
    """Write the provider of new threads into config.toml."""

    provider_id: str


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
