"""A running command connects to a host that no list names: a person is asked, and the answer holds for the call."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    FIRST_TURN,
    SETTINGS,
    aborted,
    answer,
    approval,
    begun,
    calling,
    ended,
    line,
    made,
    queued,
    report_ended,
    runs,
)
from codexd.core import commands as c
from codexd.core.decide.hosts import (
    GONE,
    HOST_QUESTIONS_MAX,
    NO_TURN,
    NOBODY_ASKS,
    TOO_MANY,
    found_answer,
    open_question,
)
from codexd.core.events.events import (
    Event,
    ModelCallFailed,
    SettingsChanged,
    TurnCompleted,
    TurnInterrupted,
)
from codexd.core.events.record import decode_record
from codexd.core.events.tools import (
    ApprovalDecided,
    ApprovalRequested,
    ProcessEnded,
    ToolEnded,
    ToolStarted,
)
from codexd.core.policy.approval import action_hash, session_key
from codexd.core.rules.host_rules import NOT_LISTED, host_line
from codexd.core.state.due import RunTool, due
from codexd.core.state.state import ThreadState, fold
from codexd.core.values.ids import CallId, ProcessId, TurnId
from codexd.core.values.settings import SettingsChange
from codexd.core.values.tool_actions import (
    Decision,
    HostDecision,
    ReachHost,
    SessionCall,
    ToolResult,
)
from golden_logs import check_whole, golden
from spec import given

C1, C2 = CallId("c1"), CallId("c2")
HOST = ReachHost("example.com", 443, "https")
OTHER = ReachHost("other.com", 80, "http")


def asks(number: int = 1, action: ReachHost = HOST, call: CallId = C1) -> ApprovalRequested:
    return ApprovalRequested(
        approval("t1", number), call, action, NOT_LISTED, "untrusted", action_hash(action)
    )


def reports(action: ReachHost = HOST, call: CallId = C1) -> c.ReportHostAsked:
    return c.ReportHostAsked(call_id=call, action=action)


def decided(decision: Decision, host_rule: HostDecision | None = None) -> ApprovalDecided:
    return ApprovalDecided(approval("t1"), decision, host_rule=host_rule)


RUNNING: tuple[Event, ...] = (
    *(*FIRST_TURN, made("c1"), runs("c1", "ls"), made("c2"), runs("c2", "ls"), ENDED),
)
ASKED: tuple[Event, ...] = (*RUNNING, asks())
LEFT_RUNNING: tuple[Event, ...] = (
    *(*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED),
    ToolEnded(C1, ToolResult("completed", "it goes on"), ProcessId("p1")),
    calling("t1/2"),
)


def test_a_person_is_asked_while_the_command_goes_on() -> None:
    given(*RUNNING).when(reports()).then(asks()).then_due(RunTool(C1), RunTool(C2))


def test_a_question_that_is_open_is_not_asked_again() -> None:
    given(*ASKED).when(reports()).then()
    # Nor by another protocol: the place is the same.
    given(*ASKED).when(reports(replace(HOST, protocol="socks5Tcp"))).then()
    given(*ASKED).when(reports(OTHER)).then(asks(2, OTHER))
    given(*ASKED).when(reports(HOST, C2)).then(asks(2, HOST, C2))
    given(*ASKED).when(reports(replace(HOST, port=8443))).then(asks(2, replace(HOST, port=8443)))


@pytest.mark.parametrize("decision", ["accept", "decline"])
def test_an_answer_holds_for_the_call_that_asked(decision: Decision) -> None:
    outcome = given(*ASKED).when(answer(asks(), decision))
    # It changes nothing for the call itself, which goes on whatever the answer is.
    outcome.then(decided(decision)).then_due(RunTool(C1), RunTool(C2))
    assert found_answer(outcome.state, C1, HOST) is (decision == "accept")
    assert found_answer(outcome.state, C2, HOST) is None
    assert open_question(outcome.state, C1, HOST) is None
    given(*ASKED, *outcome.events).when(reports()).then()
    given(*ASKED, *outcome.events).when(reports(HOST, C2)).then(asks(2, HOST, C2))
    given(*ASKED, *outcome.events).when(answer(asks(), "accept")).then_rejected("nobody_waiting")


def test_an_answer_for_the_session_holds_for_all_calls_and_turns() -> None:
    outcome = given(*ASKED).when(answer(asks(), "acceptForSession"))
    outcome.then(decided("acceptForSession"))
    assert outcome.state.allowed_for_session == {session_key(HOST)}
    later = replace(HOST, protocol="http")
    assert found_answer(outcome.state, C2, later) is True
    assert found_answer(outcome.state, C2, replace(HOST, port=22)) is None
    given(*ASKED, *outcome.events).when(reports(later, C2)).then()


@pytest.mark.parametrize(("decision", "rule"), [("accept", "allow"), ("decline", "deny")])
def test_an_answer_for_ever_is_recorded_with_its_rule(
    decision: Decision, rule: HostDecision
) -> None:
    command = replace(answer(asks(), decision), host_rule=rule)
    given(*ASKED).when(command).then(decided(decision, rule))


def test_an_answer_that_contradicts_its_rule_leaves_the_question_open() -> None:
    for decision, rule in (("accept", "deny"), ("decline", "allow"), ("cancel", "allow")):
        command = replace(answer(asks(), decision), host_rule=rule)  # type: ignore[arg-type]
        given(*ASKED).when(command).then_rejected("odd_answer")
    given(*ASKED).when(replace(answer(asks(), "decline"), instead="x")).then_rejected("odd_answer")
    for_commands = replace(answer(asks(), "accept"), rule=("curl",))
    given(*ASKED).when(for_commands).then_rejected("odd_answer")


def test_an_answer_to_another_host_leaves_the_question_open() -> None:
    command = replace(answer(asks(), "accept"), action_hash=action_hash(OTHER))
    given(*ASKED).when(command).then_rejected("approval_mismatch")


def test_cancelling_interrupts_the_turn() -> None:
    given(*ASKED).when(answer(asks(), "cancel")).then(
        decided("cancel"), aborted("c1"), aborted("c2"), ABORTED, TurnInterrupted("interrupted")
    ).then_due()


def test_the_question_goes_with_its_command() -> None:
    gone = ApprovalDecided(approval("t1"), "decline", GONE)
    given(*ASKED).when(report_ended("c1")).then(gone, ended("c1"))
    # And not with another.
    given(*ASKED).when(report_ended("c2")).then(ended("c2"))


def test_a_question_that_nobody_answered_is_asked_again() -> None:
    gone = ApprovalDecided(approval("t1"), "decline", GONE)
    outcome = given(*ASKED, gone).when(reports())
    outcome.then(asks(2))
    assert found_answer(outcome.state, C1, HOST) is None


def test_a_restart_closes_the_question_whose_connection_is_gone() -> None:
    outcome = given(*ASKED).when(c.Recover())
    assert outcome.events == [
        ApprovalDecided(approval("t1"), "decline", GONE),
        *(replace(started, again="adopt") for started in ASKED if isinstance(started, ToolStarted)),
    ]
    assert not any(isinstance(event, ModelCallFailed) for event in outcome.events)


def test_with_the_turn_the_questions_end() -> None:
    state = fold((*ASKED, TurnInterrupted("interrupted")))
    assert open_question(state, C1, HOST) is None


def test_a_process_that_goes_on_asks_in_the_turn_that_runs() -> None:
    given(*LEFT_RUNNING).when(reports()).then(asks())
    over = c.ReportProcessEnded(process=ProcessId("p1"), result=ToolResult("completed", ""))
    given(*LEFT_RUNNING, asks()).when(over).then(
        ApprovalDecided(approval("t1"), "decline", GONE),
        ProcessEnded(
            ProcessId("p1"),
            replace(over.result, collected_bytes=0),
            SessionCall(CallId("c1"), TurnId("t1")),
            line("ls"),
        ),
    )


def _refused(*events: Event, asked: c.ReportHostAsked) -> str:
    outcome = given(*events).when(asked).then_rejected("nobody_to_ask")
    assert outcome.refusal is not None
    return outcome.refusal.message


def test_where_nobody_can_be_asked_it_is_refused() -> None:
    assert _refused(*RUNNING, asked=reports(HOST, CallId("c9"))) == NO_TURN
    assert _refused(*LEFT_RUNNING, TurnCompleted(), asked=reports()) == NO_TURN
    never = replace(SETTINGS, approval_policy="never")
    silent = (
        *(FIRST_TURN[0], SettingsChanged(SettingsChange(approval_policy="never"))),
        *(queued(1), begun(1, never), calling("t1/1"), made("c1"), runs("c1", "ls"), ENDED),
    )
    assert _refused(*silent, asked=reports()) == NOBODY_ASKS


def test_a_program_that_tries_names_is_not_asked_about_for_ever() -> None:
    hosts = [ReachHost(f"h{n}.com", 443, "https") for n in range(HOST_QUESTIONS_MAX)]
    tried = [asks(n, host) for n, host in enumerate(hosts, 1)]
    assert _refused(*RUNNING, *tried, asked=reports()) == TOO_MANY
    # What was asked about before still waits for its answer.
    given(*RUNNING, *tried).when(reports(hosts[0])).then()


def test_the_state_knows_nothing_of_hosts_before_a_turn() -> None:
    assert found_answer(ThreadState(), C1, HOST) is None
    assert due(ThreadState()) == frozenset()


def test_a_host_is_shown_as_an_address() -> None:
    assert host_line(HOST) == "https://example.com:443"
    assert host_line(ReachHost("2606:4700::1", 22, "socks5Tcp")) == "socks5://[2606:4700::1]:22"


GOLDEN = golden("hosts-v1")


def test_questions_of_old_logs_are_read() -> None:
    check_whole(GOLDEN)
    assert [decode_record(line).event for line in GOLDEN] == [
        asks(),
        decided("accept", "allow"),
        asks(2, ReachHost("2606:4700::1", 22, "socks5Tcp"), C2),
    ]
