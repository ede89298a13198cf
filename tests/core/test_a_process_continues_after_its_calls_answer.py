"""A process that continues after its call has its answer: the thread has it until it ends, over any turns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from builders import ENDED, FIRST_TURN, calling, line, made, result, runs
from codexd.core import commands as c
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.decide.transition import ABORTED_CALL
from codexd.core.events.events import (
    Event,
    ThreadArchived,
    ThreadForked,
    TurnCompleted,
)
from codexd.core.events.tools import ProcessEnded, ToolEnded
from codexd.core.policy.action_kinds import KINDS
from codexd.core.state.due import CallModel, RunTool, has_work
from codexd.core.state.state import fold
from codexd.core.values.ids import CallId, ModelCallId, ProcessId, ThreadId, TurnId
from codexd.core.values.tool_actions import SessionCall, ToolResult
from spec import given

CALL, PROCESS = CallId("c1"), ProcessId("p1")
ANSWER = ToolEnded(CALL, result("it goes on"), PROCESS)
RUNNING: tuple[Event, ...] = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
GOES_ON: tuple[Event, ...] = (*RUNNING, ANSWER, calling("t1/2"), ENDED, TurnCompleted())
# Its end repeats the call that began it, for readers that begin after it.
OF = SessionCall(CALL, TurnId("t1"))
OVER = ProcessEnded(PROCESS, replace(result("over"), collected_bytes=0), OF, line("ls"))


def lost(text: str) -> ProcessEnded:
    ended = ToolResult("aborted", text, collected_bytes=0)
    return ProcessEnded(PROCESS, ended, OF, line("ls"))


@pytest.fixture
def not_adopted() -> Iterator[None]:
    """What became of a command is not known after a crash."""
    row = KINDS["command"]
    KINDS["command"] = replace(row, after_crash="declare unknown")
    yield
    KINDS["command"] = row


def test_the_model_continues_with_the_answer_while_the_process_runs() -> None:
    report = c.ReportToolEnded(call_id=CALL, result=result("it goes on"), process=PROCESS)
    given(*RUNNING).when(report).then(ANSWER, calling("t1/2")).then_due(
        RunTool(CALL), CallModel(ModelCallId("t1/2"), 1)
    )


def test_it_outlives_its_turn() -> None:
    given(*GOES_ON).due(RunTool(CALL))
    assert has_work(fold(GOES_ON))


def test_an_interrupt_of_the_turn_leaves_it_running() -> None:
    past = (*RUNNING, ANSWER, calling("t1/2"))
    given(*past).when(c.InterruptTurn()).then_due(RunTool(CALL))


def test_its_end_is_recorded_once() -> None:
    report = c.ReportProcessEnded(process=PROCESS, result=result("over"))
    given(*GOES_ON).when(report).then(OVER).then_due()
    given(*GOES_ON, OVER).when(report).then()
    assert not has_work(fold((*GOES_ON, OVER)))


@pytest.mark.usefixtures("not_adopted")
def test_after_a_crash_its_end_is_not_known() -> None:
    given(*GOES_ON).when(c.Recover()).then(lost(RESTARTED)).then_due()


def test_after_a_crash_it_is_adopted_where_its_row_says_so() -> None:
    given(*GOES_ON).when(c.Recover()).then().then_due(RunTool(CALL))
    given(*GOES_ON).when(c.Recover(resume=False)).then().then_due(RunTool(CALL))


def test_it_ends_with_the_thread() -> None:
    given(*GOES_ON).when(c.ArchiveThread()).then(lost(ABORTED_CALL), ThreadArchived()).then_due()


def test_a_fork_has_none_of_it() -> None:
    forked = ThreadForked(ThreadId("0194d2a0-0000-7000-8000-000000000001"), len(GOES_ON))
    given(*GOES_ON, forked).due()
    given(*GOES_ON, forked).when(c.Recover(forked=True)).then()
