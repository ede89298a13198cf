"""A server's result -> what the model is given, and what screens are shown. Pure but for the images, which are stored.

    structured content    the model gets its JSON, as from Codex
    images                the model gets them as images, by their names in the log
    anything else         the model gets the JSON of the content

Everything is bounded: a text is cut in its middle.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from codexd.core.values.foreign_json import check_foreign
from codexd.core.values.images import DETAIL_DEFAULT, IMAGE_BYTES_MAX, BadImage, kind_of
from codexd.core.values.items import McpResult
from codexd.core.values.tool_actions import NO_PARTS, ToolResult
from codexd.core.values.truncate import BYTES_PER_TOKEN, truncate_middle

# As much as of a command's output: Codex's figure.
MODEL_BYTES_MAX: Final = 10_000 * BYTES_PER_TOKEN
# What screens are shown of a result, and the log keeps.
SHOWN_BYTES_MAX: Final = 256 * 1024
# Images of one result: more does not fit into a request.
IMAGES_MAX: Final = 16

# Stores an image, and returns its name in the log. Raises: BadImage.
KeepImage = Callable[[bytes], Awaitable[str]]


class ServerResult(msgspec.Struct, frozen=True, rename="camel"):
    """The result of `tools/call`, as the specification has it."""

    content: tuple[msgspec.Raw, ...] = ()
    structured_content: msgspec.Raw = NO_PARTS
    is_error: bool = False


class _Block(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    text: str | None = None
    data: str | None = None
    mime_type: str | None = None


class ModelPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of what a model is given."""

    type: str
    text: str | None = None
    image_url: str | None = None
    detail: str | None = None


class BadResult(Exception):
    """What a server sent as a result is none."""


async def tool_result(encoded: bytes, keep: KeepImage, duration_ms: int) -> ToolResult:
    """The result of a call, out of the server's own, as JSON. Raises: BadResult."""
    try:
        check_foreign(encoded)
        read = msgspec.json.decode(encoded, type=ServerResult)
        blocks = [(raw, msgspec.json.decode(raw, type=_Block)) for raw in read.content]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadResult(f"expected the result of a call, found what is none: {error}") from error
    parts: list[ModelPart] = []
    shown: list[msgspec.Raw] = []
    for raw, block in blocks:
        images = sum(part.image_url is not None for part in parts)
        part = await _image(block, keep, images) if block.type == "image" else None
        part = part or ModelPart(
            "input_text", block.text if block.type == "text" else raw_text(raw)
        )
        parts.append(part)
        shown.append(raw if part.image_url is None and block.type != "image" else _note(block))
    structured = given(read.structured_content)
    content = msgspec.json.encode(shown).decode()
    text = content if structured is None else raw_text(structured)
    return ToolResult(
        status="failed" if read.is_error else "completed",
        model_text=bounded(text, MODEL_BYTES_MAX),
        output=_shown(shown, structured),
        duration_ms=duration_ms,
        model_parts=answer_parts(parts, None if structured is None else text),
    )


async def _image(block: _Block, keep: KeepImage, count: int) -> ModelPart:
    """An image for the model, or why it has none."""
    try:
        if count == IMAGES_MAX:
            raise BadImage(f"only {IMAGES_MAX} images of a result are used")
        data = block.data or ""
        if len(data) > IMAGE_BYTES_MAX * 4 // 3 + 4:
            raise BadImage(f"expected at most {IMAGE_BYTES_MAX} bytes, found more")
        content = base64.b64decode(data, validate=True)
        if kind_of(content) is None:
            raise BadImage("expected a PNG, JPEG, GIF or WebP image, found other content")
        return ModelPart("input_image", image_url=await keep(content), detail=DETAIL_DEFAULT)
    except (BadImage, binascii.Error, ValueError) as bad:
        return ModelPart("input_text", f"[an image of the result was left out: {bad}]")


def _note(block: _Block) -> msgspec.Raw:
    """What screens are shown for an image: its bytes are not in the log."""
    data = block.data or ""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    kind = (block.mime_type or "image")[:40]
    note = {"type": "text", "text": f"[{kind}, {size} bytes]"}
    return msgspec.Raw(msgspec.json.encode(note))


def answer_parts(parts: list[ModelPart], structured: str | None = None) -> msgspec.Raw:
    """The parts that the model is given where a result has images; else nothing, and it is given the text."""
    images = [part for part in parts if part.image_url is not None]
    if not images:
        return NO_PARTS
    if structured is not None:
        parts = [ModelPart("input_text", structured), *images]
    texts = [part for part in parts if part.text is not None]
    room = MODEL_BYTES_MAX // max(1, len(texts))
    cut = [
        part if part.text is None else ModelPart(part.type, bounded(part.text, room))
        for part in parts
    ]
    return msgspec.Raw(msgspec.json.encode(cut))


def _shown(content: list[msgspec.Raw], structured: msgspec.Raw | None) -> str:
    """The result for screens, as the JSON of a `McpResult`."""
    whole = McpResult(tuple(content), *([] if structured is None else [structured]))
    encoded = msgspec.json.encode(whole)
    if len(encoded) <= SHOWN_BYTES_MAX:
        return encoded.decode()
    cut = {"type": "text", "text": bounded(encoded.decode(), SHOWN_BYTES_MAX)}
    return msgspec.json.encode(McpResult((msgspec.Raw(msgspec.json.encode(cut)),))).decode()


def given(structured: msgspec.Raw) -> msgspec.Raw | None:
    """Structured content; None where there is none."""
    return None if bytes(structured) in (b"", b"null") else structured


def bounded(text: str, bytes_max: int) -> str:
    """The text, cut in its middle where it is too long."""
    return truncate_middle(text, bytes_max)[0]


def raw_text(raw: msgspec.Raw) -> str:
    """Encoded JSON as text."""
    return bytes(raw).decode(errors="replace")
