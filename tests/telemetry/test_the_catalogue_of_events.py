"""Records of a thread as the events of Codex's catalogue: names, attributes, types, and what is left out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from builders import (
    BROKEN,
    ENDED,
    SETTINGS,
    STARTED,
    begun,
    calling,
    ended,
    line,
    made,
    queued,
    runs,
)
from codexd.core.events import events as e
from codexd.core.events.events import Event
from codexd.core.values.exchange import Exchange
from codexd.core.values.ids import ApprovalId, CallId, ItemId, ProcessId, TurnId
from codexd.core.values.items import ImageInput, TextInput, TurnError
from codexd.core.values.tool_actions import Decision, McpToolCall, ToolResult, ViewImage
from codexd.telemetry.signals.items import LogEvent
from codexd.telemetry.signals.log_events import CUT, Described, LogEvents, preview
from telemetry_house import BEGUN, DESCRIBED, NOON_MS, THREAD, fold

COMMON = {
    "conversation.id": THREAD,
    "app.version": "9",
    "terminal.type": "tty",
    "model": "m-1",
    "slug": "m-1",
    "originator": "tests",
}
USAGE = msgspec.Raw(
    b'{"input_tokens":100,"output_tokens":20,"total_tokens":120,'
    b'"input_tokens_details":{"cached_tokens":64},"output_tokens_details":{"reasoning_tokens":8}}'
)


def events_of(
    *events: Event, described: Described = DESCRIBED, by: str | None = None
) -> list[dict[str, Any]]:
    """The attributes of each event, its name first, without those that all have."""
    found = []
    for item in fold(LogEvents(described), *events, by=by):
        assert isinstance(item, LogEvent)
        assert item.attributes["event.name"] == item.name
        assert {**COMMON, **described.account}.items() <= item.attributes.items()
        known = {*COMMON, *described.account, "event.timestamp"}
        found.append({key: value for key, value in item.attributes.items() if key not in known})
    return found


def last(*events: Event, by: str | None = None) -> dict[str, Any]:
    return events_of(*events, by=by)[-1]


def test_a_thread_begins_with_its_settings() -> None:
    settings = replace(SETTINGS, effort="high", summary="detailed")
    described = replace(DESCRIBED, mcp_servers=("a", "b"))
    (event,) = events_of(replace(STARTED, settings=settings), described=described)
    assert event == {
        "event.name": "codex.conversation_starts",
        "provider_name": "p",
        "reasoning_effort": "high",
        "reasoning_summary": "detailed",
        "approval_policy": "untrusted",
        "sandbox_policy": "workspace-write",
        "mcp_servers": "a, b",
    }


def test_an_event_has_its_time_its_id_and_the_account() -> None:
    account = {"auth_mode": "Chatgpt", "user.email": "a@b.c"}
    (item,) = fold(LogEvents(replace(DESCRIBED, account=account)), STARTED)
    assert isinstance(item, LogEvent)
    assert item.attributes["event.timestamp"] == "2026-11-21T03:00:00.010Z"
    assert item.attributes["user.email"] == "a@b.c"
    assert item.uid == f"{THREAD}/1/0"


@pytest.mark.parametrize("shown", [False, True])
def test_a_prompt_is_redacted_unless_it_is_opted_in(shown: bool) -> None:
    content = (TextInput("Grü"), ImageInput("data:x"), TextInput("ße 🙂"))
    described = replace(DESCRIBED, log_user_prompt=shown)
    steered = e.TurnSteered(ItemId("u2"), content)
    asked = e.InputQueued(ItemId("u1"), TurnId("t1"), content)
    found = events_of(STARTED, asked, begun(1), steered, described=described)[1:]
    assert (
        found
        == [
            {
                "event.name": "codex.user_prompt",
                "prompt_length": "7",
                "prompt": "Grüße 🙂" if shown else "[REDACTED]",
            }
        ]
        * 2
    )


def test_an_answer_is_a_request_its_stream_and_twice_its_end() -> None:
    stream = (("response.created", 3), ("response.output_item.done", 40), ("response.completed", 0))
    exchange = Exchange("/responses", 200, 25, 31, "ray-1", stream)
    ended_call = e.ModelCallEnded(90, usage=USAGE, exchange=exchange)
    found = events_of(*BEGUN, calling("t1/1", 2), ended_call)[2:]
    assert found == [
        {
            "event.name": "codex.api_request",
            "attempt": 1,
            "duration_ms": "25",
            "http.response.status_code": 200,
            "auth.cf_ray": "ray-1",
            "endpoint": "/responses",
        },
        *(
            {"event.name": "codex.sse_event", "event.kind": kind, "duration_ms": str(waited)}
            for kind, waited in stream
        ),
        {
            "event.name": "codex.sse_event",
            "event.kind": "response.completed",
            "input_token_count": "100",
            "output_token_count": "20",
            "cached_token_count": 64,
            "reasoning_token_count": 8,
            "tool_token_count": "120",
            "ttft_ms": 31,
        },
    ]


def test_what_happened_within_a_request_has_the_time_when_it_did() -> None:
    exchange = Exchange("/responses", 200, 2, 3, stream=(("a", 1), ("b", 3), ("c", 9000)))
    items = fold(LogEvents(DESCRIBED), *BEGUN, calling("t1/1"), replace(ENDED, exchange=exchange))
    times = [item.at_ms - NOON_MS for item in items[2:] if isinstance(item, LogEvent)]
    # The request began at 40, and its end was recorded at 50: nothing was later.
    assert times == [42, 43, 46, 50, 50]


def test_a_request_that_was_refused_has_its_status_and_why() -> None:
    error = TurnError("Reconnecting... 1/5", None, "HTTP 503 overloaded")
    exchange = Exchange("/responses", 503, 12)
    failed = e.ModelCallFailed(error, "request", True, 200, exchange=exchange)
    assert events_of(*BEGUN, calling("t1/1"), failed)[2:] == [
        {
            "event.name": "codex.api_request",
            "attempt": 0,
            "duration_ms": "12",
            "http.response.status_code": 503,
            "error.message": "HTTP 503 overloaded",
            "endpoint": "/responses",
        }
    ]


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        # The event of the stream that says it has the message; what no event says is one without a kind.
        ((("response.failed", 7),), {"event.kind": "response.failed", "duration_ms": "7"}),
        ((("response.created", 7),), {"duration_ms": "0"}),
    ],
)
def test_a_stream_that_fails_says_why(
    stream: tuple[tuple[str, int], ...], failure: dict[str, str]
) -> None:
    exchange = Exchange("/responses", 200, 12, stream=stream)
    failed = e.ModelCallFailed(BROKEN, "stream", False, exchange=exchange)
    request, *_, event = events_of(*BEGUN, calling("t1/1"), failed)[2:]
    assert "error.message" not in request
    assert event == {
        "event.name": "codex.sse_event",
        "error.message": "the stream broke",
        **failure,
    }


def test_a_request_that_a_restart_or_an_interrupt_ended_is_one_event() -> None:
    restarted = e.ModelCallFailed(TurnError("restarted"), "restart", True)
    assert events_of(*BEGUN, calling("t1/1"), restarted)[2:] == [
        {"event.name": "codex.sse_event", "duration_ms": "0", "error.message": "restarted"}
    ]
    assert events_of(*BEGUN, calling("t1/1"), e.TurnInterrupted())[2:] == [
        {
            "event.name": "codex.api_request",
            "attempt": 0,
            "duration_ms": "10",
            "error.message": "interrupted",
        }
    ]


ASKED = e.ApprovalRequested(ApprovalId("a1"), CallId("c1"), line("rm x"), "why", "untrusted")


@pytest.mark.parametrize(
    ("decision", "sent"),
    [
        ("accept", "approved"),
        ("acceptForSession", "approved_for_session"),
        ("decline", "denied"),
        ("cancel", "abort"),
    ],
)
def test_a_decision_has_its_word_and_its_source(decision: Decision, sent: str) -> None:
    decided = e.ApprovalDecided(ApprovalId("a1"), decision)
    event = last(*BEGUN, made("c1"), ASKED, decided, by="codexctl:1")
    assert event == {
        "event.name": "codex.tool_decision",
        "tool_name": "shell",
        "call_id": "c1",
        "decision": sent,
        "source": "user",
    }
    # What a person allowed is not decided once more when it runs.
    assert last(*BEGUN, made("c1"), ASKED, decided, runs("c1", "rm x"), by="codexctl:1") == event


def test_what_runs_without_a_question_was_approved_by_the_config() -> None:
    event = last(*BEGUN, made("c1"), runs("c1", "ls"))
    assert (event["decision"], event["source"]) == ("approved", "config")
    # A call that a restart takes up was decided before; a picture needs no permission.
    again = e.ToolStarted(CallId("c1"), line("ls"), again="adopt")
    assert len(events_of(*BEGUN, made("c1"), runs("c1", "ls"), again)) == 3
    assert (
        last(*BEGUN, made("c1"), e.ToolStarted(CallId("c1"), ViewImage("/x")))["event.name"]
        == "codex.user_prompt"
    )


def test_a_tools_result_has_its_arguments_whole_and_its_output_in_part() -> None:
    call = e.ToolCallRef(CallId("ours"), "shell", answers="call_1")
    arguments = "x" * 9000
    item = msgspec.json.encode({"type": "function_call", "arguments": arguments})
    completed = e.ItemCompleted(ItemId("i"), "call", msgspec.Raw(item), None, call)
    result = ToolResult("failed", "é" * 2000, "", 1, 45)
    event = last(*BEGUN, completed, e.ToolEnded(CallId("ours"), result))
    assert event == {
        "event.name": "codex.tool_result",
        "tool_name": "shell",
        "call_id": "call_1",
        "arguments": arguments,
        "duration_ms": "45",
        "success": "false",
        "output": "é" * 1024 + CUT,
        "output_truncated": True,
        "tool_result_seq": 1,
    }


def test_a_result_of_an_mcp_server_names_it() -> None:
    action = McpToolCall("files", "read", "{}")
    started = e.ToolStarted(CallId("c1"), action)
    event = last(*BEGUN, made("c1"), started, ended("c1"))
    assert (event["mcp_server"], event["success"]) == ("files", "true")


def test_a_preview_is_cut_between_characters() -> None:
    assert preview("abc", 3) == ("abc", False)
    assert preview("ab🙂", 5) == (f"ab{CUT}", True)
    assert preview("", 0) == ("", False)


def test_output_of_a_process_that_goes_on_is_no_second_result() -> None:
    first = e.ToolEnded(CallId("c1"), ToolResult("completed", "so far"), ProcessId("7"))
    over = e.ProcessEnded(ProcessId("7"), ToolResult("completed", "all"))
    found = events_of(*BEGUN, made("c1"), runs("c1", "ls"), first, over)
    assert [event["event.name"] for event in found].count("codex.tool_result") == 1


def test_a_turn_that_a_model_was_switched_for_has_that_model() -> None:
    settings = replace(SETTINGS, model="m-2")
    items = fold(LogEvents(DESCRIBED), STARTED, queued(1), begun(1, settings), queued(2))
    assert [item.attributes["model"] for item in items] == ["m-1", "m-1", "m-2"]
