"""A model's limits, from the catalog and from the config."""

from __future__ import annotations

from typing import Final

from codexd.config.keys import Config
from codexd.core.values.limits import Limits
from codexd.core.values.notice import Notice
from codexd.models.catalog import Model

# The usable part of the raw window: above it an answer may not fit. The figure is that of Codex.
COMPACT_AT_PERCENT: Final = 90


def limits_of(model: Model, config: Config, loaded_window: int | None = None) -> Limits:
    """The limits of a turn with this model.

    `loaded_window`: a local server may have loaded the model with another window.
    """
    window = config.model_context_window or loaded_window or model.context_window
    compact_at = window * COMPACT_AT_PERCENT // 100
    if config.model_auto_compact_token_limit is not None:
        compact_at = min(compact_at, config.model_auto_compact_token_limit)
    return Limits(window, window * model.effective_percent // 100, compact_at)


def complaints_about(
    model: Model, config: Config, loaded_window: int | None = None
) -> tuple[Notice, ...]:
    """The warning that the window is unknown, with the window that is assumed."""
    if model.known or config.model_context_window or loaded_window:
        return ()
    return (
        Notice(
            f"window:{model.id}",
            f"{model.id} is not in the catalog of models: a window of {model.context_window:,} tokens is "
            "assumed. `model_context_window` in config.toml says how long it is.",
        ),
    )
