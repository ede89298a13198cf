"""The tools that a client declares at `thread/start` are checked: names, namespaces, schemas, and the size of all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from codexd.core.values.dynamic_tools import DynamicFunction, DynamicTool
from codexd.protocol.dynamic_tools import ToolCallParams, ToolCallResponse
from codexd.protocol.threads import ThreadStartParams
from codexd.server.methods.dynamic_tools import (
    DECLARED_BYTES_MAX,
    InvalidDynamicTools,
    checked_tools,
)

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


def function(name: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": "d",
        "inputSchema": SCHEMA,
        **members,
    }


def space(name: str, *tools: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": "d", "tools": tools, **members}


def read(*tools: Any) -> tuple[DynamicTool, ...]:
    encoded = msgspec.json.encode({"dynamicTools": tools})
    return checked_tools(msgspec.json.decode(encoded, type=ThreadStartParams).dynamic_tools)


def test_what_codex_takes_is_taken() -> None:
    many = [function(f"tool-{number}") for number in range(300)]
    assert len(read(*many)) == 300
    taken = read(
        function("x" * 70),
        function("exec_command"),
        space("codex_tui", function("list_threads", deferLoading=True), function("x" * 70)),
        space("d" * 64, function("a"), description="d" * 1024),
    )
    assert len(taken) == 4
    assert read() == checked_tools(None) == ()


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ([function("")], "found an empty one"),
        ([function("a b")], r"expected a name that matches ^[a-zA-Z0-9_-]+$"),
        ([function("a\n")], r"expected a name that matches"),
        ([function("é")], r"expected a name that matches"),
        ([function("x" * 129)], "expected a name of 128 characters at most, found 129"),
        ([function("a"), function("a")], "duplicate dynamic tool: expected `a` once"),
        ([function("mcp__x__y")], "reserved for MCP servers"),
        ([function("mcp")], "reserved for MCP servers"),
        ([function("a", deferLoading=True)], "expected it within a namespace"),
        ([function("a", inputSchema="no")], "expected inputSchema to be a JSON schema"),
        ([function("a", inputSchema=None)], "expected inputSchema to be a JSON schema"),
        ([function("a", inputSchema={"type": "null"})], "expected inputSchema to be a JSON schema"),
        ([function("a", inputSchema=[])], "expected inputSchema to be a JSON schema"),
        ([space("functions", function("a"))], "namespace `functions` is reserved"),
        ([space("web", function("a"))], "namespace `web` is reserved"),
        ([space("mcp__x", function("a"))], "reserved for MCP servers"),
        ([space("", function("a"))], "found an empty one"),
        ([space("n" * 65, function("a"))], "64 characters at most, found 65"),
        ([space("n")], "expected at least one tool, found none"),
        ([space("n", function("a"), description="d" * 1025)], "1024 characters at most"),
        ([space("n", function("a"), function("a"))], "expected `n.a` once"),
        ([space("n", function("a")), space("n", function("b"))], "namespace: expected `n` once"),
        ([function("a", description="d" * DECLARED_BYTES_MAX)], "bytes at most, since the model"),
        ([function("a", inputSchema={"d": "d" * DECLARED_BYTES_MAX})], "bytes at most, found"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(tools: list[Any], words: str) -> None:
    with pytest.raises(InvalidDynamicTools) as refused:
        read(*tools)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)


def test_a_schema_of_any_json_is_one_line_or_refused() -> None:
    def schema(json: bytes) -> bytes:
        params = (
            b'{"dynamicTools":[{"type":"function","name":"a","description":"","inputSchema":%b}]}'
        )
        read = msgspec.json.decode(params % json, type=ThreadStartParams).dynamic_tools
        (tool,) = checked_tools(read)
        assert isinstance(tool, DynamicFunction)
        return bytes(tool.input_schema)

    assert schema(b'{"a":\n\r1}') == b'{"a":  1}'
    deep = b'{"a":' * 3000 + b"1" + b"}" * 3000
    with pytest.raises((InvalidDynamicTools, msgspec.DecodeError, RecursionError)):
        schema(deep)


def test_a_call_and_its_answer_have_the_members_of_codex() -> None:
    params = ToolCallParams(
        thread_id="t", turn_id="u", call_id="c", tool="a", arguments=msgspec.Raw(b'{"b":1}')
    )
    assert msgspec.json.decode(msgspec.json.encode(params)) == {
        "threadId": "t",
        "turnId": "u",
        "callId": "c",
        "namespace": None,
        "tool": "a",
        "arguments": {"b": 1},
    }
    items = [{"type": "inputText", "text": "x"}, {"type": "inputImage", "imageUrl": "y"}]
    answer = {"contentItems": [*items, {"type": "inputAudio", "audioUrl": "z"}], "success": True}
    read = msgspec.json.decode(msgspec.json.encode(answer), type=ToolCallResponse)
    assert msgspec.json.decode(msgspec.json.encode(read)) == answer
