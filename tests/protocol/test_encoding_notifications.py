"""Notifications as bytes: golden examples, and the short encoding of deltas equals the long encoding."""

from __future__ import annotations

import msgspec
import pytest

from codexd.core.values.ids import ItemId
from codexd.core.values.items import AgentMessage, TurnError
from codexd.protocol.notifications import (
    NOTIFICATIONS,
    AgentMessageDeltaNotification,
    CommandExecutionOutputDeltaNotification,
    DeltaEncoder,
    ErrorNotification,
    ItemStartedNotification,
    ReasoningSummaryTextDeltaNotification,
    ReasoningTextDeltaNotification,
    ThreadStatusChangedNotification,
    TurnCompletedNotification,
    encode_notification,
    with_seq,
)
from codexd.protocol.threads import Active, Idle
from codexd.protocol.turns import Turn

AT = 1795226697982
TRICKY = 'a "quoted"\nline \\ with\ttab, \x00, é and 🙂'


def test_a_status() -> None:
    busy = ThreadStatusChangedNotification(thread_id="t", status=Active(("waitingOnApproval",)))
    assert encode_notification("thread/status/changed", busy, AT) == (
        b'{"method":"thread/status/changed","params":{"threadId":"t","status":{"type":"active",'
        b'"activeFlags":["waitingOnApproval"]}},"emittedAtMs":1795226697982}'
    )
    idle = ThreadStatusChangedNotification(thread_id="t", status=Idle())
    assert b'"status":{"type":"idle"}' in encode_notification("thread/status/changed", idle, AT)


def test_a_turn_that_failed() -> None:
    turn = Turn(
        id="u",
        root_turn_id="u",
        status="failed",
        error=TurnError("Codex ran out of room", "contextWindowExceeded"),
        started_at=1795226730,
        completed_at=1795226730,
        duration_ms=83,
    )
    done = TurnCompletedNotification(thread_id="t", turn=turn)
    assert encode_notification("turn/completed", done, AT) == (
        b'{"method":"turn/completed","params":{"threadId":"t","turn":{"id":"u","rootTurnId":"u",'
        b'"items":[],"itemsView":"notLoaded","status":"failed","error":{"message":"Codex ran out of '
        b'room","codexErrorInfo":"contextWindowExceeded","additionalDetails":null},'
        b'"startedAt":1795226730,"completedAt":1795226730,"durationMs":83}},'
        b'"emittedAtMs":1795226697982}'
    )


def test_an_item_may_be_encoded_already() -> None:
    item = AgentMessage(id=ItemId("m"), text="hi")
    raw = msgspec.Raw(msgspec.json.encode(item))
    typed = ItemStartedNotification(item, "t", "u", AT)
    ready = ItemStartedNotification(raw, "t", "u", AT)
    assert encode_notification("item/started", typed, AT) == encode_notification(
        "item/started", ready, AT
    )


def test_a_retry_is_sent() -> None:
    error = TurnError(
        "Reconnecting... 1/5", {"responseStreamDisconnected": {"httpStatusCode": 401}}
    )
    told = ErrorNotification(error, will_retry=True, thread_id="t", turn_id="u")
    assert b'"codexErrorInfo":{"responseStreamDisconnected":{"httpStatusCode":401}}' in (
        encode_notification("error", told, AT)
    )


@pytest.mark.parametrize("text", ["", "hi ", TRICKY])
def test_deltas_the_short_way_are_the_same_as_the_long_way(text: str) -> None:
    long = AgentMessageDeltaNotification(thread_id="t", turn_id="u", item_id='i"', delta=text)
    short = DeltaEncoder("item/agentMessage/delta", "t", "u", 'i"')
    assert short.encode(text, AT) == encode_notification("item/agentMessage/delta", long, AT)


def test_deltas_of_parts_and_of_output() -> None:
    at = {"thread_id": "t", "turn_id": "u", "item_id": "i"}
    method = "item/reasoning/summaryTextDelta"
    assert DeltaEncoder(method, *at.values(), summary_index=2).encode(
        "x", AT
    ) == encode_notification(
        method, ReasoningSummaryTextDeltaNotification(**at, summary_index=2, delta="x"), AT
    )
    method = "item/reasoning/textDelta"
    assert DeltaEncoder(method, *at.values(), content_index=0).encode(
        "x", AT
    ) == encode_notification(
        method, ReasoningTextDeltaNotification(**at, content_index=0, delta="x"), AT
    )
    method = "item/commandExecution/outputDelta"
    assert DeltaEncoder(method, *at.values()).encode("x\n", AT) == encode_notification(
        method, CommandExecutionOutputDeltaNotification(**at, delta="x\n"), AT
    )


def test_a_client_that_asked_for_cursors_gets_them_last() -> None:
    body = DeltaEncoder("item/agentMessage/delta", "t", "u", "i").encode("hé", AT)
    assert with_seq(body, 41, 3) == body[:-1] + b',"seq":41,"offset":3}'
    assert with_seq(body, 41) == body[:-1] + b',"seq":41}'
    assert msgspec.json.decode(with_seq(body, 41, 3))["offset"] == 3


def test_the_table_names_every_notification_once() -> None:
    assert len(set(NOTIFICATIONS.values())) == len(NOTIFICATIONS)
    assert list(NOTIFICATIONS) == sorted(NOTIFICATIONS)
