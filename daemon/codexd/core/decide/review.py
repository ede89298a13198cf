"""Rules for reviews: their start, their result, and their interruption.

A review is a turn without calls to this thread's own model. The reviewer works in a thread of
its own, whose log has its work; this thread's log has the beginning and the end of the review.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import Transition
from codexd.core.events.events import TurnFailed, TurnStarted
from codexd.core.events.history import ReviewEntered, ReviewExited
from codexd.core.prompts.review_results import (
    DONE,
    FAILED,
    FAILED_FOR_PEOPLE,
    NO_RESULTS,
    entered_item,
    exited_item,
    user_action,
)
from codexd.core.values.enforced import enforced_sandbox, sandbox_of
from codexd.core.values.review_findings import read_output, render
from codexd.core.values.review_target import blank_in, hint_of, trimmed
from codexd.core.values.settings import NO_PROFILE, Collaboration, Settings


def start_review(transition: Transition, command: c.StartReview, lookups: Lookups) -> None:
    """Start a review; a running turn is interrupted, as clients of Codex expect. Raises: Rejected."""
    target = trimmed(command.target)
    blank = blank_in(target)
    if blank is not None:
        raise Rejected(
            "empty_review", f"{blank}: expected something to review, found nothing; no review began"
        )
    if transition.state.reviews is not None:
        raise Rejected(
            "is_a_review", "this thread is a review, and is not reviewed itself; no review began"
        )
    if transition.state.turn is not None:
        transition.interrupt(command.open_items, "replaced")
    settings = transition.settings
    transition.add(
        TurnStarted(
            command.turn_id,
            settings,
            kind="review",
            limits=lookups.of(settings).limits,
            tuning=lookups.of(settings).tuned.tuning,
        )
    )
    transition.add(
        ReviewEntered(
            entered_item(command.turn_id),
            hint_of(target),
            target,
            command.child_id,
            command.child_turn_id,
            lookups.review_model or settings.model,
            command.today,
        )
    )


def end_review(transition: Transition, command: c.ReportReview) -> None:
    """The reviewer's turn is over; ignored if the review has ended."""
    turn = transition.state.turn
    review = turn.review if turn is not None else None
    if turn is None or review is None or review.child_id != command.child_id:
        return
    if command.ended == "interrupted":
        transition.interrupt((), "interrupted")
        return
    item_id = exited_item(turn.turn_id)
    if command.ended == "failed":
        assert command.error is not None
        message = user_action(FAILED, NO_RESULTS)
        transition.add(ReviewExited(item_id, FAILED_FOR_PEOPLE, told=message, used=command.used))
        transition.add(TurnFailed(command.error))
        return
    output = read_output(command.answer)
    text = render(output)
    message = user_action(DONE, text)
    transition.add(ReviewExited(item_id, text, output, command.answer, message, command.used))


def reviewer_settings(settings: Settings, model: str | None) -> Settings:
    """The settings of the reviewer: the thread's directory and permissions, and its own model."""
    if settings.plans:  # A review of a plan's author writes nothing either.
        access, mode = sandbox_of(settings).access, enforced_sandbox(settings)
        settings = replace(settings, sandbox=mode, access=access, profile=NO_PROFILE)
    return replace(settings, model=model or settings.model, collaboration=Collaboration())
