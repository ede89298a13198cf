"""A part that nobody needs never ends a turn, and a part that can be read in one way only is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.core.values.foreign_json import whole_characters
from codexd.core.values.model_output import ItemStarted, TextDelta
from codexd.core.values.provider_items import CallItem, read_item
from codexd.models.chat.stream import ChatReader
from codexd.models.sse import EventStreamReader
from odd_streams import chat, choice, given, items, responses, shown, stream

MESSAGE = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi"}],
}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": ""}


def done(item: dict[str, Any], index: int | None = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item, "output_index": index}


def added(item: dict[str, Any], index: int | None = 0) -> dict[str, Any]:
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
def test_an_item_that_is_done_twice_is_one(index: int | None) -> None:
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


def test_a_character_cut_in_two_is_shown_as_stand_ins() -> None:
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
