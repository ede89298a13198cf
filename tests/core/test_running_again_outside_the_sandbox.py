"""A command that failed in its sandbox: a person is asked whether it runs once more, outside of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    ENDED,
    SETTINGS,
    STARTED,
    answer,
    approval,
    ask,
    begun,
    calling,
    finished_call,
    line,
    made,
    queued,
    report,
    runs,
    told_where,
)
from codexd.core import commands as c
from codexd.core.decide.approvals import DECLINED, FAILED_INSIDE
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.decide.transition import ABORTED_CALL, NOT_AGAIN, RAN_AGAIN, second_run_at
from codexd.core.events.events import Event, TurnInterrupted
from codexd.core.events.tools import ApprovalDecided, ApprovalRequested, ToolEnded, ToolStarted
from codexd.core.policy.approval import action_hash
from codexd.core.policy.sandbox_denial import denial_sign, escalation_hint
from codexd.core.state.due import CallModel, RunTool
from codexd.core.values.enforced import Sandbox, sandbox_of
from codexd.core.values.ids import CallId, ModelCallId, ProcessId, TurnId
from codexd.core.values.settings import Enforcement, SandboxAccess, Settings
from codexd.core.values.tool_actions import ExecCommand, RunCommand, ToolResult
from spec import given

ENFORCED = Enforcement(("read-only", "workspace-write", "danger-full-access"), False)
ON_REQUEST = replace(SETTINGS, approval_policy="on-request", enforcement=ENFORCED)
C1 = CallId("c1")
SAID = "Exit code: 1\nOutput:\nmake: x: Read-only file system"
FAILED = ToolResult(
    "failed",
    f"{SAID}\n{escalation_hint(sandbox_of(ON_REQUEST))}",
    "Read-only file system",
    1,
    output_bytes=21,
    denied="Read-only file system",
)
FIRST = replace(FAILED, model_text=SAID)
DONE = ToolResult("completed", "done", "done", 0)
END = c.ReportToolEnded(call_id=C1, result=FAILED)


def running(settings: Settings = ON_REQUEST, action: RunCommand | None = None) -> tuple[Event, ...]:
    """A command runs in its sandbox, and the model has ended its answer."""
    started = ToolStarted(C1, action) if action is not None else runs("c1", "make")
    return (
        replace(STARTED, settings=settings),
        queued(1),
        told_where(settings),
        begun(1, settings),
        calling("t1/1"),
        made("c1"),
        started,
        ENDED,
    )


def question(settings: Settings = ON_REQUEST) -> ApprovalRequested:
    action = line("make", escalated=True)
    reason = FAILED_INSIDE.format(sign="Read-only file system")
    return ApprovalRequested(
        *(approval("t1"), C1, action, reason, settings.approval_policy, action_hash(action)),
        proposed_rule=("make",),
        first=FIRST,
    )


ASKED = question()
WAITING = (*running(), ASKED)
ALLOWED = (
    *WAITING,
    ApprovalDecided(ASKED.approval_id, "accept"),
    ToolStarted(C1, line("make", escalated=True)),
)


@pytest.mark.parametrize("policy", ["on-request", "untrusted"])
def test_a_person_is_asked_with_the_reason_and_nothing_runs_meanwhile(policy: str) -> None:
    settings = replace(ON_REQUEST, approval_policy=policy)
    given(*running(settings)).when(END).then(question(settings)).then_due()


def test_under_never_the_model_gets_the_result_and_nobody_is_asked() -> None:
    never = replace(ON_REQUEST, approval_policy="never")
    given(*running(never)).when(END).then(ToolEnded(C1, FAILED), calling("t1/2"))


@pytest.mark.parametrize(
    ("settings", "action", "result"),
    [
        pytest.param(ON_REQUEST, line("make"), replace(FAILED, denied=None), id="no sign"),
        pytest.param(ON_REQUEST, line("make", escalated=True), FAILED, id="outside already"),
        pytest.param(ON_REQUEST, line("cat /etc/x"), FAILED, id="known to only read"),
        pytest.param(
            replace(ON_REQUEST, enforcement=Enforcement()), line("make"), FAILED, id="no sandbox"
        ),
    ],
)
def test_nobody_is_asked_where_the_sandbox_cannot_be_why(
    settings: Settings, action: RunCommand, result: ToolResult
) -> None:
    end = replace(END, result=result)
    given(*running(settings, action)).when(end).then(ToolEnded(C1, result), calling("t1/2"))


def test_yes_runs_it_once_more_and_the_model_hears_of_both() -> None:
    given(*WAITING).when(answer(ASKED, "accept")).then(*ALLOWED[-2:]).then_due(RunTool(C1))
    again = replace(DONE, model_text=f"{RAN_AGAIN.format(1)}\ndone")
    given(*ALLOWED).when(c.ReportToolEnded(call_id=C1, result=DONE)).then(
        ToolEnded(C1, again), calling("t1/2")
    ).then_due(CallModel(ModelCallId("t1/2"), 1))


def test_it_is_asked_about_once() -> None:
    again = replace(FAILED, model_text=f"{RAN_AGAIN.format(1)}\n{FAILED.model_text}")
    given(*ALLOWED).when(END).then(ToolEnded(C1, again), calling("t1/2"))


@pytest.mark.parametrize("instead", [None, "Use ./build."])
def test_no_gives_the_model_the_first_result_and_the_persons_words(instead: str | None) -> None:
    words = instead or DECLINED
    refused = given(*WAITING).when(replace(answer(ASKED, "decline"), instead=instead))
    decided, ended = refused.events[:2]
    assert decided == ApprovalDecided(ASKED.approval_id, "decline", instead=instead)
    assert isinstance(ended, ToolEnded)
    assert ended.result.model_text.startswith(f"{SAID}\n{NOT_AGAIN}\n")
    assert ended.result.model_text.endswith(words)
    assert replace(ended.result, model_text=SAID) == FIRST


def test_a_call_that_is_allowed_outside_for_the_session_does_not_fail_inside_first() -> None:
    session = (*WAITING, *given(*WAITING).when(answer(ASKED, "acceptForSession")).events)
    session = (*session, ToolEnded(C1, DONE), calling("t1/2"))
    outcome = given(*session).when(report("t1/2", finished_call("c2", line("make"))))
    assert outcome.events[1] == ToolStarted(CallId("c2"), line("make", escalated=True))
    outcome = given(*session).when(report("t1/2", finished_call("c2", line("make x"))))
    assert outcome.events[1] == ToolStarted(CallId("c2"), line("make x"))


def test_an_interrupt_keeps_what_is_known_of_the_first_time() -> None:
    stop = c.InterruptTurn(turn_id=TurnId("t1"), reason="interrupted")
    known = replace(FIRST, model_text=f"{SAID}\n{NOT_AGAIN}\n{ABORTED_CALL}")
    given(*WAITING).when(stop).then(ToolEnded(C1, known), ABORTED, TurnInterrupted("interrupted"))
    twice = ToolResult("aborted", f"{RAN_AGAIN.format(1)}\n{ABORTED_CALL}")
    given(*ALLOWED).when(stop).then(ToolEnded(C1, twice), ABORTED, TurnInterrupted("interrupted"))


def test_a_restart_leaves_the_question_open_and_adopts_the_second_attempt() -> None:
    given(*WAITING).when(c.Recover(resume=True)).then().then_due()
    given(*ALLOWED).when(c.Recover(resume=True)).then(
        ToolStarted(C1, line("make", escalated=True), again="adopt")
    ).then_due(RunTool(C1))
    lost = c.ReportToolEnded(call_id=C1, result=ToolResult("aborted", RESTARTED))
    assert given(*ALLOWED).when(lost).events[0] == ToolEnded(
        C1, ToolResult("aborted", f"{RAN_AGAIN.format(1)}\n{RESTARTED}")
    )


def test_a_session_that_failed_is_asked_about_and_does_not_count_as_running() -> None:
    tool = ExecCommand("make", ("/bin/sh", "-c", "make"), "/work", 0, session="7")
    spawned = (*running(action=tool), *given(*running(action=tool)).when(_spawned()).events)
    asked = given(*spawned).when(END)
    assert isinstance(asked.events[0], ApprovalRequested)
    (call,) = asked.state.turn.open_calls if asked.state.turn is not None else ()
    assert (call.pid, call.running, call.attempt) == (None, False, 2)
    assert second_run_at(call) > FAILED.output_bytes
    goes_on = c.ReportToolEnded(call_id=C1, result=FAILED, process=ProcessId("7"))
    assert given(*spawned).when(goes_on).events[0] == ToolEnded(C1, FAILED, ProcessId("7"))


def _spawned() -> c.ReportSpawned:
    return c.ReportSpawned(call_id=C1, pid=5, start_time="9", at_ms=1)


def test_a_turn_that_begins_later_is_not_held_up() -> None:
    given(*WAITING).when(ask(2)).then(queued(2)).then_due()


@pytest.mark.parametrize(
    ("code", "output", "sign"),
    [
        (1, "touch: cannot touch 'x': Read-only file system", "Read-only file system"),
        (2, "sh: 1: cannot create /etc/x: Permission denied", "Permission denied"),
        (1, "Error: EPERM: operation not permitted, mkdir", "operation not permitted"),
        (6, "curl: (6) Could not resolve host: example.com", "Could not resolve"),
        (159, "", "Bad system call"),
        (0, "Permission denied", None),
        (126, "sh: ./x: Permission denied", None),
        (127, "sh: x: not found", None),
        (2, "usage: x [-h]", None),
        (1, "1 test of the sandbox failed", None),
    ],
)
def test_the_signs_of_a_sandbox(code: int, output: str, sign: str | None) -> None:
    confined = Sandbox("workspace-write", "/w")
    assert denial_sign(confined, code, output) == sign
    assert denial_sign(Sandbox("danger-full-access", "/"), code, output) is None
    if code == 6:
        online = replace(confined, access=SandboxAccess(network_access=True))
        assert denial_sign(online, code, output) is None
