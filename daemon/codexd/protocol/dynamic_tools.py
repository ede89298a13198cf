"""`item/tool/call`, by which the daemon has a client perform a call of a tool that the client has declared."""

from __future__ import annotations

from typing import Final

import msgspec

TOOL_CALL: Final = "item/tool/call"


class ToolCallParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Have a client perform a call of one of its tools."""

    thread_id: str
    turn_id: str
    call_id: str  # the id of the item that shows the call
    namespace: str | None = None
    tool: str
    arguments: msgspec.Raw


class ToolOutputText(msgspec.Struct, frozen=True, rename="camel", tag="inputText"):
    """Text of an answer."""

    text: str


class ToolOutputImage(msgspec.Struct, frozen=True, rename="camel", tag="inputImage"):
    """An image of an answer."""

    image_url: str  # a data URL


class ToolOutputAudio(msgspec.Struct, frozen=True, rename="camel", tag="inputAudio"):
    """Sound of an answer; the model is told that it was left out."""

    audio_url: str


ToolOutput = ToolOutputText | ToolOutputImage | ToolOutputAudio


class ToolCallResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the call came to."""

    content_items: tuple[ToolOutput, ...]
    success: bool
