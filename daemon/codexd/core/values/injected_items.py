"""Items that a client adds to a model's history: read, checked, and written anew. Pure.

Law: a request is never refused for what was injected. Only members that a model reads are kept, a call only with its
answer, and an answer only with its call; items of other types are accepted and left out, as in Codex.

Source: the OpenAI API reference, "Responses", for the members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from codexd.core.values.foreign_json import check_foreign

# Codex itself sets no bounds. A side conversation brings a page; a whole transcript has some hundred items.
ITEMS_MAX: Final = 1000
ITEMS_BYTES_MAX: Final = 1024 * 1024
# A data URL is an image by itself; any other is fetched by the provider, and names of stored images are the daemon's.
_DATA: Final = "data:image/"
NOT_HERE: Final = "[an image that is not here]"


class InvalidItems(ValueError):
    """The items are none, too many, or cannot be read; says which."""


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    image_url: str | None = None


class _Message(msgspec.Struct, frozen=True, tag="message"):
    role: str
    content: str | tuple[_Part, ...]


class _Call(msgspec.Struct, frozen=True, tag="function_call"):
    name: str
    arguments: str
    call_id: str


class _CustomCall(msgspec.Struct, frozen=True, tag="custom_tool_call"):
    name: str
    input: str
    call_id: str


class _Output(msgspec.Struct, frozen=True, tag="function_call_output"):
    call_id: str
    output: str | tuple[_Part, ...]


class _CustomOutput(msgspec.Struct, frozen=True, tag="custom_tool_call_output"):
    call_id: str
    output: str | tuple[_Part, ...]


_Known = _Message | _Call | _CustomCall | _Output | _CustomOutput
_ANSWER_OF: Final[dict[type[msgspec.Struct], type[msgspec.Struct]]] = {
    _Call: _Output,
    _CustomCall: _CustomOutput,
}
# The type of a text in a message of each role.
_TEXT_OF: Final = {"user": "input_text", "developer": "input_text", "assistant": "output_text"}


class _Head(msgspec.Struct, frozen=True):
    type: str = "message"


_TYPES: Final = frozenset(kind.__struct_config__.tag for kind in _Known.__args__)
_read = msgspec.json.Decoder(_Known).decode
_head = msgspec.json.Decoder(_Head).decode
_encode = msgspec.json.Encoder().encode


def read_injected(items: Sequence[msgspec.Raw]) -> tuple[msgspec.Raw, ...]:
    """The items as the model may be given them. Raises: InvalidItems."""
    if not items:
        raise InvalidItems("items must not be empty")
    if len(items) > ITEMS_MAX:
        raise InvalidItems(f"items: expected at most {ITEMS_MAX}, found {len(items)}")
    size = sum(len(bytes(item)) for item in items)
    if size > ITEMS_BYTES_MAX:
        raise InvalidItems(f"items: expected at most {ITEMS_BYTES_MAX} bytes, found {size}")
    known = [_known(number, bytes(item)) for number, item in enumerate(items)]
    kept = _paired([item for item in known if item is not None])
    return tuple(msgspec.Raw(_encode(_written(item))) for item in kept)


def _known(number: int, item: bytes) -> _Known | None:
    """The item; None if it is of a type or a role that no model is given."""
    try:
        check_foreign(item)
        head = _head(item)
        if head.type not in _TYPES:
            return None
        read = _read(item if b'"type"' in item else b'{"type":"message",' + item.lstrip()[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidItems(f"items[{number}] is not a valid response item: {error}") from error
    return None if isinstance(read, _Message) and read.role not in _TEXT_OF else read


def _paired(items: Sequence[_Known]) -> list[_Known]:
    """Without calls that have no answer after them, and answers that have no call before them."""
    open_calls: dict[tuple[type, str], int] = {}
    kept: set[int] = set()
    for at, item in enumerate(items):
        match item:
            case _Message():
                kept.add(at)
            case _Call() | _CustomCall():
                open_calls[_ANSWER_OF[type(item)], item.call_id] = at
            case _Output() | _CustomOutput():
                call = open_calls.pop((type(item), item.call_id), None)
                kept |= set() if call is None else {call, at}
    return [item for at, item in enumerate(items) if at in kept]


def _written(item: _Known) -> dict[str, object]:
    match item:
        case _Message(role, content):
            kind = _TEXT_OF.get(role, "input_text")
            return {"type": "message", "role": role, "content": _parts(content, kind)}
        case _Call() | _CustomCall():
            return {"type": item.__struct_config__.tag, **msgspec.structs.asdict(item)}
        case _Output(call_id, output) | _CustomOutput(call_id, output):
            written = output if isinstance(output, str) else _parts(output, "input_text")
            return {"type": item.__struct_config__.tag, "call_id": call_id, "output": written}


def _parts(content: str | tuple[_Part, ...], kind: str) -> object:
    if isinstance(content, str):
        return [{"type": kind, "text": content}]
    return [_part(part, kind) for part in content]


def _part(part: _Part, kind: str) -> dict[str, str]:
    image = part.image_url or ""
    if kind == "input_text" and image.startswith(_DATA):
        return {"type": "input_image", "image_url": image}
    return {"type": kind, "text": part.text if part.text is not None else NOT_HERE}
