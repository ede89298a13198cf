"""A provider's stream becomes model events: recorded bytes in, the same events out, cut anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd.core.values.model_output import ModelEvent, ModelItemDone
from codexd.core.values.provider_items import MessageItem, read_item
from codexd.models.responses.stream import ResponseReader
from codexd.models.sse import EventStreamReader, ServerSentEvent

CASSETTES = Path(__file__).parent / "cassettes"

USAGE = {
    "input_tokens": 812,
    "input_tokens_details": {"cached_tokens": 768},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 821,
}


def plain(event: ModelEvent) -> dict[str, Any]:
    """An event as JSON says it, with its kind: raw members compare by what is in them."""
    members: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return {"": type(event).__name__} | members


# What the effect says of an item and of a response, and no reader.
UNTIMED = {"started_ms": None}
UNMEASURED = {"duration_ms": 0, "request_id": None, "rate_limits": None, "exchange": None}


def read(*pieces: bytes) -> tuple[list[dict[str, Any]], ResponseReader]:
    frames, reader = EventStreamReader(), ResponseReader("req_1")
    found = [event for piece in pieces for event in reader.feed(frames.feed(piece))]
    reader.end()
    return [plain(event) for event in found], reader


def cassette(name: str) -> bytes:
    return (CASSETTES / f"{name}.sse").read_bytes()


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in events)


def started(item_id: str, kind: str) -> dict[str, Any]:
    return {"": "ItemStarted", "item_id": item_id, "kind": kind}


def text(item_id: str, text: str) -> dict[str, Any]:
    return {"": "TextDelta", "item_id": item_id, "text": text}


def thought(item_id: str, part: str, index: int, text: str) -> dict[str, Any]:
    return {"": "ReasoningDelta", "item_id": item_id, "part": part, "index": index, "text": text}


def finished(
    item_id: str, kind: str, item: dict[str, Any], call: dict[str, Any] | None = None
) -> dict[str, Any]:
    done = {"": "ModelItemDone", "item_id": item_id, "kind": kind, "item": item, "call": call}
    return done | UNTIMED


def completed(response_id: str | None, **members: Any) -> dict[str, Any]:
    rest = {"usage": USAGE, "end_turn": None, "incomplete": None} | members
    return {"": "ModelResponseDone", "response_id": response_id} | rest | UNMEASURED


def message(item_id: str, status: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": list(content),
    }


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def function_call(item_id: str, call_id: str, arguments: str) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": call_id,
        "name": "shell_command",
    }


def made(
    call_id: str, arguments: str, name: str = "shell_command", custom: bool = False
) -> dict[str, Any]:
    call = {"call_id": call_id, "name": name, "arguments": arguments, "custom": custom}
    return call | {"namespace": None}


LS = '{"command":"ls -la"}'
PATCH = "*** Begin Patch\n*** End Patch\n"

EXPECTED: dict[str, list[dict[str, Any]]] = {
    "text": [
        started("msg_0a1", "message"),
        text("msg_0a1", "Grüß"),
        text("msg_0a1", " dich"),
        text("msg_0a1", " ✓"),
        finished("msg_0a1", "message", message("msg_0a1", "completed", output_text("Grüß dich ✓"))),
        completed("resp_01", end_turn=True),
    ],
    "reasoning": [
        started("rs_0b2", "reasoning"),
        thought("rs_0b2", "summary", 0, ""),
        thought("rs_0b2", "summary", 0, "**Plan** "),
        thought("rs_0b2", "summary", 0, "Look."),
        thought("rs_0b2", "summary", 1, ""),
        thought("rs_0b2", "summary", 1, "Then act."),
        thought("rs_0b2", "content", 0, "hm"),
        finished(
            "rs_0b2",
            "reasoning",
            {
                "id": "rs_0b2",
                "type": "reasoning",
                "summary": [
                    {"type": "summary_text", "text": "**Plan** Look."},
                    {"type": "summary_text", "text": "Then act."},
                ],
                "content": [{"type": "reasoning_text", "text": "hm"}],
                "encrypted_content": "gAAAAB-opaque==",
            },
        ),
        completed("resp_02"),
    ],
    "call": [
        started("fc_1", "call"),
        finished("fc_1", "call", function_call("fc_1", "call_1", LS), made("call_1", LS)),
        completed("resp_03"),
    ],
    "parallel_calls": [
        started("fc_1", "call"),
        started("fc_2", "call"),
        finished(
            "fc_2",
            "call",
            function_call("fc_2", "call_2", '{"command":"b"}'),
            made("call_2", '{"command":"b"}'),
        ),
        finished(
            "fc_1",
            "call",
            function_call("fc_1", "call_1", '{"command":"a"}'),
            made("call_1", '{"command":"a"}'),
        ),
        completed("resp_04"),
    ],
    "custom_call": [
        started("ctc_1", "call"),
        finished(
            "ctc_1",
            "call",
            {
                "id": "ctc_1",
                "type": "custom_tool_call",
                "status": "completed",
                "call_id": "call_9",
                "name": "apply_patch",
                "input": PATCH,
            },
            made("call_9", PATCH, name="apply_patch", custom=True),
        ),
        completed("resp_05"),
    ],
    "refusal": [
        started("msg_6", "message"),
        text("msg_6", "I "),
        text("msg_6", "can't."),
        finished(
            "msg_6",
            "message",
            message("msg_6", "completed", {"type": "refusal", "refusal": "I can't."}),
        ),
        completed("resp_06"),
    ],
    "failed": [started("msg_7", "message"), text("msg_7", "Let me")],
    "incomplete": [
        started("msg_8", "message"),
        text("msg_8", "Once upon"),
        finished("msg_8", "message", message("msg_8", "incomplete", output_text("Once upon"))),
        completed("resp_08", incomplete="max_output_tokens"),
    ],
    "provider_tools": [
        started("ws_1", "search"),
        finished(
            "ws_1",
            "search",
            {
                "id": "ws_1",
                "type": "web_search_call",
                "status": "completed",
                "action": {"type": "search", "query": "sse"},
            },
        ),
        completed("resp_09"),
    ],
    "unknown_events": [
        {
            "": "ResponseStarted",
            "request_id": "req_1",
            "rate_limits": {
                "x-codex-primary-used-percent": "41.5",
                "x-codex-primary-window-minutes": "300",
                "x-codex-primary-reset-at": "1763690000",
                "x-codex-credits-has-credits": "true",
                "x-codex-credits-unlimited": "false",
                "x-codex-credits-balance": "9.99",
                "x-codex-plan-type": "pro",
            },
        },
        completed("resp_10"),
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_stream_becomes_these_events(name: str) -> None:
    events, reader = read(cassette(name))
    assert events == EXPECTED[name]
    assert (reader.error is None) == (name != "failed")


@pytest.mark.parametrize("name", [*EXPECTED, "without_ids"])
@pytest.mark.slow
def test_where_the_network_cuts_a_stream_makes_no_difference(name: str) -> None:
    bytes_of_it = cassette(name)
    whole = [without_made_up_ids(event) for event in read(bytes_of_it)[0]]
    for at in range(len(bytes_of_it) + 1):
        pieces, _ = read(bytes_of_it[:at], bytes_of_it[at:])
        assert [without_made_up_ids(event) for event in pieces] == whole
    singly, _ = read(*(bytes([byte]) for byte in bytes_of_it))
    assert [without_made_up_ids(event) for event in singly] == whole


def without_made_up_ids(event: dict[str, Any]) -> dict[str, Any]:
    if str(event.get("item_id", "")).startswith("item_resp_"):
        return event | {"item_id": "made up"}
    return event


def test_a_failed_response_is_an_error_after_the_earlier_events() -> None:
    _, reader = read(cassette("failed"))
    assert reader.error is not None
    assert vars(reader.error) == {
        "message": "Rate limit reached for gpt-6.1-sol. Please try again in 1.898s.",
        "info": "rateLimitExceeded",
        "at": "stream",
        "retry": True,
        "after_ms": 1898,
        "details": None,
        "rate_limits": {},
        "about_images": False,
        "too_many_images": False,
    }


def test_a_cut_stream_is_an_error_that_may_be_retried() -> None:
    whole = cassette("text")
    events, reader = read(whole[: whole.index(b"response.completed")])
    assert events == EXPECTED["text"][:-1]
    assert reader.error is not None
    assert (reader.error.at, reader.error.retry, reader.error.info) == (
        "stream",
        True,
        {"responseStreamDisconnected": {"httpStatusCode": None}},
    )


def test_nothing_is_read_after_the_end_of_a_response() -> None:
    twice = cassette("text") + cassette("refusal")
    assert read(twice)[0] == EXPECTED["text"]


def test_an_item_comes_as_the_provider_sent_it_to_the_byte() -> None:
    item = b'{ "type":"message" ,"id":"m", "n":1.50, "content":[ ] }'
    reader = ResponseReader()
    _, done = reader.feed(
        [ServerSentEvent(b'{"type":"response.output_item.done","item":%b}' % item)]
    )
    assert isinstance(done, ModelItemDone)
    assert bytes(done.item) == item


def test_the_name_of_the_event_replaces_a_missing_type() -> None:
    reader = ResponseReader()
    [event] = reader.feed([ServerSentEvent(b'{"response":{"id":"r"}}', "response.completed")])
    assert plain(event) == completed("r", usage=None)


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b'"text"',
        b'{"type":"response.output_text.delta","delta":7}',
        b'{"type":"response.output_item.added","item":7}',
        b'{"type":"response.output_item.done","item":{"type":"function_call","arguments":7}}',
        b'{"type":"response.completed","response":[]}',
        b'{"type":"response.output_text.delta","delta":"\xff"}',
        b'{"type":"response.completed","response":{"usage":{"x":"\xff"}}}',
        b'{"type":"response.output_item.done","item":{"type":"message","content":["\xff"]}}',
        b'{"type":"response.output_item.done","item":{"type":"message","content":7}}',
        b'{"type":"response.output_item.done","item":{"type":"message","content":[7]}}',
        b'{"type":"response.output_item.done","item":{"type":7,"content":[]}}',
        pytest.param(b'{"item":' + b"[" * 100_000, id="nesting without end"),
    ],
)
def test_an_unreadable_event_is_an_error_that_may_be_retried(data: bytes) -> None:
    reader = ResponseReader()
    assert reader.feed([ServerSentEvent(data)]) == []
    assert reader.error is not None
    assert (reader.error.at, reader.error.retry) == ("stream", True)
    assert "cannot be read" in reader.error.message


@pytest.mark.parametrize(
    ("item", "kind", "said"),
    [
        (b'{"id":"i","type":"message","content":[{"text":"Hi"}]}', "message", "Hi"),
        (b'{"id":"i","type":"message","content":"Hi"}', "message", "Hi"),
        (b'{"id":"i","type":"unheard_of","content":7}', "other", None),
    ],
)
def test_an_item_in_another_shape_that_can_be_read_is_taken(
    item: bytes, kind: str, said: str | None
) -> None:
    events, _ = read(b'data: {"type":"response.output_item.done","item":%b}\n\n' % item)
    assert events == [started("i", kind), finished("i", kind, msgspec.json.decode(item))]
    found = read_item(item)
    assert (found.text if isinstance(found, MessageItem) else None) == said


def test_a_call_without_a_name_is_an_error() -> None:
    item = function_call("fc_1", "call_1", "{}")
    del item["name"]
    events, reader = read(stream({"type": "response.output_item.done", "item": item}))
    assert events == [started("fc_1", "call")]
    assert reader.error is not None
    assert "a function_call without name" in reader.error.message


@pytest.mark.parametrize("given", [None, "", 7])
def test_a_call_without_an_id_for_its_answer_has_one_of_ours(given: object) -> None:
    item = function_call("fc_1", "call_1", "{}") | {"call_id": given}
    events, _ = read(stream({"type": "response.output_item.done", "item": item}, DONE))
    made, kept = events[1]["call"]["call_id"], events[1]["item"]["call_id"]
    assert made == kept == ("7" if given else "fc_1")


def test_of_two_calls_with_one_id_the_second_has_one_of_ours() -> None:
    first, second = (function_call(f"fc_{n}", "call_1", "{}") for n in (1, 2))
    done = [
        {"type": "response.output_item.done", "output_index": n, "item": item}
        for n, item in enumerate((first, second))
    ]
    events, _ = read(stream(*done, DONE))
    finished = [event for event in events if event[""] == "ModelItemDone"]
    assert [event["call"]["call_id"] for event in finished] == ["call_1", "call_1_1"]
    assert [event["item"]["call_id"] for event in finished] == ["call_1", "call_1_1"]


# Providers that keep to the API only roughly.

HELLO = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
DONE = {"type": "response.completed", "response": {"id": "r1"}}
END = completed("r1", usage=None)


def ids_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["item_id"] for event in events if event[""] == "ItemStarted"]


def test_items_without_ids_get_ids_and_begin_with_their_first_delta() -> None:
    events, _ = read(cassette("without_ids"))
    said, called = ids_of(events)
    assert said != called
    assert [event[""] for event in events] == [
        "ItemStarted",
        "TextDelta",
        "TextDelta",
        "ModelItemDone",
        "ItemStarted",
        "ModelItemDone",
        "ModelResponseDone",
    ]
    assert {event["item_id"] for event in events[:4]} == {said}
    assert {event["item_id"] for event in events[4:6]} == {called}


def test_an_item_that_comes_whole_without_having_begun_begins() -> None:
    done = {"type": "response.output_item.done", "output_index": 0, "item": {"id": "m1", **HELLO}}
    assert read(stream(done, DONE))[0] == [
        started("m1", "message"),
        finished("m1", "message", {"id": "m1", **HELLO}),
        END,
    ]


def test_an_id_that_changes_from_event_to_event_is_the_item_of_its_place() -> None:
    events, _ = read(
        stream(
            {"type": "response.output_item.added", "output_index": 0, "item": {"id": "a", **HELLO}},
            {
                "type": "response.output_text.delta",
                "output_index": 0,
                "item_id": "b",
                "delta": "Hi",
            },
            {"type": "response.output_item.done", "output_index": 0, "item": {"id": "c", **HELLO}},
            DONE,
        )
    )
    assert events == [
        started("a", "message"),
        text("a", "Hi"),
        finished("a", "message", {"id": "c", **HELLO}),
        END,
    ]


def test_an_id_that_is_used_twice_names_the_first_item_only() -> None:
    events, _ = read(
        stream(
            {"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_item.added", "output_index": 0, "item": {"id": "x", **HELLO}},
            {"type": "response.output_item.done", "output_index": 0, "item": {"id": "x", **HELLO}},
            {"type": "response.output_item.added", "output_index": 1, "item": {"id": "x", **HELLO}},
            {"type": "response.output_text.delta", "item_id": "x", "delta": "Hi"},
            {"type": "response.output_item.done", "output_index": 1, "item": {"id": "x", **HELLO}},
            DONE,
        )
    )
    assert ids_of(events) == ["x", "item_r1_1"]
    assert events[3] == text("item_r1_1", "Hi")


def test_deltas_with_neither_id_nor_place_belong_to_the_newest_item() -> None:
    events, _ = read(
        stream(
            {"type": "response.output_item.added", "item": {"id": "m", **HELLO}},
            {"type": "response.output_text.delta", "delta": "Hi"},
            {"type": "response.output_item.done", "item": HELLO},
            DONE,
        )
    )
    assert events == [
        started("m", "message"),
        text("m", "Hi"),
        finished("m", "message", HELLO),
        END,
    ]


def test_items_that_only_the_end_has_are_read_there() -> None:
    end = {"type": "response.completed", "response": {"id": "r1", "output": [{"id": "m", **HELLO}]}}
    assert read(stream(end))[0] == [
        started("m", "message"),
        finished("m", "message", {"id": "m", **HELLO}),
        END,
    ]


def test_an_item_that_only_the_end_completes_is_completed_there() -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "m", **HELLO}}
    end = {"type": "response.completed", "response": {"id": "r1", "output": [{"id": "m", **HELLO}]}}
    assert read(stream(begun, end))[0] == [
        started("m", "message"),
        finished("m", "message", {"id": "m", **HELLO}),
        END,
    ]


def test_a_complete_response_with_an_incomplete_item_is_an_error() -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "m", **HELLO}}
    events, reader = read(stream(begun, DONE))
    assert events == [started("m", "message")]
    assert reader.error is not None
    assert "the response is complete, but not its item m" in reader.error.message


def test_an_event_of_the_type_error_ends_the_response() -> None:
    for event in (
        {"type": "error", "code": "server_is_overloaded", "message": "busy", "param": None},
        {"type": "error", "error": {"code": "server_is_overloaded", "message": "busy"}},
    ):
        _, reader = read(stream(event))
        assert reader.error is not None
        assert (reader.error.message, reader.error.info) == ("busy", "serverOverloaded")


def test_a_secret_in_an_error_of_the_stream_is_not_repeated() -> None:
    reader = ResponseReader(secrets=("hunter2-hunter2",))
    reader.feed(
        [ServerSentEvent(b'{"type":"error","code":"x","message":"key hunter2-hunter2 is bad"}')]
    )
    assert reader.error is not None
    assert reader.error.message == "key [secret] is bad"
