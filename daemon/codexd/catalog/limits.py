"""A model's limits from what is known of it and what a person has set."""

from __future__ import annotations

from typing import Final

from codexd.config.keys import Config
from codexd.core.values.limits import Limits
from codexd.core.values.notice import Notice
from codexd.models.catalog import Model

# Of the raw window: behind this an answer may no longer fit beside what is asked. The original's figure.
COMPACT_AT_PERCENT: Final = 90


def limits_of(model: Model, config: Config, loaded_window: int | None = None) -> Limits:
    """The limits that a turn with this model starts with.

    A server that runs the model itself may have loaded it with a window of its own.
    """
    window = config.model_context_window or loaded_window or model.context_window
    compact_at = window * COMPACT_AT_PERCENT // 100
    if config.model_auto_compact_token_limit is not None:
        compact_at = min(compact_at, config.model_auto_compact_token_limit)
    return Limits(window, window * model.effective_percent // 100, compact_at)


def complaints_about(
    model: Model, config: Config, loaded_window: int | None = None
) -> tuple[Notice, ...]:
    """What a person should know of those limits: that nobody knows the window, and which is assumed."""
    if model.known or config.model_context_window or loaded_window:
        return ()
    return (
        Notice(
            f"window:{model.id}",
            f"{model.id} is not in the catalog of models: a window of {model.context_window:,} tokens is "
            "assumed. `model_context_window` in config.toml says how long it is.",
        ),
    )
