"""Reviews: a turn that waits for a reviewer's answer, and its result."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    BROKEN,
    ENDED,
    ENVIRONMENT,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    ask,
    begun,
    calling,
    finished_message,
    queued,
    report,
    said,
)
from codexd.core import commands as c
from codexd.core.decide.lookups import Titles
from codexd.core.events.events import (
    Event,
    ThreadArchived,
    ThreadForked,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnQueued,
    TurnStarted,
    TurnWithdrawn,
)
from codexd.core.events.history import ReviewEntered, ReviewExited
from codexd.core.events.waiting import ReviewAsked
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
from codexd.core.values.items import TurnError
from codexd.core.values.review_findings import ReviewOutput
from codexd.core.values.review_target import BaseBranch, ReviewOf
from codexd.core.values.settings import SettingsChange
from codexd.core.values.usage import Tokens
from codexd.runtime.actor.lookups import LookupSource
from lookups import decide_with
from spec import given

CHILD, OTHER = ThreadId("child"), ThreadId("other")
ASKED = ReviewAsked(BaseBranch("main"), CHILD, TurnId("rt"), "2026-11-21")
REVIEW = c.StartReview(turn_id=TurnId("r1"), asked=replace(ASKED, target=BaseBranch(" main ")))
QUEUED = TurnQueued(TurnId("r1"), "review", ASKED)
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


def test_on_a_busy_thread_it_waits_for_its_turn() -> None:
    given(*FIRST_TURN).when(REVIEW).then(QUEUED).then_due(CallModel(ModelCallId("t1/1"), 1))
    given(*FIRST_TURN, QUEUED).when(report("t1/1", finished_message("m1", "Bye."), FINISHED)).then(
        said("m1", "Bye."), ENDED, TurnCompleted(), BEGUN, ENTERED
    ).then_due(RunReview(CHILD))


def test_inputs_before_it_come_first_and_inputs_after_it_later() -> None:
    busy = (*FIRST_TURN, queued(2), QUEUED, queued(3))
    first = given(*busy).when(c.InterruptTurn()).events
    assert first[-2:] == [begun(2), calling("t2/1")]
    second = given(*busy, *first).when(c.InterruptTurn()).events
    assert second[-2:] == [BEGUN, ENTERED]
    third = given(*busy, *first, *second).when(c.InterruptTurn()).events
    assert third[-2:] == [begun(3), calling("t3/1")]


def test_a_review_that_waits_is_withdrawn_by_an_interrupt_of_its_turn_and_by_the_archive() -> None:
    gone = TurnWithdrawn(TurnId("r1"))
    given(*FIRST_TURN, QUEUED).when(c.InterruptTurn(turn_id=TurnId("r1"))).then(gone)
    given(*FIRST_TURN, QUEUED).when(c.ArchiveThread()).then(
        ABORTED, TurnInterrupted("archived"), gone, ThreadArchived()
    )


def test_a_crash_leaves_it_in_its_place() -> None:
    restarted = given(*FIRST_TURN, QUEUED).when(c.Recover(resume=False)).events
    assert restarted[-2:] == [BEGUN, ENTERED]


def test_a_review_of_nothing_begins_and_fails() -> None:
    why = "sha: expected a branch or commit of the repository at /work, found 'x': unknown"
    missing = replace(REVIEW, asked=replace(ASKED, problem=why))
    given(STARTED).when(missing).then(
        BEGUN,
        ENTERED,
        ReviewExited(END, FAILED_FOR_PEOPLE, told=user_action(FAILED, NO_RESULTS)),
        TurnFailed(TurnError(f"{why}; nothing was reviewed", "badRequest")),
    ).then_due()
    blank = replace(REVIEW, asked=replace(ASKED, target=BaseBranch("  ")))
    failed = given(STARTED).when(blank).events[-1]
    assert isinstance(failed, TurnFailed)
    assert failed.error.message.startswith("branch: expected something to review")


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


def test_the_thread_must_be_open() -> None:
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
