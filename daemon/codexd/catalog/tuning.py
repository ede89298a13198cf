"""The settings of a thread that its model supports, by the catalog."""

from __future__ import annotations

from codexd.core.values.notice import Notice
from codexd.core.values.settings import Settings, Tuned, Tuning
from codexd.models.catalog import Model


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
    if summary is None and model.efforts and model.reasoning_summaries:
        summary = "auto"  # Otherwise a person would see none of its reasoning.
    elif summary not in (None, "none") and not model.reasoning_summaries:
        lacks("reasoning summary", str(summary), _has_no(model, "reasoning summaries"))
        summary = None
    if verbosity is not None and not model.verbosity:
        lacks("verbosity", verbosity, _has_no(model, "verbosity"))
        verbosity = None
    return Tuned(Tuning(effort, summary, verbosity), tuple(complaints))


def _has_no(model: Model, what: str) -> str:
    if model.known:
        return f"has no {what}"
    return f"is not in the catalog, and it is assumed to have no {what}"
