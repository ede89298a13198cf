"""Approving a command: accepted, for the session, declined, cancelled; the first answer counts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    aborted,
    answer,
    ask,
    asked_about,
    begun,
    calling,
    ended,
    finished_call,
    line,
    made,
    queued,
    report,
    report_ended,
    runs,
    streaming,
)
from codexd.core import commands as c
from codexd.core.decide.approvals import DECLINED, INSTEAD_CHARACTERS_MAX
from codexd.core.events.events import Event, ItemCut, TurnCompleted, TurnInterrupted
from codexd.core.events.tools import ApprovalDecided, ApprovalRequested, ToolEnded, ToolStarted
from codexd.core.policy.approval import session_key
from codexd.core.state.due import CallModel, RunTool
from codexd.core.values.ids import CallId, ItemId, ModelCallId
from codexd.core.values.settings import ApprovalPolicy, SettingsChange
from codexd.core.values.tool_actions import ApplyPatch, Decision, ToolResult
from spec import given

ASKED = asked_about("c1", line("make"))
WAITING: tuple[Event, ...] = (*FIRST_TURN, made("c1"), ASKED, ENDED)
DECLINED_CALL = ToolEnded(CallId("c1"), ToolResult("declined", DECLINED))


def decide(decision: Decision, left: str = "") -> c.DecideApproval:
    return answer(ASKED, decision, (streaming(left),) if left else ())


def decided(decision: Decision) -> ApprovalDecided:
    return ApprovalDecided(ASKED.approval_id, decision)


def test_a_harmless_command_runs_unasked() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("ls")), FINISHED)).then(
        made("c1"), runs("c1", "ls"), ENDED
    ).then_due(RunTool(CallId("c1")))


def test_another_command_waits_for_a_person() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("make")), FINISHED)).then(
        made("c1"), ASKED, ENDED
    ).then_due()


def test_the_rest_of_the_response_comes_while_it_waits() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", line("make")))).then(
        made("c1"), ASKED
    ).then_due(CallModel(ModelCallId("t1/1"), 1))


def test_accepted_it_runs_and_its_answer_goes_to_the_model() -> None:
    outcome = given(*WAITING).when(decide("accept"))
    outcome.then(decided("accept"), runs("c1", "make")).then_due(RunTool(CallId("c1")))
    given(*WAITING, *outcome.events).when(report_ended("c1")).then(
        ended("c1"), calling("t1/2")
    ).then_due(CallModel(ModelCallId("t1/2"), 1))


def test_the_reason_of_the_decision_is_kept() -> None:
    command = replace(decide("accept"), note="trusted by a rule")
    given(*WAITING).when(command).then(
        replace(decided("accept"), note="trusted by a rule"), runs("c1", "make")
    )


def test_accepted_for_the_session_the_same_line_is_not_asked_about_again() -> None:
    accepted = given(*WAITING).when(decide("acceptForSession"))
    accepted.then(decided("acceptForSession"), runs("c1", "make"))
    assert accepted.state.allowed_for_session == {session_key(line("make"))}
    later = (*WAITING, *accepted.events, ended("c1"), calling("t1/2"))
    given(*later).when(report("t1/2", finished_call("c2", line("make")))).then(
        made("c2"), runs("c2", "make")
    )
    given(*later).when(report("t1/2", finished_call("c2", line("make install")))).then(
        made("c2"), asked_about("c2", line("make install"), 2)
    )


def test_accepted_once_the_same_line_is_asked_about_again() -> None:
    later = (*WAITING, decided("accept"), runs("c1", "make"), ended("c1"), calling("t1/2"))
    outcome = given(*later).when(report("t1/2", finished_call("c2", line("make"))))
    assert isinstance(outcome.events[-1], ApprovalRequested)


def test_when_it_is_declined_the_model_gets_an_answer_and_the_turn_continues() -> None:
    given(*WAITING).when(decide("decline")).then(
        decided("decline"), DECLINED_CALL, calling("t1/2")
    ).then_due(CallModel(ModelCallId("t1/2"), 1))


def test_declined_while_the_model_still_answers() -> None:
    given(*WAITING[:-1]).when(decide("decline")).then(decided("decline"), DECLINED_CALL).then_due(
        CallModel(ModelCallId("t1/1"), 1)
    )


def test_cancelled_the_turn_is_interrupted() -> None:
    running = (*FIRST_TURN, made("c0"), runs("c0", "ls"), made("c1"), ASKED)
    given(*running).when(decide("cancel", left="m1")).then(
        decided("cancel"),
        DECLINED_CALL,
        ItemCut(ItemId("m1"), "message", "interrupted", "so far"),
        aborted("c0"),
        ABORTED,
        TurnInterrupted(),
    ).then_due()


def test_when_it_is_cancelled_the_next_input_begins() -> None:
    given(*WAITING, queued(2)).when(decide("cancel")).then(
        decided("cancel"), DECLINED_CALL, ABORTED, TurnInterrupted(), begun(2), calling("t2/1")
    )


def test_the_first_answer_counts() -> None:
    accepted = given(*WAITING).when(decide("accept")).events
    given(*WAITING, *accepted).when(decide("decline")).then_rejected("nobody_waiting")
    given(*WAITING, *accepted, ended("c1")).when(decide("accept")).then_rejected("nobody_waiting")


def test_an_answer_without_a_question_is_refused() -> None:
    given(*FIRST_TURN).when(decide("accept")).then_rejected("nobody_waiting")
    given(*WAITING, ABORTED, TurnInterrupted()).when(decide("accept")).then_rejected(
        "nobody_waiting"
    )


def test_a_call_that_waits_cannot_be_reported_on() -> None:
    given(*WAITING).when(report_ended("c1")).then()
    given(*WAITING).when(c.ReportSpawned(call_id=CallId("c1"), pid=1, start_time="1")).then()


def in_a_turn_under(policy: ApprovalPolicy) -> tuple[Event, ...]:
    settings = replace(SETTINGS, approval_policy=policy)
    started = replace(STARTED, settings=settings)
    return (started, *given(started).when(ask(1)).events)


def test_without_questions_no_command_leaves_the_sandbox() -> None:
    given(*in_a_turn_under("never")).when(
        report("t1/1", finished_call("c1", line("make", escalated=True)))
    ).then(made("c1"), ToolStarted(CallId("c1"), line("make")))


def test_the_policy_is_that_of_the_running_turn() -> None:
    """A change of settings counts from the next turn on."""
    never = in_a_turn_under("never")
    change = c.ChangeSettings(change=SettingsChange(approval_policy="untrusted"))
    later = (*never, *given(*never).when(change).events)
    given(*later).when(report("t1/1", finished_call("c1", line("make")), FINISHED)).then(
        made("c1"), runs("c1", "make"), ENDED
    )


def test_a_whole_turn_with_a_question_completes() -> None:
    accepted = (*WAITING, decided("accept"), runs("c1", "make"), ended("c1"), calling("t1/2"))
    given(*accepted).when(report("t1/2", FINISHED)).then(ENDED, TurnCompleted()).then_due()


def rejected(asked: ApprovalRequested, **answered: object) -> None:
    waiting = (*FIRST_TURN, made("c1"), asked, ENDED)
    given(*waiting).when(replace(answer(asked, "accept"), **answered)).then_rejected("odd_answer")


def test_a_question_proposes_the_rule_that_the_model_asks_for() -> None:
    action = replace(line("git push origin"), prefix_rule=("git", "push"))
    outcome = given(*FIRST_TURN).when(report("t1/1", finished_call("c1", action), FINISHED))
    (asked,) = [event for event in outcome.events if isinstance(event, ApprovalRequested)]
    assert asked.proposed_rule == ("git", "push")


def test_a_rule_of_an_answer_is_in_the_record_and_the_command_runs() -> None:
    command = replace(decide("accept"), rule=("make",))
    given(*WAITING).when(command).then(
        replace(decided("accept"), rule=("make",)), runs("c1", "make")
    )


def test_no_answer_makes_a_rule_that_was_not_asked_about_or_would_allow_everything() -> None:
    rejected(ASKED, rule=("rm",))
    rejected(ASKED, rule=())
    rejected(ASKED, rule=("make", "all"))
    rejected(ASKED, rule=("make",), decision="acceptForSession")
    rejected(ASKED, rule=("make",), decision="decline")
    rejected(asked_about("c1", line("bash -c 'rm x'")), rule=("bash", "-c"))
    rejected(asked_about("c1", line("make; $(rm x)")), rule=("make",))


def test_a_patch_and_other_actions_are_allowed_by_no_rule() -> None:
    asked = asked_about("c1", ApplyPatch("", "/project", ()))
    rejected(asked, rule=("make",))


@pytest.mark.parametrize("decision", ["decline", "cancel"])
def test_what_the_person_wants_instead_is_the_models_answer_word_for_word(
    decision: Decision,
) -> None:
    words = "use pnpm,\nnot npm: \u202e\x1b[31m <turn_aborted>"
    outcome = given(*WAITING).when(replace(decide(decision), instead=words))
    assert outcome.events[:2] == [
        replace(decided(decision), instead=words),
        ToolEnded(
            CallId("c1"),
            ToolResult(
                "declined",
                f"declined: a person refused this call, and says what to do instead:\n{words}",
                words,
            ),
        ),
    ]


def test_words_for_the_model_come_with_a_refusal_only_and_are_bounded() -> None:
    rejected(ASKED, instead="x")
    rejected(ASKED, decision="acceptForSession", instead="x")
    rejected(ASKED, decision="decline", instead="")
    rejected(ASKED, decision="decline", instead="x" * (INSTEAD_CHARACTERS_MAX + 1))
