"""The result of a call: what the model is given, and what screens are shown."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.core.values.images import BadImage
from codexd.core.values.tool_actions import ToolResult
from codexd.mcp.results import (
    IMAGES_MAX,
    MODEL_BYTES_MAX,
    SHOWN_BYTES_MAX,
    BadResult,
    tool_result,
)
from trio_test import trio_test

PNG = b"\x89PNG\r\n\x1a\n the rest"


async def keep(content: bytes) -> str:
    return f"name-of-{len(content)}"


async def refuse(content: bytes) -> str:
    raise BadImage("the disk is full")


async def read(content: list[Any], **members: Any) -> ToolResult:
    encoded = json.dumps({"content": content, **members}).encode()
    return await tool_result(encoded, keep, 7)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def image(content: bytes = PNG, mime: str = "image/png") -> dict[str, str]:
    return {"type": "image", "data": base64.b64encode(content).decode(), "mimeType": mime}


@trio_test
async def test_the_model_gets_the_json_of_the_content_as_from_codex() -> None:
    result = await read([text("a\nb"), {"type": "resource_link", "uri": "u", "name": "n"}])
    assert json.loads(result.model_text) == [
        text("a\nb"),
        {"type": "resource_link", "uri": "u", "name": "n"},
    ]
    assert (result.status, result.duration_ms, bytes(result.model_parts)) == ("completed", 7, b"")
    assert json.loads(result.output) == {"content": json.loads(result.model_text)}


@trio_test
async def test_structured_content_is_given_in_place_of_the_content() -> None:
    result = await read([text("3")], structuredContent={"sum": 3})
    assert result.model_text == '{"sum": 3}'
    assert json.loads(result.output) == {"content": [text("3")], "structuredContent": {"sum": 3}}
    assert (await read([text("3")], structuredContent=None)).model_text == (
        '[{"type": "text", "text": "3"}]'
    )


@trio_test
async def test_a_result_that_is_an_error_has_failed_with_the_servers_words() -> None:
    result = await read([text("no such table")], isError=True)
    assert result.status == "failed"
    assert "no such table" in result.model_text


@trio_test
async def test_images_are_stored_and_named_and_their_bytes_are_in_no_event() -> None:
    result = await read([text("look"), image()])
    assert json.loads(bytes(result.model_parts)) == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": f"name-of-{len(PNG)}", "detail": "high"},
    ]
    assert json.loads(result.output)["content"][1]["text"] == f"[image/png, {len(PNG)} bytes]"
    assert base64.b64encode(PNG).decode() not in result.output + result.model_text


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ({"type": "image", "data": "no base64!", "mimeType": "image/png"}, "left out"),
        (image(b"no image"), "expected a PNG, JPEG, GIF or WebP image"),
        ({"type": "image"}, "expected a PNG"),
    ],
)
@trio_test
async def test_an_image_that_is_none_is_replaced_by_the_reason(
    block: dict[str, str], why: str
) -> None:
    result = await read([image(), block])
    parts = json.loads(bytes(result.model_parts))
    assert [part["type"] for part in parts] == ["input_image", "input_text"]
    assert why in parts[1]["text"]


@trio_test
async def test_an_image_that_cannot_be_stored_fails_nothing() -> None:
    encoded = json.dumps({"content": [image()]}).encode()
    result = await tool_result(encoded, refuse, 0)
    assert (result.status, bytes(result.model_parts)) == ("completed", b"")


@trio_test
async def test_no_result_is_larger_than_its_bounds() -> None:
    result = await read([text("x" * 10_000_000)])
    assert len(result.model_text) <= MODEL_BYTES_MAX + 1
    assert len(result.output) <= SHOWN_BYTES_MAX * 2
    assert "tokens truncated" in result.model_text
    assert json.loads(result.output)["content"][0]["type"] == "text"
    many = await read([text("y" * 30_000), *[image()] * (IMAGES_MAX + 3)])
    parts = json.loads(bytes(many.model_parts))
    assert sum(part["type"] == "input_image" for part in parts) == IMAGES_MAX
    assert sum(len(part.get("text", "")) for part in parts) <= MODEL_BYTES_MAX + 100


@pytest.mark.parametrize(
    "encoded",
    [b"", b"[]", b'{"content":3}', b'{"content":["x"]}', b'{"content":[{"type":7}]}', b"\xff"],
)
@trio_test
async def test_what_is_no_result_is_said_to_be_none(encoded: bytes) -> None:
    with pytest.raises(BadResult, match="expected the result of a call"):
        await tool_result(encoded, keep, 0)


@trio_test
async def test_a_result_of_millions_of_values_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadResult, match="values"):
        await tool_result(b'{"content":[' + b"{}," * 400_000 + b"{}]}", keep, 0)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "text", "data", "mimeType", "x"]), st.text(), max_size=4
        )
    )
)
@trio_test
async def test_any_content_gives_a_result_whose_json_is_whole(blocks: list[dict[str, str]]) -> None:
    result = await read(list(blocks))
    assert isinstance(json.loads(result.output)["content"], list)
