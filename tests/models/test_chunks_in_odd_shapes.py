"""A chat answer that can be read in one way only is read, in any frame, place or shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexd.core.values.model_output import ModelResponseDone
from codexd.models.chat.stream import ChatReader
from codexd.models.sse import DONE, EventStreamReader
from odd_streams import chat, chat_of, choice, given, shown, stream

STOP = choice("stop")


@pytest.mark.parametrize("value", [7, "Hm", {"type": "x"}, [7], [None], [{"text": None}], False])
def test_reasoning_details_of_another_shape_end_no_answer(value: object) -> None:
    assert shown(chat(choice(content="Hi", reasoning_details=value))) == "Hi"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": [{"type": "text", "text": "H"}, {"type": "output_text", "text": "i"}]},
        {"content": ["H", "i"]},
        {"content": {"type": "text", "text": "Hi"}},
        {"content": [None, {"type": "text", "text": {"value": "Hi", "annotations": []}}]},
        {"content": "Hi", "refusal": False},
        {"content": "Hi", "refusal": {"a": 1}},
        {"content": "Hi", "tool_calls": False, "function_call": ""},
        {"content": "Hi", "tool_calls": [None]},
        {"content": "Hi", "role": ["assistant"], "audio": {"id": 1}},
    ],
)
def test_an_answer_in_another_shape_is_shown(delta: dict[str, Any]) -> None:
    assert shown(chat(choice("stop", **delta))) == "Hi"


WHOLE = b'{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
MESSAGE = {"role": "assistant", "content": "Hi"}


@pytest.mark.parametrize(
    "sent",
    [
        b"data:" + WHOLE + b"\n\ndata:[DONE]\n\n",
        b"data: " + WHOLE + b"\r\n\r\ndata: [DONE]\r\n\r\n",
        b" data: " + WHOLE + b"\n\n data: [DONE]\n\n",
        b"\xef\xbb\xbfdata: " + WHOLE + b"\n\n",
        b"data: data: " + WHOLE + b"\n\ndata: data: [DONE]\n\n",
        b"data: [" + WHOLE + b"]\n\n",
        b"data: " + WHOLE + b"\ndata: [DONE]\n\n",
        b"data: ping\n\ndata: null\n\n: busy\n\nevent: ping\n\ndata: " + WHOLE + b"\n\n",
        b'data: {"type":"ping"}\n\ndata: ' + WHOLE + b"\n\ndata: [done]\n\n",
        b"data: " + WHOLE + b'\n\ndata: "[DONE]"\n\n',
        b"data: " + WHOLE.replace(b'"index":0', b'"index":"0","logprobs":NaN') + b"\n\n",
        b"data: " + WHOLE + b"\n",
        b"data: " + WHOLE,
    ],
)
def test_a_chunk_in_any_frame_is_read(sent: bytes) -> None:
    assert shown(chat_of(sent)) == "Hi"


@pytest.mark.parametrize(
    "chunks",
    [
        [{"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}],
        [{"choices": {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}}],
        [{"choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]}],
        [{"choices": [{"index": 0, "delta": "Hi", "finish_reason": {"type": "stop"}}]}],
        [{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": False}]}, STOP],
        [{"choices": [{"delta": {"content": "Hi"}, "message": MESSAGE}]}, STOP],
        [{"choices": [{"delta": {"content": "Hi"}}]}, {"choices": [{"message": MESSAGE}]}, STOP],
        [
            {"choices": [{"message": {"content": "H"}}]},
            {"choices": [{"message": MESSAGE, "finish_reason": "stop"}]},
        ],
        [
            {"choices": [{"message": {"content": "H"}}]},
            {"choices": [{"message": {"content": "i"}, "finish_reason": "stop"}]},
        ],
        [
            {"choices": None},
            {"choices": []},
            {"choices": [{"delta": None}]},
            choice(content="Hi"),
            STOP,
        ],
    ],
)
def test_an_answer_in_another_place_is_shown_once(chunks: list[dict[str, Any]]) -> None:
    assert shown(chat(*chunks)) == "Hi"


LOOK = {"name": "look", "arguments": '{"a":1}'}


@pytest.mark.parametrize(
    "deltas",
    [
        [{"tool_calls": [{"index": 0, "id": "c1", **LOOK}]}],
        [{"tool_calls": [{"index": "0", "id": 7, "function": LOOK}]}],
        [{"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {"a": 1}}}]}],
        [{"tool_calls": json.dumps([{"id": "c1", "function": LOOK}])}],
        [{"tool_calls": [{"id": "c1", "function": "look", "arguments": '{"a":1}'}]}],
        [{"tool_calls": [{"id": "c1", "function": {"name": " look ", "arguments": '{"a":1}'}}]}],
        [
            {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": '{"a"'}}]},
            {"tool_calls": [{"index": 0, "id": "c1", "function": LOOK}]},
        ],
        [
            {"tool_calls": [{"index": 0, "id": "c1", "function": None}]},
            {"tool_calls": [{"index": 0, "function": LOOK}]},
        ],
        [{"function_call": {"name": "look", "arguments": ""}}, {"function_call": LOOK}],
    ],
)
def test_a_call_in_another_shape_is_made(deltas: list[dict[str, Any]]) -> None:
    assert given(chat(*(choice(**delta) for delta in deltas), choice("tool_calls"))) == ['{"a":1}']


@pytest.mark.parametrize(
    ("reason", "incomplete"),
    [
        *((reason, "max_output_tokens") for reason in ("length", "MAX_TOKENS", "model_length")),
        *((reason, "max_output_tokens") for reason in ("max_tokens", "max-output-tokens")),
        *((reason, "content_filter") for reason in ("content_filter", "SAFETY", "refusal")),
        *((reason, "content_filter") for reason in ("RECITATION", "guardrail_intervened")),
    ],
)
def test_an_answer_that_was_cut_off_says_why(reason: str, incomplete: str) -> None:
    events = chat(choice(reason, content="half an ans"))
    assert [e.incomplete for e in events if isinstance(e, ModelResponseDone)] == [incomplete]


@pytest.mark.parametrize(
    ("reason", "text", "info"),
    [
        (
            "insufficient_system_resource",
            "half",
            {"responseStreamDisconnected": {"httpStatusCode": None}},
        ),
        ("network_error", "half", {"responseStreamDisconnected": {"httpStatusCode": None}}),
        ("aborted", "half", {"responseStreamDisconnected": {"httpStatusCode": None}}),
        ("malformed_tool_use", "half", {"responseStreamDisconnected": {"httpStatusCode": None}}),
        ("model_context_window_exceeded", "", "contextWindowExceeded"),
    ],
)
def test_an_answer_that_broke_off_is_an_error(reason: str, text: str, info: object) -> None:
    reader = ChatReader()
    reader.feed(EventStreamReader().feed(stream(choice(reason, content=text), DONE)))
    assert reader.error is not None
    assert reader.error.info == info


COUNTED = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "chunks",
    [
        [choice("stop", content="Hi"), {"choices": [], "usage": COUNTED}],
        [{**choice(None, content="Hi"), "usage": COUNTED}, {**choice("stop"), "usage": None}],
        [{**choice(None, content="Hi"), "usage": COUNTED}, {**choice("stop"), "usage": NOTHING}],
        [{"choices": [{**choice("stop", content="Hi")["choices"][0], "usage": COUNTED}]}],
        [{**choice("stop", content="Hi"), "x_groq": {"usage": COUNTED}}],
        [{**choice("stop", content="Hi"), "usage": NOTHING}, {"choices": [], "usage": COUNTED}],
    ],
)
def test_usage_is_found_wherever_it_is(chunks: list[dict[str, Any]]) -> None:
    (ended,) = [event for event in chat(*chunks) if isinstance(event, ModelResponseDone)]
    assert ended.usage is not None
    assert json.loads(bytes(ended.usage)) == COUNTED


def test_an_answer_that_pauses_goes_on() -> None:
    (ended,) = [
        e for e in chat(choice("pause_turn", content="Hi")) if isinstance(e, ModelResponseDone)
    ]
    assert ended.end_turn is False
