"""Archiving, unarchiving and renaming a thread."""

from __future__ import annotations

import pytest

from builders import (
    ABORTED,
    ENVIRONMENT,
    FIRST_TURN,
    STARTED,
    aborted,
    ask,
    begun,
    calling,
    made,
    queued,
    runs,
    streaming,
)
from codexd.core import commands as c
from codexd.core.events.events import (
    InputWithdrawn,
    ItemCut,
    ThreadArchived,
    ThreadRenamed,
    ThreadUnarchived,
    TurnInterrupted,
)
from codexd.core.values.ids import ItemId
from codexd.core.values.settings import SettingsChange
from spec import given

ARCHIVED = (STARTED, ThreadArchived())


def test_an_idle_thread_is_archived() -> None:
    given(STARTED).when(c.ArchiveThread()).then(ThreadArchived())


def test_a_running_thread_is_interrupted_first_and_its_queue_withdrawn() -> None:
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"), queued(2), queued(3))
    given(*past).when(c.ArchiveThread(open_items=(streaming("m1"),))).then(
        ItemCut(ItemId("m1"), "message", "interrupted", "so far"),
        aborted("c1"),
        ABORTED,
        TurnInterrupted("archived"),
        InputWithdrawn(ItemId("u2")),
        InputWithdrawn(ItemId("u3")),
        ThreadArchived(),
    ).then_due()


def test_archiving_twice_is_archiving_once() -> None:
    given(*ARCHIVED).when(c.ArchiveThread()).then()


@pytest.mark.parametrize(
    "command",
    [
        ask(1),
        c.RenameThread(name="n"),
        c.ChangeSettings(change=SettingsChange(model="m-2")),
        c.InterruptTurn(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_an_archived_thread_takes_nothing_else(command: c.Command) -> None:
    given(*ARCHIVED).when(command).then_rejected("thread_archived")


def test_it_is_unarchived_and_works() -> None:
    given(*ARCHIVED).when(c.UnarchiveThread()).then(ThreadUnarchived())
    given(*ARCHIVED, ThreadUnarchived()).when(ask(1)).then(
        queued(1), ENVIRONMENT, begun(1), calling("t1/1")
    )


def test_unarchiving_what_is_not_archived_changes_nothing() -> None:
    given(STARTED).when(c.UnarchiveThread()).then()


def test_a_name_is_given_changed_and_taken_away() -> None:
    given(STARTED).when(c.RenameThread(name="Parser")).then(ThreadRenamed("Parser"))
    named = (STARTED, ThreadRenamed("Parser"))
    given(*named).when(c.RenameThread(name="Parser")).then()
    given(*named).when(c.RenameThread(name=None)).then(ThreadRenamed(None))


def test_a_running_thread_can_be_renamed() -> None:
    given(*FIRST_TURN).when(c.RenameThread(name="Parser")).then(ThreadRenamed("Parser"))
