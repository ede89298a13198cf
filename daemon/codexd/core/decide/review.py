"""Rules for reviews: their start, their result, and their interruption.

A review is a turn without calls to this thread's own model. The reviewer works in a thread of
its own, whose log has its work; this thread's log has the beginning and the end of the review.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.beside_turns import must_wait, queue_turn
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import Transition
from codexd.core.events.events import TurnFailed, TurnQueued, TurnStarted
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
from codexd.core.values.items import TurnError
from codexd.core.values.review_findings import read_output, render
from codexd.core.values.review_target import blank_in, hint_of, trimmed
from codexd.core.values.settings import NO_PROFILE, Collaboration, Settings
from codexd.core.values.usage import Tokens


def start_review(transition: Transition, command: c.StartReview, lookups: Lookups) -> None:
    """Accept a review: it begins now, or after the turns that run and wait. Raises: Rejected.

    Clients of Codex exit where a review is refused. So a review of nothing begins, and fails.
    """
    if transition.state.reviews is not None:
        raise Rejected(
            "is_a_review", "this thread is a review, and is not reviewed itself; no review began"
        )
    target = trimmed(command.asked.target)
    blank = blank_in(target)
    problem = command.asked.problem
    if blank is not None:
        problem = f"{blank}: expected something to review, found nothing"
    asked = replace(command.asked, target=target, problem=problem)
    queued = TurnQueued(command.turn_id, "review", asked)
    if must_wait(transition.state):
        queue_turn(transition, queued)
    else:
        begin_review(transition, queued, lookups)


def begin_review(transition: Transition, queued: TurnQueued, lookups: Lookups) -> None:
    """The turn of a review begins."""
    asked, settings = queued.review, transition.settings
    assert asked is not None
    transition.add(
        TurnStarted(
            queued.turn_id,
            settings,
            kind="review",
            limits=lookups.of(settings).limits,
            tuning=lookups.of(settings).tuned.tuning,
        )
    )
    transition.add(
        ReviewEntered(
            entered_item(queued.turn_id),
            hint_of(asked.target),
            asked.target,
            asked.child_id,
            asked.child_turn_id,
            lookups.review_model or settings.model,
            asked.today,
        )
    )
    if asked.problem is not None:
        _fail(transition, TurnError(f"{asked.problem}; nothing was reviewed", "badRequest"))


def _fail(transition: Transition, error: TurnError, used: Tokens | None = None) -> None:
    item_id = exited_item(transition.turn.turn_id)
    message = user_action(FAILED, NO_RESULTS)
    transition.add(ReviewExited(item_id, FAILED_FOR_PEOPLE, told=message, used=used))
    transition.add(TurnFailed(error))


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
        _fail(transition, command.error, command.used)
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
