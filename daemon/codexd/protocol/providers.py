"""The method by which a client asks for a model on this machine (codexd only)."""

from __future__ import annotations

import msgspec


class ProviderFindLocalParams(msgspec.Struct, frozen=True):
    """Which server and which model; both may be left to the daemon."""

    provider: str | None = None  # ollama, lmstudio, llamacpp, vllm, or one of config.toml
    model: str | None = None


class FoundModel(msgspec.Struct, frozen=True, rename="camel"):
    """A model that a local server has."""

    id: str
    context_window: int | None = None  # tokens, where the server says it


class ProviderFindLocalResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What to start a thread with."""

    model_provider: str
    model: str
    name: str  # of the server, for people
    base_url: str
    models: tuple[FoundModel, ...]  # all that it has
