"""Reviews: a turn that waits for a reviewer's answer, and its result."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    BROKEN,
    ENVIRONMENT,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    ask,
    begun,
    calling,
    queued,
    streaming,
)
from codexd.core import commands as c
from codexd.core.decide.lookups import Titles
from codexd.core.events.events import (
    Event,
    ItemCut,
    ThreadArchived,
    ThreadForked,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
)
from codexd.core.events.history import ReviewEntered, ReviewExited
from codexd.core.prompts.review_results import (
    DONE,
    FAILED,
    FAILED_FOR_PEOPLE,
    NO_RESULTS,
    STOPPED,
    STOPPED_FOR_PEOPLE,
    user_action,
)
from codexd.core.state.due import CallModel, RunReview
from codexd.core.state.state import fold
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.ids import ItemId, ModelCallId, ThreadId, TurnId
from codexd.core.values.review_findings import ReviewOutput
from codexd.core.values.review_target import BaseBranch, ReviewOf, UncommittedChanges
from codexd.core.values.settings import SettingsChange
from codexd.core.values.usage import Tokens
from codexd.runtime.actor.lookups import LookupSource
from lookups import decide_with
from spec import given

CHILD, OTHER = ThreadId("child"), ThreadId("other")
REVIEW = c.StartReview(
    turn_id=TurnId("r1"),
    target=BaseBranch(" main "),
    child_id=CHILD,
    child_turn_id=TurnId("rt"),
    today="2026-11-21",
)
BEGUN = TurnStarted(TurnId("r1"), SETTINGS, kind="review")
ENTERED = ReviewEntered(
    ItemId("r1/review"),
    "changes against 'main'",
    BaseBranch("main"),
    CHILD,
    TurnId("rt"),
    "m-1",
    "2026-11-21",
)
IN_REVIEW: tuple[Event, ...] = (STARTED, BEGUN, ENTERED)
END = ItemId("r1/review/end")
STOPPED_EXIT = ReviewExited(END, STOPPED_FOR_PEOPLE, told=user_action(STOPPED, NO_RESULTS))
ANSWER = json.dumps({"findings": [], "overall_explanation": "Fine."})


def answered(child: ThreadId = CHILD) -> c.ReportReview:
    return c.ReportReview(child_id=child, answer=ANSWER, used=Tokens(3, 2, 0, 0, 1, 0))


FINE = ReviewExited(
    END,
    "Fine.",
    ReviewOutput(overall_explanation="Fine."),
    ANSWER,
    user_action(DONE, "Fine."),
    Tokens(3, 2, 0, 0, 1, 0),
)


def test_a_review_is_a_turn_that_has_a_reviewer_run() -> None:
    given(STARTED).when(REVIEW).then(BEGUN, ENTERED).then_due(RunReview(CHILD))


def test_another_model_may_review() -> None:
    around = LookupSource(review_model=lambda: "critic")
    _, entered = decide_with(fold([STARTED]), REVIEW, around)
    assert entered == replace(ENTERED, model="critic")


def test_a_turn_that_runs_makes_way() -> None:
    given(*FIRST_TURN).when(replace(REVIEW, open_items=(streaming("m1", "Half a"),))).then(
        ItemCut(ItemId("m1"), "message", "interrupted", "Half a"),
        ABORTED,
        TurnInterrupted("replaced"),
        BEGUN,
        ENTERED,
    ).then_due(RunReview(CHILD))


def test_a_review_makes_way_for_another() -> None:
    again = replace(REVIEW, turn_id=TurnId("r2"), child_id=OTHER, target=UncommittedChanges())
    given(*IN_REVIEW).when(again).then(
        STOPPED_EXIT,
        ABORTED,
        TurnInterrupted("replaced"),
        replace(BEGUN, turn_id=TurnId("r2")),
        ReviewEntered(
            ItemId("r2/review"),
            "current changes",
            UncommittedChanges(),
            OTHER,
            TurnId("rt"),
            "m-1",
            "2026-11-21",
        ),
    ).then_due(RunReview(OTHER))


def test_its_answer_ends_it() -> None:
    given(*IN_REVIEW).when(answered()).then(FINE, TurnCompleted()).then_due()


def test_waiting_input_begins_then() -> None:
    given(*IN_REVIEW).when(ask(1)).then(queued(1)).then_due(RunReview(CHILD))
    given(*IN_REVIEW, queued(1)).when(answered()).then(
        FINE, TurnCompleted(), ENVIRONMENT, begun(1), calling("t1/1")
    ).then_due(CallModel(ModelCallId("t1/1"), 1))


def test_a_late_answer_changes_nothing() -> None:
    given(*IN_REVIEW).when(answered(OTHER)).then().then_due(RunReview(CHILD))
    given(*IN_REVIEW, FINE, TurnCompleted()).when(answered()).then()
    given(*FIRST_TURN).when(answered()).then()


def test_a_reviewer_that_fails_fails_the_turn() -> None:
    failed = c.ReportReview(child_id=CHILD, ended="failed", error=BROKEN)
    given(*IN_REVIEW).when(failed).then(
        ReviewExited(END, FAILED_FOR_PEOPLE, told=user_action(FAILED, NO_RESULTS)),
        TurnFailed(BROKEN),
    ).then_due()


def test_a_stopped_reviewer_interrupts_the_turn() -> None:
    stopped = c.ReportReview(child_id=CHILD, ended="interrupted")
    given(*IN_REVIEW).when(stopped).then(STOPPED_EXIT, ABORTED, TurnInterrupted()).then_due()


def test_an_interrupt_ends_it_and_is_reported() -> None:
    given(*IN_REVIEW).when(c.InterruptTurn()).then(
        STOPPED_EXIT, ABORTED, TurnInterrupted()
    ).then_due()
    given(*IN_REVIEW).when(c.ArchiveThread()).then(
        STOPPED_EXIT, ABORTED, TurnInterrupted("archived"), ThreadArchived()
    ).then_due()


def test_a_restart_resumes_it_by_default() -> None:
    given(*IN_REVIEW).when(c.Recover()).then().then_due(RunReview(CHILD))
    given(*IN_REVIEW).when(c.Recover(resume=False)).then(
        STOPPED_EXIT, ABORTED, TurnInterrupted("restarted")
    ).then_due()


def test_a_fork_leaves_the_reviewer_to_its_parent() -> None:
    forked = ThreadForked(ThreadId("parent"), 3)
    given(*IN_REVIEW, forked).due()
    given(*IN_REVIEW, forked).when(c.Recover(forked=True)).then(
        STOPPED_EXIT, ABORTED, TurnInterrupted("forked")
    ).then_due()


def test_nothing_can_be_added_to_it() -> None:
    steer = c.SteerTurn(expected_turn=TurnId("r1"), item_id=ItemId("s1"), content=ask(1).content)
    given(*IN_REVIEW).when(steer).then_rejected("turn_not_steerable")
    given(*IN_REVIEW).when(c.CompactThread(turn_id=TurnId("k"))).then_rejected("turn_in_progress")


def test_there_must_be_something_to_review() -> None:
    given(STARTED).when(replace(REVIEW, target=BaseBranch(" "))).then_rejected("empty_review")
    given(STARTED, ThreadArchived()).when(REVIEW).then_rejected("thread_archived")


REVIEWER = replace(
    STARTED, developer_instructions=None, reviews=ReviewOf(ThreadId("parent"), TurnId("r1"))
)


def test_a_reviewer_gets_no_project_instructions_and_no_title() -> None:
    around = LookupSource(
        user_instructions=lambda cwd: UserInstructions("Sing.", "d", ()),
        titles=lambda: Titles(None),
    )
    assert decide_with(fold([REVIEWER]), ask(1), around) == [
        queued(1),
        ENVIRONMENT,
        begun(1),
        calling("t1/1"),
    ]


def test_a_reviewer_is_not_reviewed_but_a_fork_of_it_is() -> None:
    given(REVIEWER).when(REVIEW).then_rejected("is_a_review")
    given(REVIEWER, ThreadForked(CHILD, 1)).when(REVIEW).then(BEGUN, ENTERED)


def test_reviews_of_another_program_leave_nothing_to_wait_for() -> None:
    entered = ReviewEntered(ItemId("v1"), "the last commit")
    given(STARTED, BEGUN, entered).due()
    given(STARTED, BEGUN, entered, ReviewExited(ItemId("v2"), "Fine.")).due()


@pytest.mark.parametrize("change", [SettingsChange(model="m-2"), SettingsChange(cwd="/other")])
def test_settings_may_change_meanwhile(change: SettingsChange) -> None:
    given(*IN_REVIEW).when(c.ChangeSettings(change=change)).then_due(RunReview(CHILD))
