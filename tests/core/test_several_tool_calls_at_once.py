"""Several tool calls in one response, and calls that cannot be made."""

from __future__ import annotations

from builders import (
    ENDED,
    FINISHED,
    FIRST_TURN,
    asked_about,
    calling,
    ended,
    finished_call,
    line,
    made,
    report,
    report_ended,
    runs,
)
from codexd.core import commands as c
from codexd.core.events.tools import ToolEnded, ToolSpawned, ToolStarted, ToolTaskCreated
from codexd.core.state.due import CallModel, RunTool
from codexd.core.values.ids import CallId, ModelCallId
from codexd.core.values.tool_actions import BadCall, McpToolCall, ToolResult
from spec import given

BOTH = (*FIRST_TURN, made("c1"), runs("c1", "ls"), made("c2"), runs("c2", "pwd"), ENDED)
BAD = BadCall("no tool named frob: nothing was done")
BAD_ANSWER = ToolEnded(CallId("c1"), ToolResult("failed", BAD.reason, BAD.reason))


def test_they_run_side_by_side() -> None:
    given(*FIRST_TURN).when(
        report("t1/1", finished_call("c1", line("ls")), finished_call("c2", line("pwd")), FINISHED)
    ).then(*BOTH[len(FIRST_TURN) :]).then_due(RunTool(CallId("c1")), RunTool(CallId("c2")))


def test_the_model_is_called_when_the_last_has_its_answer() -> None:
    given(*BOTH).when(report_ended("c2")).then(ended("c2")).then_due(RunTool(CallId("c1")))
    given(*BOTH, ended("c2")).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))


def test_a_call_may_end_before_the_response_does() -> None:
    streaming = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
    given(*streaming).when(report_ended("c1")).then(ended("c1")).then_due(
        CallModel(ModelCallId("t1/1"), 1)
    )
    given(*streaming, ended("c1")).when(report("t1/1", FINISHED)).then(ENDED, calling("t1/2"))


def test_a_question_holds_up_the_model_but_not_the_other_call() -> None:
    asked = asked_about("c2", line("make"))
    given(*FIRST_TURN).when(
        report("t1/1", finished_call("c1", line("ls")), finished_call("c2", line("make")), FINISHED)
    ).then(made("c1"), runs("c1", "ls"), made("c2"), asked, ENDED).then_due(RunTool(CallId("c1")))
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"), made("c2"), asked, ENDED)
    given(*past).when(report_ended("c1")).then(ended("c1")).then_due()


def test_a_call_is_answered_once() -> None:
    given(*BOTH, ended("c1")).when(report_ended("c1")).then()


def test_the_process_of_a_call_is_recorded() -> None:
    spawned = c.ReportSpawned(call_id=CallId("c1"), pid=42, start_time="7")
    outcome = given(*BOTH).when(spawned).then(ToolSpawned(CallId("c1"), 42, "7"))
    assert outcome.state.turn is not None
    assert [call.pid for call in outcome.state.turn.open_calls] == [42, None]


def test_a_call_that_cannot_be_made_is_answered_at_once() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_call("c1", BAD), FINISHED)).then(
        made("c1"), BAD_ANSWER, ENDED, calling("t1/2")
    )


def test_a_bad_call_beside_a_good_call() -> None:
    given(*FIRST_TURN).when(
        report("t1/1", finished_call("c1", BAD), finished_call("c2", line("ls")), FINISHED)
    ).then(made("c1"), BAD_ANSWER, made("c2"), runs("c2", "ls"), ENDED).then_due(
        RunTool(CallId("c2"))
    )


def mcp(server: str, tool: str, *, parallel: bool = False) -> McpToolCall:
    return McpToolCall(server, tool, "{}", mode="approve", parallel=parallel)


def test_calls_of_a_server_are_made_one_after_another_unless_they_may_run_side_by_side() -> None:
    first, second, elsewhere, read = (
        mcp("a", "write"),
        mcp("a", "write"),
        mcp("b", "write"),
        mcp("a", "read", parallel=True),
    )
    done = [
        finished_call(f"c{number}", action)
        for number, action in enumerate((first, second, elsewhere, read), start=1)
    ]
    outcome = given(*FIRST_TURN).when(report("t1/1", *done, FINISHED))
    outcome.then_due(RunTool(CallId("c1")), RunTool(CallId("c3")), RunTool(CallId("c4")))
    past = (*FIRST_TURN, *outcome.events)
    given(*past).when(report_ended("c1")).then_due(
        RunTool(CallId("c2")), RunTool(CallId("c3")), RunTool(CallId("c4"))
    )


def test_a_call_that_its_server_goes_on_with_as_a_task_is_taken_up_by_the_next_daemon() -> None:
    write = mcp("a", "write")
    past = (*FIRST_TURN, made("c1"), ToolStarted(CallId("c1"), write), ENDED)
    created = ToolTaskCreated(CallId("c1"), "task 7")
    report_task = c.ReportTask(call_id=CallId("c1"), task="task 7")
    outcome = given(*past).when(report_task).then(created).then_due(RunTool(CallId("c1")))
    assert outcome.state.turn is not None
    assert outcome.state.turn.open_calls[0].task == "task 7"
    again = ToolStarted(CallId("c1"), write, again="adopt")
    for runs_before in ((), (again,)):
        given(*past, created, *runs_before).when(c.Recover()).then(again).then_due(
            RunTool(CallId("c1"))
        )
    given(*past, ended("c1"), calling("t1/2")).when(report_task).then()
