"""Changing settings: only what changes is recorded, and it counts from the next turn on."""

from __future__ import annotations

from msgspec.structs import replace

from builders import (
    ENDED,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    begun,
    calling,
    ended,
    made,
    queued,
    report,
    report_ended,
    runs,
)
from codexd.core import commands as c
from codexd.core.events.events import SettingsChanged, TurnCompleted
from codexd.core.values.settings import SettingsChange
from spec import given

TO_M2 = SettingsChange(model="m-2")
M2 = replace(SETTINGS, model="m-2")


def test_only_changes_are_recorded() -> None:
    asked = SettingsChange(cwd="/work", model="m-2", sandbox="workspace-write", effort="high")
    outcome = given(STARTED).when(c.ChangeSettings(change=asked))
    outcome.then(SettingsChanged(SettingsChange(model="m-2", effort="high")))
    assert outcome.state.settings == replace(SETTINGS, model="m-2", effort="high")


def test_settings_that_change_nothing_are_not_recorded() -> None:
    given(STARTED).when(c.ChangeSettings(change=SettingsChange(model="m-1"))).then()
    given(STARTED).when(c.ChangeSettings(change=SettingsChange())).then()


def test_a_running_turn_continues_with_its_own() -> None:
    past = (*FIRST_TURN, made("c1"), runs("c1", "ls"), ENDED)
    past = (*past, *given(*past).when(c.ChangeSettings(change=TO_M2)).events)
    given(*past).when(report_ended("c1")).then(ended("c1"), calling("t1/2"))


def test_the_next_turn_begins_with_the_new_settings() -> None:
    past = (*FIRST_TURN, queued(2), SettingsChanged(TO_M2))
    given(*past).when(report("t1/1", FINISHED)).then(
        ENDED, TurnCompleted(), begun(2, M2), replace(calling("t2/1"), model="m-2")
    )
