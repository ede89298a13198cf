"""A person's own command: a process of the thread from its start, which no model waits for, and which the model is told of."""

from __future__ import annotations

from msgspec.structs import replace

from builders import ABORTED, ENDED, ENVIRONMENT, FIRST_TURN, SETTINGS, STARTED, ask, calling
from codexd.core import commands as c
from codexd.core.commands import OpenItem
from codexd.core.events.events import Event, TurnCompleted, TurnInterrupted, TurnStarted
from codexd.core.events.tools import ProcessEnded, ToolSpawned, ToolStarted
from codexd.core.prompts.person_command import person_command_message
from codexd.core.state.due import CallModel, RunTool
from codexd.core.state.state import fold
from codexd.core.values.ids import CallId, ItemId, ModelCallId, ProcessId, TurnId
from codexd.core.values.tool_actions import PersonCommand, SessionCall, ToolResult
from codexd.projections.model.history import ModelHistory
from spec import given

CALL, PROCESS = CallId("p1"), ProcessId("p1")
ASKED = c.RunPersonCommand(
    turn_id=TurnId("w1"), call_id=CALL, line="make", argv=("sh", "-c", "make"), timeout_ms=7
)
MAKE = PersonCommand(command="make", argv=("sh", "-c", "make"), cwd="/work", timeout_ms=7)
RUNS = ToolStarted(CALL, MAKE)
OWN_TURN: tuple[Event, ...] = (ENVIRONMENT, TurnStarted(TurnId("w1"), SETTINGS, kind="shell"), RUNS)
DONE = ToolResult("failed", "", "no rule\n", exit_code=2, duration_ms=1500)


def over(result: ToolResult, turn: str) -> ProcessEnded:
    message = person_command_message("make", result)
    told = replace(result, model_text=message)
    return ProcessEnded(PROCESS, told, SessionCall(CALL, TurnId(turn)), MAKE)


def test_without_a_turn_it_gets_a_turn_of_its_own_that_calls_no_model() -> None:
    given(STARTED).when(ASKED).then(*OWN_TURN).then_due(RunTool(CALL))
    report = c.ReportProcessEnded(process=PROCESS, result=DONE)
    given(STARTED, *OWN_TURN).when(report).then(over(DONE, "w1"), TurnCompleted()).then_due()


def test_a_prompt_waits_for_the_end_of_its_turn() -> None:
    outcome = given(STARTED, *OWN_TURN).when(ask(1)).then_due(RunTool(CALL))
    report = c.ReportProcessEnded(process=PROCESS, result=DONE)
    given(STARTED, *OWN_TURN, *outcome.events).when(report).then_due(
        CallModel(ModelCallId("t1/1"), 1)
    )


def test_within_a_turn_it_belongs_to_it_and_the_turn_does_not_wait_for_it() -> None:
    given(*FIRST_TURN).when(ASKED).then(RUNS).then_due(
        RunTool(CALL), CallModel(ModelCallId("t1/1"), 1)
    )
    ended = c.ReportProcessEnded(process=PROCESS, result=DONE)
    past = (*FIRST_TURN, RUNS, ENDED, TurnCompleted())
    given(*past).due(RunTool(CALL))
    given(*past).when(ended).then(over(DONE, "t1")).then_due()


def test_an_interrupt_ends_it_in_its_turn_and_leaves_one_of_an_earlier_turn() -> None:
    printed = OpenItem(ItemId("p1"), "call", text="half\n")
    stopped = ToolResult("aborted", "command aborted by user", "half\n")
    given(STARTED, *OWN_TURN).when(c.InterruptTurn(open_items=(printed,))).then(
        over(stopped, "w1"), ABORTED, TurnInterrupted()
    ).then_due()
    later = given(*FIRST_TURN, RUNS, ENDED, TurnCompleted()).when(ask(2))
    past = (*FIRST_TURN, RUNS, ENDED, TurnCompleted(), *later.events)
    given(*past).when(c.InterruptTurn(open_items=(printed,))).then_due(RunTool(CALL))


def test_its_process_is_recorded_once_and_the_next_daemon_adopts_it() -> None:
    spawned = c.ReportSpawned(call_id=CALL, pid=42, start_time="7", at_ms=9)
    given(STARTED, *OWN_TURN).when(spawned).then(ToolSpawned(CALL, 42, "7", 9))
    runs = (STARTED, *OWN_TURN, ToolSpawned(CALL, 42, "7", 9))
    given(*runs).when(spawned).then()
    adopted = replace(RUNS, again="adopt")
    given(*runs).when(c.Recover()).then(adopted).then_due(RunTool(CALL))
    (process,) = fold((*runs, adopted)).processes
    assert (process.call.again, process.call.pid) == ("adopt", 42)
    given(*runs, adopted).when(c.Recover(resume=False)).then_due()


def test_more_than_a_thread_may_have_are_refused() -> None:
    past: tuple[Event, ...] = (STARTED, *OWN_TURN)
    past += tuple(replace(RUNS, call_id=CallId(f"more {n}")) for n in range(63))
    given(*past).when(ASKED).then_rejected("too_many_commands")
    given(STARTED).when(replace(ASKED, line=" ")).then_rejected("empty_command")


def test_the_model_is_told_with_its_next_request_and_only_once() -> None:
    past = (*FIRST_TURN, RUNS, over(DONE, "t1"), ENDED)
    before, after = ModelHistory(), ModelHistory()
    for event in past:
        before = before.after(event)
    assert b"user_shell_command" not in b"".join(before.items)
    for event in (*past, TurnCompleted(), calling("t2/1")):
        after = after.after(event)
    assert b"".join(after.items).count(b"<user_shell_command>") == 1
    assert person_command_message("make", DONE) == (
        "<user_shell_command>\n<command>\nmake\n</command>\n<result>\nExit code: 2\n"
        "Duration: 1.5000 seconds\nOutput:\nno rule\n\n</result>\n</user_shell_command>"
    )
