"""Starting a turn: the model gets its environment, and is called with the input."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from builders import (
    ENDED,
    ENVIRONMENT,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    ask,
    begun,
    calling,
    finished_message,
    queued,
    report,
    said,
    text,
    told_where,
)
from codexd.core import commands as c
from codexd.core.events.events import ContextAdded, SettingsChanged, TurnCompleted, TurnStarted
from codexd.core.state.due import CallModel
from codexd.core.values.ids import ItemId, ModelCallId, TurnId
from codexd.core.values.items import ImageInput, TextInput, UserInput
from codexd.core.values.settings import SettingsChange
from spec import given

# A thread whose first turn has ended.
ANSWERED = (*FIRST_TURN, said("m1", "Done."), ENDED, TurnCompleted())


def test_an_idle_thread_begins_at_once() -> None:
    given(STARTED).when(ask(1)).then(queued(1), ENVIRONMENT, begun(1), calling("t1/1")).then_due(
        CallModel(ModelCallId("t1/1"), 1)
    )


def test_the_turn_ends_when_the_model_has_nothing_more_to_do() -> None:
    given(*FIRST_TURN).when(report("t1/1", finished_message("m1", "Done."), FINISHED)).then(
        said("m1", "Done."), ENDED, TurnCompleted()
    ).then_due()


def test_the_environment_is_sent_once() -> None:
    given(*ANSWERED).when(ask(2)).then(queued(2), begun(2), calling("t2/1"))


def test_the_environment_is_sent_again_when_it_has_changed() -> None:
    change = SettingsChange(cwd="/elsewhere")
    settings = replace(SETTINGS, cwd="/elsewhere")
    given(*ANSWERED).when(ask(2, change=change)).then(
        queued(2, change=change),
        SettingsChanged(change),
        told_where(settings, before=ENVIRONMENT),
        begun(2, settings),
        calling("t2/1"),
    )


def test_the_environment_is_sent_again_on_another_day() -> None:
    first = replace(ask(1), today="2026-11-20")
    second = replace(ask(2), today="2026-11-21")
    told = told_where(SETTINGS, "2026-11-21", told_where(SETTINGS, "2026-11-20"))
    before = given(STARTED).when(first).events
    ended = given(STARTED, *before).when(report("t1/1", FINISHED)).events
    given(STARTED, *before, *ended).when(second).then(
        replace(queued(2), today="2026-11-21"), told, begun(2), calling("t2/1")
    )


def test_developer_instructions_are_sent_once_and_first() -> None:
    started = replace(STARTED, developer_instructions="Speak German.")
    developer = ContextAdded("developer", "developer", "Speak German.")
    first = given(started).when(ask(1))
    first.then(queued(1), developer, ENVIRONMENT, begun(1), calling("t1/1"))
    answered = (started, *first.events, ENDED, TurnCompleted())
    given(*answered).when(ask(2)).then(queued(2), begun(2), calling("t2/1"))


def test_only_real_changes_are_recorded() -> None:
    change = SettingsChange(cwd="/work", model="m-2", approval_policy="untrusted")
    settings = replace(SETTINGS, model="m-2")
    given(*ANSWERED).when(ask(2, change=change)).then(
        queued(2, change=SettingsChange(model="m-2")),
        SettingsChanged(SettingsChange(model="m-2")),
        begun(2, settings),
        replace(calling("t2/1"), model="m-2"),
    )


def test_the_answer_may_have_to_meet_a_schema() -> None:
    schema = msgspec.Raw(b'{"type":"object"}')
    outcome = given(STARTED).when(replace(ask(1), output_schema=schema))
    assert outcome.state.turn is not None
    assert outcome.state.turn.output_schema == schema


@pytest.mark.parametrize("content", [(), text(""), text(" \n\t"), (*text(""), *text(" "))])
def test_an_empty_input_is_refused(content: tuple[UserInput, ...]) -> None:
    given(STARTED).when(replace(ask(1), content=content)).then_rejected("empty_input")


def test_an_image_alone_is_an_input() -> None:
    content = (TextInput(""), ImageInput("data:image/png;base64,AA=="))
    outcome = given(STARTED).when(replace(ask(1), content=content))
    assert isinstance(outcome.events[2], TurnStarted)


def test_the_turn_has_its_input_and_its_sender() -> None:
    command = c.StartTurn(
        turn_id=TurnId("t1"), item_id=ItemId("u1"), content=text("go"), client_id="their-id"
    )
    outcome = given(STARTED).when(command)
    assert outcome.events[0] == replace(queued(1), client_id="their-id")
