"""Chunks of other shapes, in the shape of the API; pure.

Only what can be read in one way is changed: one thing where a list is expected, a text where its object is
expected. What is left over is for the decoder to drop or to refuse.
"""

from __future__ import annotations

from typing import Any

import msgspec

from codexd.core.values.foreign_json import decode_foreign

_Object = dict[str, Any]


def in_shape(chunk: Any) -> Any:
    """A chunk in the shape of the API."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if isinstance(choices, dict) and choices.keys() & {"delta", "message"}:
        choices = [choices]
    if not isinstance(choices, list):
        return chunk
    return {**chunk, "choices": [_choice(choice) for choice in _objects(choices)]}


def _choice(choice: _Object) -> _Object:
    shaped = dict(choice)
    for name in ("delta", "message"):
        given = shaped.get(name)
        if isinstance(given, list):
            given = next(iter(_objects(given)), None)
        if isinstance(given, str):
            given = {"content": given}
        if isinstance(given, dict):
            given = _delta(given)
        shaped[name] = given
    reason = shaped.get("finish_reason")
    if isinstance(reason, dict):
        reason = reason.get("type", reason.get("reason"))
    shaped["finish_reason"] = reason if isinstance(reason, str) else None
    return shaped


def _delta(delta: _Object) -> _Object:
    shaped = dict(delta)
    if "content" in shaped:
        shaped["content"] = _content(shaped["content"])
    for name in ("reasoning_content", "reasoning"):
        if isinstance(shaped.get(name), list):
            shaped[name] = "".join(_text(part) for part in shaped[name])
    calls = shaped.get("tool_calls")
    if isinstance(calls, str):
        calls = _json(calls)
    if isinstance(calls, list | dict):
        found = calls if isinstance(calls, list) else [calls]
        shaped["tool_calls"] = [_call(call) for call in _objects(found)]
    else:
        shaped.pop("tool_calls", None)
    if not isinstance(shaped.get("function_call"), dict):
        shaped.pop("function_call", None)
    return shaped


def _content(content: object) -> object:
    match content:
        case dict():
            return [_part(content)]
        case list():
            return [_part(part) for part in content if part is not None]
        case _:
            return content


def _part(part: object) -> object:
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, dict) and isinstance(part.get("text"), dict):
        return {**part, "text": _text(part["text"])}
    return part


def _text(part: object) -> str:
    """The text of a part: a text, or the member of an object that has it."""
    if isinstance(part, dict):
        part = part.get("text", part.get("value", ""))
    return part if isinstance(part, str) else ""


def _call(call: _Object) -> _Object:
    function = call.get("function")
    if isinstance(function, str):
        function = {"name": function, "arguments": call.get("arguments")}
    return {**call, "function": function if isinstance(function, dict) else None}


def _objects(values: list[Any]) -> list[_Object]:
    return [value for value in values if isinstance(value, dict)]


def _json(text: str) -> object:
    try:
        return decode_foreign(text)
    except msgspec.DecodeError:
        return None
