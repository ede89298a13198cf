"""A command's output stays, however its call is aborted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from builders import (
    ABORTED,
    BROKEN,
    ENDED,
    FINISHED,
    FIRST_TURN,
    aborted,
    answer,
    asked_about,
    calling,
    failure,
    finished_call,
    line,
    made,
    report,
    runs,
)
from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.events.events import ModelCallFailed, TurnFailed, TurnInterrupted
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.tool_actions import ToolResult, UnreadAction
from spec import given

PRINTED = (
    c.OpenItem(ItemId("c0"), "call", "of another"),
    c.OpenItem(ItemId("c1"), "call", "a.o b.o\n"),
)
IN_A_COMMAND = (*FIRST_TURN, made("c1"), runs("c1", "ls"))
STOPPED = replace(aborted("c1"), result=replace(aborted("c1").result, output="a.o b.o\n"))


@pytest.mark.parametrize(
    "command",
    [c.InterruptTurn(open_items=PRINTED), c.Recover(open_items=PRINTED, resume=False)],
    ids=["interrupted", "interrupted by a restart"],
)
def test_when_the_turn_is_interrupted(command: Command) -> None:
    outcome = given(*IN_A_COMMAND, ENDED).when(command)
    assert outcome.events[:-1] == [STOPPED, ABORTED]
    assert isinstance(outcome.events[-1], TurnInterrupted)


def test_when_the_thread_is_archived() -> None:
    outcome = given(*IN_A_COMMAND, ENDED).when(c.ArchiveThread(open_items=PRINTED))
    assert outcome.events[0] == STOPPED


def test_when_another_call_is_cancelled() -> None:
    asked = given(*IN_A_COMMAND).when(report("t1/1", finished_call("c2", line("make")), FINISHED))
    cancel = answer(asked_about("c2", line("make")), "cancel", PRINTED)
    assert STOPPED in given(*IN_A_COMMAND, *asked.events).when(cancel).events


def test_when_the_daemon_dies_and_it_cannot_be_adopted() -> None:
    lost = ToolEnded(CallId("c1"), ToolResult("aborted", RESTARTED, "a.o b.o\n"))
    unknown = ToolStarted(CallId("c1"), UnreadAction('{"kind":"fly"}'))
    given(*FIRST_TURN, made("c1"), unknown, ENDED).when(c.Recover(open_items=PRINTED)).then(
        lost, calling("t1/2")
    )


def test_when_the_turn_fails() -> None:
    told = ToolResult("aborted", "aborted: the turn failed", "a.o b.o\n")
    given(*IN_A_COMMAND).when(failure("t1/1", retry=False, open_items=PRINTED)).then(
        ModelCallFailed(BROKEN, "stream", False),
        ToolEnded(CallId("c1"), told),
        TurnFailed(BROKEN),
    )


def test_a_command_that_continues_is_not_cut_with_the_response() -> None:
    given(*IN_A_COMMAND).when(replace(report("t1/1", FINISHED), open_items=PRINTED)).then(ENDED)
