"""A model's limits and capabilities, and the settings of a thread that it supports, by the catalog and the config."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from codexd.config.keys import Config
from codexd.core.values.limits import TOKENS_MAX, Limits, Traits
from codexd.core.values.settings import Notice, Settings, Tuned, Tuning
from codexd.models.catalog import Model

# The usable part of the raw window: above it an answer may not fit. The figure is that of Codex.
COMPACT_AT_PERCENT: Final = 90


def limits_of(model: Model, config: Config, loaded_window: int | None = None) -> Limits:
    """The limits of a turn with this model.

    `loaded_window`: a local server may have loaded the model with another window.
    """
    window = config.model_context_window or loaded_window or model.context_window
    window = min(window, TOKENS_MAX)  # a server, or a file of models, may say anything
    compact_at = window * COMPACT_AT_PERCENT // 100
    if config.model_auto_compact_token_limit is not None:
        compact_at = min(compact_at, config.model_auto_compact_token_limit)
    return Limits(window, window * model.effective_percent // 100, compact_at)


def traits_of(model: Model, sessions: bool | None = None) -> Traits:
    """The capabilities of a model; `sessions` says whether to use exec_command, None: by the model."""
    sessions = model.sessions if sessions is None else sessions
    return Traits(
        reasons=model.thinks,
        sessions=sessions,
        parallel_tool_calls=model.parallel_tool_calls,
        least_effort=model.efforts[0].effort if model.efforts else None,
        freeform_patch=model.freeform_patch,
        images="image" in model.modalities,
        argv_shell=model.argv_shell and not sessions,
    )


def as_configured(model: Model, config: Config) -> Model:
    """The model with what config.toml says of its reasoning."""
    reasons = config.model_supports_reasoning_summaries
    if reasons is None:
        return model
    return replace(model, reasoning_summaries=reasons, reasons=reasons or bool(model.efforts))


def complaints_about(
    model: Model, config: Config, loaded_window: int | None = None
) -> tuple[Notice, ...]:
    """The warning that the window is unknown, with the window that is assumed."""
    if model.known or config.model_context_window or loaded_window:
        return ()
    return (
        Notice(
            f"window:{model.id}",
            f"{model.id} is not in the catalog of models: it is taken to reason, and a window of "
            f"{model.context_window:,} tokens is assumed. `model_context_window` in config.toml says how long it is.",
        ),
    )


def tuned_to(settings: Settings, model: Model) -> Tuned:
    """The settings without options that the model does not support; each gives a notice that names it."""
    complaints: list[Notice] = []

    def lacks(what: str, asked: str, has: str) -> None:
        complaints.append(
            Notice(
                f"{what}:{model.id}:{asked}",
                f"{model.id} {has}: {what} {asked!r} was left out of its requests.",
            )
        )

    effort, summary, verbosity = settings.effort, settings.summary, settings.verbosity
    efforts = [option.effort for option in model.efforts]
    # A model that is in no table may support values that are unknown here.
    if effort is not None and model.known and effort not in efforts:
        offered = f"thinks with effort {', '.join(efforts)}" if efforts else "does not reason"
        lacks("reasoning effort", effort, offered)
        effort = None
    if summary is None and model.thinks and model.reasoning_summaries:
        summary = "auto"  # Otherwise a person would see none of its reasoning.
    elif summary not in (None, "none") and not model.reasoning_summaries:
        lacks("reasoning summary", str(summary), _has_no(model, "reasoning summaries"))
        summary = None
    if verbosity is not None and not model.verbosity:
        lacks("verbosity", verbosity, _has_no(model, "verbosity"))
        verbosity = None
    tier = settings.service_tier or None
    if tier is not None and tier not in [offered.id for offered in model.service_tiers]:
        lacks("service tier", tier, _has_no(model, "such service tier"))
        tier = None
    return Tuned(Tuning(effort, summary, verbosity, tier), tuple(complaints))


def _has_no(model: Model, what: str) -> str:
    if model.known:
        return f"has no {what}"
    return f"is not in the catalog, and it is assumed to have no {what}"
