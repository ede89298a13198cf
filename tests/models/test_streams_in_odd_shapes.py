"""A part that is not needed never ends a turn, and a part that can be read in one way only is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.core.values.foreign_json import whole_characters
from codexd.core.values.model_output import ItemStarted, ModelResponseDone, TextDelta
from codexd.core.values.provider_items import CallItem, MessageItem, read_item
from codexd.models.chat.stream import ChatReader
from codexd.models.responses.stream import ResponseReader
from codexd.models.sse import EventStreamReader
from odd_streams import chat, choice, given, items, responses, shown, stream

MESSAGE = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi"}],
}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": ""}


def done(item: dict[str, Any] | None, index: int | None = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item, "output_index": index}


def added(item: dict[str, Any] | None, index: int | None = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "item": item, "output_index": index}


def text(text: str, **place: Any) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "delta": text, **place}


def completed(*output: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "r", "output": list(output)}}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "tool_search_call", "id": "t1", "call_id": None, "arguments": {"query": "x"}},
        {"type": "reasoning", "id": "r1", "summary": None, "content": None},
        {"type": "reasoning", "id": "r1", "summary": [7, {"type": None, "text": None}]},
        {"type": "web_search_call", "id": 7, "action": []},
        {**MESSAGE, "phase": {}, "content": [{"type": "output_text", "text": "Hi", "detail": 7}]},
        {**MESSAGE, "content": [*MESSAGE["content"], {"type": None, "text": None}]},
    ],
)
def test_an_item_with_members_of_other_types_ends_no_response(item: dict[str, Any]) -> None:
    events = responses(added(item), done(item), done({**MESSAGE, "id": "last"}, 1), completed())
    assert len(items(events)) == 2
    assert len([event for event in events if isinstance(event, ItemStarted)]) == 2


def test_an_event_with_members_of_other_types_ends_no_response() -> None:
    odd = {**text("Hi", item_id="m1"), "content_index": "0", "summary_index": []}
    assert shown(responses(added(MESSAGE), odd, done(MESSAGE), completed())) == "Hi"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (CALL, {"type": "response.function_call_arguments.done", "arguments": '{"a":1}'}),
        (
            {"type": "custom_tool_call", "id": "f1", "call_id": "c1", "name": "p", "input": ""},
            {"type": "response.custom_tool_call_input.done", "input": '{"a":1}'},
        ),
    ],
)
def test_arguments_that_only_their_own_event_has_are_those_of_the_call(
    item: dict[str, Any], said: dict[str, Any]
) -> None:
    said |= {"item_id": "f1", "output_index": 0}
    events = responses(added(item), said, done(item), completed())
    assert given(events) == ['{"a":1}']
    stored = read_item(items(events)[0].item)
    assert isinstance(stored, CallItem)
    assert stored.given == '{"a":1}'


def test_arguments_that_are_an_object_are_its_json() -> None:
    events = responses(done({**CALL, "arguments": {"a": 1}}), completed())
    assert given(events) == ['{"a":1}']
    assert b'"arguments":"{' in bytes(items(events)[0].item)


@pytest.mark.parametrize(
    "end", [[completed(MESSAGE)], [done(MESSAGE), completed()], [done(MESSAGE, None), completed()]]
)
def test_deltas_with_neither_id_nor_place_are_of_the_item_that_comes_whole(
    end: list[dict[str, Any]],
) -> None:
    events = responses(text("H"), text("i"), *end)
    (item,) = items(events)
    assert shown(events) == "Hi"
    deltas = [event for event in events if isinstance(event, ItemStarted | TextDelta)]
    assert {event.item_id for event in deltas} == {item.item_id}


@pytest.mark.parametrize("index", [0, None])
def test_an_item_that_is_done_twice_counts_once(index: int | None) -> None:
    assert len(items(responses(done(MESSAGE, index), done(MESSAGE, index), completed()))) == 1


def test_a_call_that_is_done_twice_is_made_once() -> None:
    call = {**CALL, "arguments": "{}"}
    assert given(responses(added(call), done(call), done(call), completed())) == ["{}"]


def test_a_call_that_is_no_list_is_made() -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
    assert given(chat(choice("tool_calls", tool_calls=call))) == ["{}"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "reasoning_text"])
@pytest.mark.parametrize("value", [[{"text": "Hm"}], 7, {"a": []}])
def test_reasoning_of_another_shape_ends_no_answer(name: str, value: object) -> None:
    delta: dict[str, Any] = {name: value}
    assert shown(chat(choice(content="Hi", **delta))) == "Hi"


def test_content_of_another_shape_is_an_error() -> None:
    reader = ChatReader()
    reader.feed(EventStreamReader().feed(stream(choice(content=7))))
    assert reader.error is not None


# Halves of surrogate pairs.

HALVES = ("hi \\ud83d", "\\ude00 bye")


def test_a_character_cut_in_two_is_shown_as_replacement_characters() -> None:
    chunks = [b'{"choices":[{"delta":{"content":"%b"}}]}' % half.encode() for half in HALVES]
    assert shown(chat(*chunks, choice())) == "hi \ufffd\ufffd bye"
    deltas = [b'{"type":"response.output_text.delta","delta":"%b"}' % h.encode() for h in HALVES]
    item = b'{"type":"response.output_item.done","item":{"type":"message","id":"\\ud83d"}}'
    events = responses(*deltas, item, completed())
    assert shown(events) == "hi \ufffd\ufffd bye"
    assert msgspec.json.decode(items(events)[0].item)["id"] == "\ufffd"


@pytest.mark.parametrize(
    ("json", "whole"),
    [
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\uD83D"', rb'"\ufffd"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\ud83', rb'"\ud83'),
        (b'"plain"', b'"plain"'),
    ],
)
def test_only_halves_are_replaced(json: bytes, whole: bytes) -> None:
    assert whole_characters(json) == whole


# Responses in other shapes and places.

LONG = {**MESSAGE, "id": "msg_0123456789"}
LOOK = {**CALL, "arguments": '{"a":1}'}
ARGUMENTS = "response.function_call_arguments"


@pytest.mark.parametrize(
    "item",
    [
        {**MESSAGE, "content": "Hi"},
        {**MESSAGE, "content": {"type": "output_text", "text": "Hi"}},
        {**MESSAGE, "content": ["Hi"]},
        {**MESSAGE, "content": [None, {"type": "text", "text": "Hi"}]},
        {**MESSAGE, "content": [{"type": "refusal", "refusal": "Hi"}]},
        {**MESSAGE, "id": None, "role": None, "status": None},
        {key: value for key, value in MESSAGE.items() if key != "type"},
    ],
)
def test_a_message_in_another_shape_is_read(item: dict[str, Any]) -> None:
    (whole,) = items(responses(done(item), completed()))
    read = read_item(whole.item)
    assert isinstance(read, MessageItem)
    assert read.text == "Hi"


@pytest.mark.parametrize(
    "events",
    [
        [text("Hi", item_id="m1", output_index=0)],
        [text("H"), text("i")],
        [text("Hi", item_id="a"), done(LONG)],
        [
            text("Hi", item_id="m1", output_index=0),
            done(MESSAGE),
            text("Hi", item_id="m1", output_index=0),
        ],
        [text("Hi", item_id="m1"), done(MESSAGE, None), done(MESSAGE, None)],
        [text("Hi", item_id=LONG["id"]), done(LONG), done(LONG, 1)],
        [
            added(None),
            {**text("Hi", item_id="m1"), "sequence_number": "x"},
            done(None),
            done(MESSAGE),
        ],
        [
            text("H", item_id="m1"),
            {**text("i", item_id="m1"), "delta": {"text": "i"}},
            done(MESSAGE),
        ],
    ],
    ids=[
        *("no item", "no item, no id", "another id", "a delta too late", "said twice"),
        *("in another place", "without an item", "a delta as an object"),
    ],
)
def test_a_message_is_shown_and_kept_once(events: list[dict[str, Any]]) -> None:
    found = responses(*events, completed())
    assert shown(found) == "Hi"
    (whole,) = items(found)
    read = read_item(whole.item)
    assert isinstance(read, MessageItem)
    assert read.text == "Hi"


def test_two_messages_of_one_id_without_a_place_are_two() -> None:
    second = {**MESSAGE, "content": [{"type": "output_text", "text": "Ho"}]}
    events = [text("Hi", item_id="m1"), done(MESSAGE, None), text("Ho", item_id="m1")]
    found = responses(*events, done(second, None), completed())
    assert (shown(found), len(items(found))) == ("HiHo", 2)


@pytest.mark.parametrize(
    "events",
    [
        [done({**CALL, "arguments": {"a": 1}})],
        [
            added(CALL),
            {"type": f"{ARGUMENTS}.delta", "item_id": "f1", "delta": '{"a":1}'},
            done(CALL),
        ],
        [
            added(CALL),
            {"type": f"{ARGUMENTS}.done", "item_id": "f1", "arguments": {"a": 1}},
            done(CALL),
        ],
        [
            added(CALL),
            {"type": f"{ARGUMENTS}.done", "item_id": "f1", "arguments": '{"a":1}'},
            done({**CALL, "arguments": "{}"}),
        ],
        [added(CALL), {"type": f"{ARGUMENTS}.done", "output_index": 0, "arguments": '{"a":1}'}],
        [done(LOOK), done(LOOK)],
        [done(LOOK), done(LOOK, 1)],
    ],
    ids=[
        *("an object", "in deltas only", "an object at the end", "an empty object at the end"),
        *("no item", "said twice", "in two places"),
    ],
)
def test_a_call_is_made_once_with_its_arguments(events: list[dict[str, Any]]) -> None:
    assert given(responses(*events, completed())) == ['{"a":1}']


@pytest.mark.parametrize(
    "end",
    [
        b'{"type":"response.completed"}',
        b'{"type":"response.completed","response":null}',
        b'{"type":"response.completed","response":{"id":7,"output":{},"end_turn":"yes","error":{}}}',
        b'{"type":"response.completed","response":{"id":"r","temperature":NaN}}',
        b'{"type":"response.done","response":{"id":"r"}}',
    ],
)
def test_an_end_in_another_shape_is_an_end(end: bytes) -> None:
    first = stream(b"ping", b"null", done(MESSAGE))
    named = stream(done(MESSAGE)).replace(b'"type":"response.output_item.done",', b'"type":null,')
    for sent in (first, b"event: response.output_item.done\n" + named):
        frames, reader = EventStreamReader(), ResponseReader()
        found = reader.feed(frames.feed(sent + b"data: " + end))
        found += reader.feed(frames.end())
        assert (reader.error, reader.completed, len(items(found))) == (None, True, 1)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"type": "response.incomplete", "response": {"id": "r"}}, "unknown"),
        ({"type": "response.incomplete", "response": {"incomplete_details": "max"}}, "max"),
        (
            {"type": "response.completed", "response": {"incomplete_details": {"reason": "max"}}},
            "max",
        ),
        ({"type": "response.completed", "response": {"status": "incomplete"}}, "unknown"),
        ({"type": "response.completed", "response": {"status": "completed"}}, "unknown"),
    ],
)
def test_a_response_that_was_cut_off_says_so(end: dict[str, Any], reason: str) -> None:
    found = responses(done({**MESSAGE, "status": "incomplete"}), end)
    assert [e.incomplete for e in found if isinstance(e, ModelResponseDone)] == [reason]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "response.failed", "response": {"error": "dry"}}, "dry"),
        ({"type": "response.failed", "response": {"error": None}}, "no reason given"),
        ({"type": "response.completed", "response": {"status": "failed"}}, "no reason given"),
        ({"type": "response.completed", "response": {"status": "cancelled"}}, "cancelled"),
        ({"type": "response.cancelled", "response": {}}, "cancelled"),
        ({"message": "dry", "code": 500}, "dry"),
        ({"detail": "dry"}, "dry"),
        ({"errors": [{"message": "dry"}]}, "dry"),
    ],
)
def test_a_response_that_failed_is_an_error_with_its_words(
    event: dict[str, Any], message: str
) -> None:
    reader = ResponseReader()
    reader.feed(EventStreamReader().feed(stream(event)))
    reader.end()
    assert reader.error is not None
    assert message in reader.error.message
    assert "{" not in reader.error.message
