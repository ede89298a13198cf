"""A request to the chat completions API as bytes; sans-IO.

The history has Responses items, whichever API answered before; here they become chat messages. That costs
some microseconds an item, each time: decoding is what a switch of providers is worth, and the messages of
a request begin with those of the request before, so that the provider's prompt cache hits all the same.

Source: the OpenAI API reference, "Chat completions", and the references of those who speak the same.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.dynamic_names import flattened
from codexd.models.chat.messages import Messages
from codexd.models.client import ModelRequest
from codexd.models.quirks import Quirks
from codexd.models.responses.request import SCHEMA_NAME

# A custom tool takes text; a function takes JSON, so the text is the only member of an object.
CUSTOM_INPUT: Final = "input"

_encode = msgspec.json.encode


class ChatRequest(msgspec.Struct, frozen=True):
    """The request, and what the reader of the answer must know of it."""

    body: bytes
    custom_tools: frozenset[str]  # names of those that were declared as functions
    call_ids: frozenset[str]  # taken: an answer may not use them again


class _Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    name: str = ""
    description: str = ""
    parameters: msgspec.Raw = msgspec.Raw()
    strict: bool | None = None
    format: msgspec.Raw = msgspec.Raw()


class _Grammar(msgspec.Struct, frozen=True):
    syntax: str = ""
    definition: str = ""


# Made here, by the thread that imports: see `core.record.make_decoders`. Long requests are encoded in others.
_decode_tool = msgspec.json.Decoder(_Tool).decode
_decode_grammar = msgspec.json.Decoder(_Grammar).decode


def encode_chat(request: ModelRequest, quirks: Quirks) -> ChatRequest:
    """The body of POST /chat/completions. The parts that grow from call to call are last."""
    tools = [_decode_tool(tool) for tool in flattened(request.tools)]
    tools = [tool for tool in tools if tool.type in ("function", "custom")]
    messages = Messages(_instructions(request, quirks), request.input, quirks)
    members = [
        b'"model":' + _encode(request.model),
        b'"stream":true',
        *([b'"stream_options":{"include_usage":true}'] if quirks.stream_options else []),
        *_tool_members(request, tools, quirks),
        *_setting_members(request, quirks),
    ]
    return ChatRequest(
        b"".join((b"{", b",".join(members), b',"messages":', _encode(messages.done), b"}")),
        frozenset(tool.name for tool in tools if tool.type == "custom"),
        frozenset(messages.call_ids),
    )


def _instructions(request: ModelRequest, quirks: Quirks) -> str:
    """The instructions; with the schema where the server has no parameter for it."""
    if request.output_schema is None or quirks.response_format == "json_schema":
        return request.instructions
    schema = bytes(request.output_schema).decode()
    wanted = f"Give your final answer as one JSON object that meets this JSON schema:\n{schema}"
    return f"{request.instructions}\n\n{wanted}" if request.instructions else wanted


def _tool_members(request: ModelRequest, tools: list[_Tool], quirks: Quirks) -> list[bytes]:
    if not tools:
        return []  # an empty list is refused by some, and the other members without tools by others
    members = [b'"tools":' + _encode([_declared(tool, quirks) for tool in tools])]
    if quirks.tool_choice != "none":
        members.append(b'"tool_choice":' + _encode(quirks.tool_choice))
    if quirks.parallel_tool_calls:
        members.append(b'"parallel_tool_calls":' + _encode(request.parallel_tool_calls))
    return members


def _declared(tool: _Tool, quirks: Quirks) -> dict[str, object]:
    if tool.type == "custom":
        text = {"type": "string", "description": "The whole input of the tool, as text."}
        function: dict[str, object] = {
            "name": tool.name,
            "description": tool.description + _grammar_of(tool),
            "parameters": {
                "type": "object",
                "properties": {CUSTOM_INPUT: text},
                "required": [CUSTOM_INPUT],
                "additionalProperties": False,
            },
        }
        return {"type": "function", "function": function}
    function = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        function["parameters"] = tool.parameters
    if quirks.strict and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _grammar_of(tool: _Tool) -> str:
    """A custom tool's grammar as text: a function has no grammar."""
    if not tool.format:
        return ""
    grammar = _decode_grammar(tool.format)
    if not grammar.definition:
        return ""
    return f"\n\nThe input has this form ({grammar.syntax} grammar):\n{grammar.definition}"


def _setting_members(request: ModelRequest, quirks: Quirks) -> list[bytes]:
    """How hard to think, and the form of the answer. Verbosity has no place in this API."""
    members: list[bytes] = []
    if request.effort is not None and quirks.effort == "reasoning_effort":
        members.append(b'"reasoning_effort":' + _encode(request.effort))
    elif request.effort is not None and quirks.effort == "reasoning":
        members.append(b'"reasoning":' + _encode({"effort": request.effort}))
    if request.output_schema is not None and quirks.response_format == "json_schema":
        members.append(
            b'"response_format":{"type":"json_schema","json_schema":'
            b'{"name":%b,"strict":true,"schema":%b}}'
            % (_encode(SCHEMA_NAME), bytes(request.output_schema))
        )
    elif request.output_schema is not None and quirks.response_format == "json_object":
        members.append(b'"response_format":{"type":"json_object"}')
    if quirks.cache_key:
        members.append(b'"prompt_cache_key":' + _encode(request.cache_key))
    return members
