"""Starting a thread."""

from __future__ import annotations

import pytest

from builders import FIRST_TURN, SETTINGS, STARTED, answer, ask, asked_about, line
from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.events.events import GitHead, ThreadStarted
from codexd.core.values.ids import CallId, ItemId, ModelCallId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.settings import SettingsChange
from spec import given


def test_it_starts_with_all_that_was_asked_for() -> None:
    git = GitHead("0f3", "main", "https://example.org/r.git")
    given().when(
        c.StartThread(
            settings=SETTINGS,
            originator="tests",
            daemon_version="1.0",
            instructions="Be brief.",
            developer_instructions="Speak German.",
            git=git,
            ephemeral=True,
            history_mode="paginated",
            thread_source="a script",
        )
    ).then(
        ThreadStarted(
            SETTINGS,
            "tests",
            "1.0",
            "Be brief.",
            "Speak German.",
            git,
            True,
            "paginated",
            "a script",
        )
    ).then_due()


def test_it_starts_once() -> None:
    again = c.StartThread(settings=SETTINGS, originator="tests", daemon_version="1.0")
    given(STARTED).when(again).then_rejected("thread_exists")
    given(*FIRST_TURN).when(again).then_rejected("thread_exists")


@pytest.mark.parametrize(
    "command",
    [
        ask(1),
        c.RenameThread(name="n"),
        c.ArchiveThread(),
        c.UnarchiveThread(),
        c.ChangeSettings(change=SettingsChange(model="m-2")),
        c.SteerTurn(expected_turn=TurnId("t1"), item_id=ItemId("s"), content=(TextInput("x"),)),
        c.WithdrawInput(item_id=ItemId("u1")),
        c.InterruptTurn(),
        answer(asked_about("c1", line("make")), "accept"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_before_it_starts_it_refuses_all_commands(command: Command) -> None:
    given().when(command).then_rejected("thread_not_started")


@pytest.mark.parametrize(
    "report",
    [
        c.ReportModel(call_id=ModelCallId("t1/1"), attempt=1, seen=()),
        c.RetryModelCall(call_id=ModelCallId("t1/1"), attempt=1),
        c.ReportSpawned(call_id=CallId("c"), pid=1, start_time="1"),
        c.Recover(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_reports_to_a_thread_that_does_not_exist_change_nothing(report: Command) -> None:
    given().when(report).then()
