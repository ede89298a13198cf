"""A scripted reply as the chunks of a chat completions stream, and a chat request as the script reads one; pure.

The second wire of the scripted model: what it plays is the same, said in the other API's words.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from codexd.models.scripted.scripts import Break, Call, Cut, Fail, Hang, Raw, Reply, Say, Think, Use


def chat_stream_of(reply: Reply, name: str) -> Iterator[bytes]:
    """The chunks of a response, each one event. After a break or a `Raw` it has no end."""
    yield _chunk(name, {"role": "assistant", "content": ""})
    calls, deltas = 0, 0
    for part in reply:
        if isinstance(part, Raw):
            yield part.stream
        elif isinstance(part, Break):
            yield _event({"error": {"message": part.message, "type": part.code, "code": part.code}})
        elif isinstance(part, Say | Cut | Hang):
            deltas += len(part.deltas)
            for delta in part.deltas:
                yield _chunk(name, {"content": delta})
        elif isinstance(part, Think):
            deltas += len(part.deltas)
            for delta in part.deltas:
                yield _chunk(name, {"reasoning_content": delta})
        elif isinstance(part, Call):
            yield from _call(part, name, calls)
            calls, deltas = calls + 1, deltas + 1
        else:
            assert isinstance(part, Fail | Use), "only these two are no part of a stream"
    if not any(isinstance(part, Raw | Break | Cut | Hang) for part in reply):
        used = next((part for part in reply if isinstance(part, Use)), Use(100, 0, deltas))
        yield _chunk(name, {}, "tool_calls" if calls else "stop")
        yield _event({"id": f"chatcmpl-{name}", "choices": [], "usage": _usage(used)})
        yield b"data: [DONE]\n\n"


def as_responses_request(body: bytes) -> bytes:
    """A chat request in the members of a Responses request that scripts look at. Raises: msgspec.DecodeError."""
    request = msgspec.json.decode(body, type=_ChatRequest)
    items = [item for message in request.messages for item in message.items()]
    tools = [{"name": tool.function.name} for tool in request.tools]
    return msgspec.json.encode(
        {"input": items, "tools": tools, "prompt_cache_key": request.prompt_cache_key}
    )


class _Text(msgspec.Struct, frozen=True):
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | tuple[_Text, ...] | None = None

    def items(self) -> list[dict[str, object]]:
        text = self.content or ""
        if not isinstance(text, str):
            text = "\n".join(part.text for part in text)
        if self.role == "tool":
            return [{"type": "function_call_output", "output": text}]
        return [{"type": "message", "role": self.role, "content": text}]


class _Function(msgspec.Struct, frozen=True):
    name: str = ""


class _Tool(msgspec.Struct, frozen=True):
    function: _Function = _Function()


class _ChatRequest(msgspec.Struct, frozen=True):
    messages: tuple[_Message, ...]
    tools: tuple[_Tool, ...] = ()
    prompt_cache_key: str | None = None


def _call(part: Call, name: str, index: int) -> Iterator[bytes]:
    """A call in three fragments, as servers stream one."""
    arguments = part.arguments
    if part.custom:
        arguments = msgspec.json.encode({"input": part.arguments}).decode()
    half = len(arguments) // 2
    function: dict[str, object] = {"name": part.name, "arguments": ""}
    first = {"index": index, "id": f"call_{name}_{index}", "type": "function", "function": function}
    yield _chunk(name, {"tool_calls": [first]})
    for piece in (arguments[:half], arguments[half:]):
        yield _chunk(name, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _chunk(name: str, delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event(
        {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "choices": [choice]}
    )


def _usage(used: Use) -> dict[str, object]:
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }


def _event(members: dict[str, object]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(members)
