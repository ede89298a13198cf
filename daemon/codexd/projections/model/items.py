"""Events as input items of the Responses API, encoded, the same bytes every time."""

from __future__ import annotations

import msgspec

from codexd.core.events.events import ToolCallRef, given
from codexd.core.values.images import DETAIL_DEFAULT, read_name
from codexd.core.values.items import (
    ImageInput,
    LocalImageInput,
    MentionInput,
    SkillInput,
    TextInput,
    UserInput,
)
from codexd.core.values.provider_items import UNREADABLE, UnreadableItem, read_head, text_message
from codexd.core.values.tool_actions import ToolResult

_encode = msgspec.json.Encoder().encode


def answer_message(text: str) -> bytes:
    """A message in the model's own name that it did not write."""
    content = [{"type": "output_text", "text": text}]
    return _encode({"type": "message", "role": "assistant", "content": content})


_CANNOT_BE_READ = text_message("user", "[something that cannot be read]")


def without_authority(item: bytes) -> bytes:
    """A foreign item as the model may be given it: a message of a user or an assistant, never of a developer.

    Duplicate members of a message are written once, so that every reader sees the same value.
    """
    said = read_head(item)
    if isinstance(said, UnreadableItem):
        return _CANNOT_BE_READ
    if said.type != "message":
        return item
    if said.role in ("user", "assistant") and item.count(b'"role"') <= 1 and b"\\u" not in item:
        return item
    try:
        members = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return _CANNOT_BE_READ
    role = said.role if said.role in ("user", "assistant") else "user"
    return _encode(members | {"role": msgspec.Raw(_encode(role))})


def user_message(content: tuple[UserInput, ...]) -> bytes:
    """A person's input as the model gets it; images by their names (projections/model/images.py)."""
    parts: list[dict[str, str]] = []
    local = 0
    for part in content:
        if isinstance(part, LocalImageInput):
            local += 1
            parts += _local_image(part, local)
        else:
            parts.append(_part(part))
    return _encode({"type": "message", "role": "user", "content": parts})


def _part(part: TextInput | ImageInput | SkillInput | MentionInput) -> dict[str, str]:
    match part:
        case TextInput():
            return _text(part.text)
        case ImageInput():
            if part.url.startswith("data:") or read_name(part.url) is not None:
                return image_part(part.url, part.detail)
            return _text(f"[an image that is not here any more: {part.url}]")
        case SkillInput() | MentionInput():
            return _text(f"[{part.name}]({part.path})")


def _local_image(part: LocalImageInput, number: int) -> list[dict[str, str]]:
    """An image file between tags, so that the model can speak of it by its number and its path."""
    if part.problem is not None:
        return [_text(f"[Image #{number}: {part.path} could not be shown: {part.problem}]")]
    if part.image is None:  # of a version that did not read files
        return [_text(f"[image file: {part.path}]")]
    path = part.path.replace("&", "&amp;").replace('"', "&quot;")
    return [
        _text(f'<image name=[Image #{number}] path="{path}">'),
        image_part(part.image, part.detail),
        _text("</image>"),
    ]


def _text(text: str) -> dict[str, str]:
    return {"type": "input_text", "text": text}


def image_part(image: str, detail: str | None = None) -> dict[str, str]:
    """An image as a part of a message, or of a tool's answer."""
    return {"type": "input_image", "image_url": image, "detail": detail or DETAIL_DEFAULT}


def call_output(call: ToolCallRef, result: ToolResult) -> bytes:
    """A tool's answer: its text, or the parts that it was given in. The model knows the call by its own id."""
    kind = "custom_tool_call_output" if call.custom else "function_call_output"
    output = given(result.model_parts) or result.model_text
    return _encode({"type": kind, "call_id": call.answers or call.call_id, "output": output})


def without_id(item: msgspec.Raw) -> bytes:
    """A provider's item as it is sent back: with nothing of it changed but its id left out.

    Given an id, the API would look for an item that it stored, and codexd has it store none.
    """
    try:
        members = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return _CANNOT_BE_READ
    members.pop("id", None)
    return _encode(members)
