"""Facts as the model is given them: each one input item of the Responses API, encoded, the same bytes every time."""

from __future__ import annotations

import msgspec

from codexd.core.calls import ToolResult
from codexd.core.events import given
from codexd.core.items import (
    ImageInput,
    LocalImageInput,
    MentionInput,
    SkillInput,
    TextInput,
    UserInput,
)

_encode = msgspec.json.Encoder().encode


def text_message(role: str, text: str) -> bytes:
    """A message of one text part."""
    content = [{"type": "input_text", "text": text}]
    return _encode({"type": "message", "role": role, "content": content})


def user_message(content: tuple[UserInput, ...]) -> bytes:
    """What a person put in, as the model is given it."""
    return _encode(
        {"type": "message", "role": "user", "content": [_part(part) for part in content]}
    )


def _part(part: UserInput) -> dict[str, str]:
    match part:
        case TextInput():
            return {"type": "input_text", "text": part.text}
        case ImageInput():
            return {"type": "input_image", "image_url": part.url, "detail": part.detail or "high"}
        case LocalImageInput():
            return {"type": "input_text", "text": f"[image file: {part.path}]"}
        case SkillInput() | MentionInput():
            return {"type": "input_text", "text": f"[{part.name}]({part.path})"}


def call_output(call_id: str, result: ToolResult, custom: bool) -> bytes:
    """A tool's answer: its text, or the parts that it was given in."""
    kind = "custom_tool_call_output" if custom else "function_call_output"
    output = given(result.model_parts) or result.model_text
    return _encode({"type": kind, "call_id": call_id, "output": output})


def without_id(item: msgspec.Raw) -> bytes:
    """A provider's item as it is sent back: with nothing of it changed but its id left out.

    Given an id, the API would look for an item that it stored, and codexd has it store none.
    """
    members = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    members.pop("id", None)
    return _encode(members)
