"""A provider's item has one reader: an unreadable item is a value, and no exception."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.core.values.foreign_json import VALUES_MAX
from codexd.core.values.provider_items import (
    PROBLEM_CHARACTERS_MAX,
    CallItem,
    CustomCallItem,
    CustomOutputItem,
    ItemHead,
    ItemPart,
    MessageItem,
    OutputItem,
    ProviderItem,
    ReasoningItem,
    UnreadableItem,
    answer_text,
    parts_of,
    read_head,
    read_item,
    read_part,
)

SAID = [{"type": "output_text", "text": "Yes", "annotations": []}]
READ = (ItemPart("output_text", "Yes"),)


@pytest.mark.parametrize(
    ("members", "item"),
    [
        (
            {"id": "m", "type": "message", "role": "assistant", "content": SAID},
            MessageItem("m", "assistant", None, READ),
        ),
        ({"role": "user", "content": "Yes"}, MessageItem(None, "user", None, "Yes")),
        (
            {"type": "reasoning", "summary": SAID, "content": None, "encrypted_content": "gA"},
            ReasoningItem(None, READ, None, "gA"),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            CallItem(None, "c", "look", "{}"),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "x"},
            CustomCallItem(None, "c", "patch", None, "x"),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "done"},
            OutputItem(None, "c", "done"),
        ),
        (
            {"type": "custom_tool_call_output", "call_id": "c", "output": SAID},
            CustomOutputItem(None, "c", READ),
        ),
        (
            {"type": "tool_search_call", "id": "t", "call_id": "c", "arguments": {"any": 1}},
            ItemHead("tool_search_call", "t", None, "c"),
        ),
    ],
)
def test_an_item_is_read_by_its_type(members: dict[str, Any], item: ProviderItem) -> None:
    assert read_item(msgspec.json.encode(members)) == item
    assert type(read_item(msgspec.json.encode(members))) is type(item)
    at_the_end = {name: members[name] for name in reversed(members)}
    assert read_item(msgspec.Raw(msgspec.json.encode(at_the_end))) == item


@pytest.mark.parametrize(
    "item",
    [
        b"",
        b"{",
        b"7",
        b"[]",
        b'{"type":7}',
        b'{"type":"message","content":7}',
        b'{"content":[7]}',
        b'{"type":"message","type":"reasoning"}',
        b'{"type":"%b","type":"message"}' % (b"x" * 100_000),
        b'{"type":"message","content":[{"text":7}]}',
        b'{"type":"function_call","arguments":7}',
        b'{"type":"message","content":"\xff"}',
        b'{"type":"message","content":[%b{}]}' % (b"{}," * VALUES_MAX),
        b'{"type":"message","content":' + b"[" * 100_000,
    ],
    ids=lambda item: str(item[:60]),
)
def test_an_unreadable_item_is_known_as_such_and_is_empty(item: bytes) -> None:
    read = read_item(item)
    assert isinstance(read, UnreadableItem)
    assert 0 < len(read.problem) <= PROBLEM_CHARACTERS_MAX
    assert (read.kind, read.type, read.id) == ("other", "", None)
    assert answer_text(msgspec.Raw(item)) == ""


@pytest.mark.parametrize(
    ("members", "item"),
    [
        (
            {"type": "message", "id": 7, "phase": [], "content": [{**SAID[0], "detail": 7}]},
            MessageItem(None, None, None, READ),
        ),
        (
            {"type": "message", "content": [SAID[0], {"type": None, "text": None}]},
            MessageItem(None, None, None, (*READ, ItemPart())),
        ),
        (
            {"type": "reasoning", "summary": None, "content": [{"text": 7}, SAID[0]]},
            ReasoningItem(None, None, (ItemPart(), *READ)),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": {"a": [1]}},
            CallItem(None, "c", "look", '{"a":[1]}'),
        ),
        ({"type": "tool_search_call", "arguments": {"q": 1}}, ItemHead("tool_search_call")),
    ],
)
def test_a_member_that_is_not_read_may_have_any_shape(
    members: dict[str, Any], item: ProviderItem
) -> None:
    assert read_item(msgspec.json.encode(members)) == item


def test_the_head_of_an_item_has_its_type_with_any_other_members() -> None:
    assert read_head(b'{"type":"x_output","call_id":"c","output":[7]}').is_answer
    assert read_head(b'{"type":"message","role":"user","content":7}').role == "user"
    assert isinstance(read_head(b'{"type":7}'), UnreadableItem)


def test_a_call_is_given_what_its_type_says() -> None:
    both = {"arguments": "{}", "input": "text"}
    function = read_item(msgspec.json.encode({"type": "function_call"} | both))
    custom = read_item(msgspec.json.encode({"type": "custom_tool_call"} | both))
    assert isinstance(function, CallItem)
    assert isinstance(custom, CallItem)
    assert (function.given, function.type) == ("{}", "function_call")
    assert (custom.given, custom.type) == ("text", "custom_tool_call")


def test_a_part_of_another_api_is_left_to_it() -> None:
    image = msgspec.Raw(b'{"type":"image_url","image_url":{"url":"data:"}}')
    assert read_part(image) == ItemPart("image_url", image_url={"url": "data:"})
    assert read_part(msgspec.Raw(b'{"image_url":7}')) is None
    assert parts_of("Yes") == READ
    assert parts_of(None) == ()
