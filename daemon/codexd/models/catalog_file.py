"""A person's own catalogue of models: a JSON file in Codex's format, `{"models": [{"slug": …}]}`. Pure.

It takes the place of the catalogue in the package, as in Codex. Members that codexd does not use are ignored.
Source: Codex 0.171, `codex debug models`.

    BadCatalog    the file is none
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.models.catalog import (
    EFFECTIVE_PERCENT,
    FALLBACK_WINDOW,
    Catalog,
    Effort,
    Modality,
    Model,
    ServiceTier,
)

# That of Codex, which has the instructions of each model in it, has half a megabyte.
CATALOG_BYTES_MAX: Final = 8 * 1024 * 1024


class BadCatalog(Exception):
    """A file is no catalogue of models. The message says what was expected, as the rest of "expected …"."""


class _Upgrade(msgspec.Struct, frozen=True):
    model: str


class _Model(msgspec.Struct, frozen=True):
    slug: str
    display_name: str
    supported_reasoning_levels: tuple[Effort, ...] = ()
    description: str | None = None
    default_reasoning_level: str | None = None
    supports_reasoning_summaries: bool = True
    visibility: str = "list"
    priority: int = 0
    support_verbosity: bool = False
    shell_type: str = "default"
    apply_patch_tool_type: str | None = None
    supports_parallel_tool_calls: bool = True
    context_window: int | None = None
    effective_context_window_percent: int = EFFECTIVE_PERCENT
    input_modalities: tuple[Literal["text", "image", "audio"], ...] = ("text", "image")
    service_tiers: tuple[ServiceTier, ...] = ()
    upgrade: _Upgrade | None = None


class _File(msgspec.Struct, frozen=True):
    models: tuple[_Model, ...]


def read_catalog(content: bytes) -> Catalog:
    """The catalogue in a file. Raises: BadCatalog."""
    try:
        models = msgspec.json.decode(content, type=_File).models
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadCatalog(
            f'{{"models": [{{"slug": …, "display_name": …}}]}}, found: {error}'
        ) from error
    for model in models:
        window = FALLBACK_WINDOW if model.context_window is None else model.context_window
        if not 0 < model.effective_context_window_percent <= 100 or window < 1:
            raise BadCatalog(f"a context window above 0 of {model.slug}, found another")
    slugs = [model.slug for model in models]
    twice = {slug for slug in slugs if slugs.count(slug) > 1}
    if not models or twice:
        found = f"{', '.join(sorted(twice))} twice" if twice else "none"
        raise BadCatalog(f"at least one model, and each once, found {found}")
    ordered = sorted(models, key=lambda model: model.priority)
    default = next((model for model in ordered if model.visibility == "list"), ordered[0])
    return Catalog(tuple(_read(model, is_default=model is default) for model in ordered))


def _read(model: _Model, *, is_default: bool) -> Model:
    efforts = model.supported_reasoning_levels
    modalities: tuple[Modality, ...] = (
        ("text", "image") if "image" in model.input_modalities else ("text",)
    )
    return Model(
        id=model.slug,
        display_name=model.display_name,
        description=model.description or "",
        context_window=model.context_window or FALLBACK_WINDOW,
        effective_percent=model.effective_context_window_percent,
        efforts=efforts,
        default_effort=model.default_reasoning_level or (efforts[0].effort if efforts else "none"),
        reasoning_summaries=bool(efforts) and model.supports_reasoning_summaries,
        verbosity=model.support_verbosity,
        parallel_tool_calls=model.supports_parallel_tool_calls,
        freeform_patch=model.apply_patch_tool_type == "freeform",
        sessions=model.shell_type == "unified_exec",
        modalities=modalities,
        service_tiers=model.service_tiers,
        upgrade=model.upgrade.model if model.upgrade is not None else None,
        hidden=model.visibility != "list",
        is_default=is_default,
    )
