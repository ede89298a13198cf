"""Queueing after a running turn: a second prompt is a second turn (decision 0004)."""

from __future__ import annotations

from msgspec.structs import replace

from builders import (
    ABORTED,
    BROKEN,
    ENDED,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    ask,
    begun,
    calling,
    failure,
    queued,
    report,
)
from codexd.core import commands as c
from codexd.core.decide.beside_turns import QUEUE_TURNS_MAX
from codexd.core.events.events import (
    InputsReordered,
    InputWithdrawn,
    ModelCallFailed,
    SettingsChanged,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.state.due import CallModel
from codexd.core.values.ids import ItemId, ModelCallId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.settings import SettingsChange
from spec import given

TWO_WAIT = (*FIRST_TURN, queued(2), queued(3))


def test_it_waits_and_has_its_own_turn() -> None:
    given(*FIRST_TURN).when(ask(2)).then(queued(2)).then_due(CallModel(ModelCallId("t1/1"), 1))


def test_the_next_begins_when_the_running_turn_is_complete() -> None:
    given(*TWO_WAIT).when(report("t1/1", FINISHED)).then(
        ENDED, TurnCompleted(), begun(2), calling("t2/1")
    ).then_due(CallModel(ModelCallId("t2/1"), 1))


def test_the_next_begins_when_the_running_turn_fails() -> None:
    given(*TWO_WAIT).when(failure("t1/1", retry=False)).then(
        ModelCallFailed(BROKEN, "stream", False), TurnFailed(BROKEN), begun(2), calling("t2/1")
    )


def test_the_next_begins_when_the_running_turn_is_interrupted() -> None:
    given(*TWO_WAIT).when(c.InterruptTurn()).then(
        ABORTED, TurnInterrupted(), begun(2), calling("t2/1")
    )


def test_at_a_shutdown_the_next_waits_for_the_next_daemon() -> None:
    outcome = given(*TWO_WAIT).when(c.InterruptTurn(reason="shutdown"))
    outcome.then(ABORTED, TurnInterrupted("shutdown")).then_due()
    given(*TWO_WAIT, *outcome.events).when(c.Recover()).then(begun(2), calling("t2/1"))


def test_a_waiting_input_can_be_withdrawn() -> None:
    withdraw = c.WithdrawInput(item_id=ItemId("u2"))
    outcome = given(*TWO_WAIT).when(withdraw).then(InputWithdrawn(ItemId("u2")))
    given(*TWO_WAIT, *outcome.events).when(report("t1/1", FINISHED)).then(
        ENDED, TurnCompleted(), begun(3), calling("t3/1")
    )


def test_a_waiting_input_gets_other_words_in_its_old_place() -> None:
    revised = replace(queued(2), content=(TextInput("other"),), client_metadata={"a": "b"})
    revise = c.ReviseInput(
        item_id=ItemId("u2"), content=revised.content, client_metadata=revised.client_metadata
    )
    order = (ItemId("u2"), ItemId("u3"))
    outcome = given(*TWO_WAIT).when(revise)
    outcome.then(InputWithdrawn(ItemId("u2")), revised, InputsReordered(order))
    given(*TWO_WAIT, *outcome.events).when(report("t1/1", FINISHED)).then(
        ENDED, TurnCompleted(), begun(2), calling("t2/1")
    )
    last = c.ReviseInput(item_id=ItemId("u3"), content=revised.content)
    given(*TWO_WAIT).when(last).then(
        InputWithdrawn(ItemId("u3")), replace(queued(3), content=revised.content)
    )
    unknown = replace(revise, item_id=ItemId("u1"))
    given(*TWO_WAIT).when(unknown).then_rejected("input_not_queued")
    given(*TWO_WAIT).when(replace(revise, content=())).then_rejected("empty_input")


def test_waiting_inputs_start_in_the_order_that_a_person_gives_them() -> None:
    order = (ItemId("u3"), ItemId("u2"))
    outcome = given(*TWO_WAIT).when(c.ReorderInputs(item_ids=order)).then(InputsReordered(order))
    given(*TWO_WAIT, *outcome.events).when(report("t1/1", FINISHED)).then(
        ENDED, TurnCompleted(), begun(3), calling("t3/1")
    )
    given(*TWO_WAIT, *outcome.events).when(c.ReorderInputs(item_ids=order)).then()
    for ids in (("u3",), ("u3", "u3"), ("u2", "u3", "u4"), ()):
        partial = c.ReorderInputs(item_ids=tuple(map(ItemId, ids)))
        given(*TWO_WAIT).when(partial).then_rejected("queue_changed")


def test_an_interrupt_of_a_waiting_turn_withdraws_its_input() -> None:
    given(*TWO_WAIT).when(c.InterruptTurn(turn_id=TurnId("t3"))).then(InputWithdrawn(ItemId("u3")))


def test_an_input_whose_turn_runs_cannot_be_withdrawn() -> None:
    given(*TWO_WAIT).when(c.WithdrawInput(item_id=ItemId("u1"))).then_rejected("input_not_queued")


def test_an_input_is_withdrawn_once() -> None:
    withdraw = c.WithdrawInput(item_id=ItemId("u2"))
    given(*TWO_WAIT, InputWithdrawn(ItemId("u2"))).when(withdraw).then_rejected("input_not_queued")


def test_after_the_most_that_may_wait_the_next_is_refused() -> None:
    waiting = tuple(queued(n) for n in range(2, 2 + QUEUE_TURNS_MAX))
    given(*FIRST_TURN, *waiting).when(ask(99)).then_rejected("queue_full")
    given(*FIRST_TURN, *waiting[1:]).when(ask(99)).then(queued(99))


def test_a_change_of_settings_counts_from_its_own_turn_on() -> None:
    change = SettingsChange(model="m-2")
    outcome = given(*FIRST_TURN).when(ask(2, change=change)).then(queued(2, change=change))
    assert outcome.state.settings == SETTINGS
    settings = replace(SETTINGS, model="m-2")
    given(*FIRST_TURN, *outcome.events).when(report("t1/1", FINISHED)).then(
        ENDED,
        TurnCompleted(),
        SettingsChanged(change),
        begun(2, settings),
        replace(calling("t2/1"), model="m-2"),
    )


def test_a_waiting_input_keeps_its_settings_when_others_change() -> None:
    """It asked for the model that was in force when it was sent; the one before it asks for another."""
    other, same = SettingsChange(model="m-2"), SettingsChange(model="m-1")
    waiting = (*FIRST_TURN, queued(2, change=other))
    third = given(*waiting).when(ask(3, change=same)).then(queued(3, change=same))
    second = given(*waiting, *third.events).when(report("t1/1", FINISHED))
    given(*waiting, *third.events, *second.events).when(report("t2/1", FINISHED)).then(
        ENDED, TurnCompleted(), SettingsChanged(same), begun(3), calling("t3/1")
    )
