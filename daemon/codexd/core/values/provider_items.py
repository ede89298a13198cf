"""Reads the items of a model's history, which are stored as the provider sent them. Pure.

An item is stored for ever, and every fold of its log reads it again. So reading never raises: an unreadable item is
an `UnreadableItem`. A provider's stream with such an item is refused before it is logged; a fold ignores it.
An item of another type may have any members. A member of an unexpected type is left out, unless it is one of `NEEDED`.

Source: the OpenAI API reference, "Responses", for the members and their types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Final, get_args

import msgspec

from codexd.core.values.foreign_json import (
    UNCOUNTED_BYTES_MAX,
    check_foreign,
    decode_foreign,
    decode_without_misfits,
)
from codexd.core.values.model_output import ItemKind


class ItemPart(msgspec.Struct, frozen=True, gc=False):
    """A part of a message, of a reasoning or of a tool's answer."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    # A dict belongs to another API, and is not read.
    image_url: str | dict[str, object] | None = None
    detail: str | None = None


Content = tuple[ItemPart, ...] | str | None


def parts_of(content: Content) -> tuple[ItemPart, ...]:
    """The parts of a content; a plain text is one part."""
    if isinstance(content, str):
        return (ItemPart("output_text", content),)
    return content or ()


class ItemHead(msgspec.Struct, frozen=True, gc=False):
    """The members that identify an item; of an item of another type, all that is read."""

    type: str = "message"
    id: str | None = None
    role: str | None = None
    call_id: str | None = None

    @property
    def kind(self) -> ItemKind:
        """Its kind in the log."""
        return _KINDS.get(self.type, "other")

    @property
    def is_answer(self) -> bool:
        """Whether it is a tool's answer."""
        return self.type.endswith("_output")


# A problem says where an item is not as expected, and may quote the value.
PROBLEM_CHARACTERS_MAX: Final = 200


class UnreadableItem(ItemHead, frozen=True, gc=False, kw_only=True):
    """Bytes that cannot be read as an item."""

    type: str = ""
    problem: str


class _Known(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    kind: ClassVar[ItemKind] = "other"
    id: str | None = None

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class MessageItem(_Known, frozen=True, gc=False, tag="message"):
    """A message; only a message may lack its type."""

    kind: ClassVar[ItemKind] = "message"
    role: str | None = None
    phase: str | None = None
    content: Content = None

    @property
    def text(self) -> str:
        """The text of the message, or of a refusal."""
        return "".join([part.text or part.refusal or "" for part in parts_of(self.content)])


class ReasoningItem(_Known, frozen=True, gc=False, tag="reasoning"):
    """The model's reasoning."""

    kind: ClassVar[ItemKind] = "reasoning"
    summary: Content = None
    content: Content = None
    encrypted_content: str | None = None

    @property
    def summary_texts(self) -> tuple[str, ...]:
        return tuple([part.text or "" for part in parts_of(self.summary)])

    @property
    def content_texts(self) -> tuple[str, ...]:
        return tuple([part.text or "" for part in parts_of(self.content)])


class CallItem(_Known, frozen=True, gc=False, tag="function_call"):
    """A call of a tool that takes JSON."""

    kind: ClassVar[ItemKind] = "call"
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    namespace: str | None = None  # of the function, where the API has namespaces

    @property
    def given(self) -> str:
        """The arguments for the tool."""
        return self.arguments or self.input or ""


class CustomCallItem(CallItem, frozen=True, gc=False, tag="custom_tool_call"):
    """A call of a tool that takes text."""

    @property
    def given(self) -> str:
        return self.input or self.arguments or ""


class OutputItem(_Known, frozen=True, gc=False, tag="function_call_output"):
    """A tool's answer."""

    call_id: str | None = None
    output: Content = None


class CustomOutputItem(OutputItem, frozen=True, gc=False, tag="custom_tool_call_output"):
    """The answer of a tool that takes text."""


class FoundOnWeb(msgspec.Struct, frozen=True, gc=False):
    """What a search of the provider's did; the members that its type does not have are None."""

    type: str = ""  # search, open_page, find_in_page
    query: str | None = None
    queries: tuple[str, ...] | None = None
    url: str | None = None
    pattern: str | None = None


class WebSearchItem(_Known, frozen=True, gc=False, tag="web_search_call"):
    """A search that the provider made; it has no answer, since the model has what was found."""

    kind: ClassVar[ItemKind] = "search"
    action: FoundOnWeb | None = None


_KnownItem = (
    MessageItem
    | ReasoningItem
    | CallItem
    | CustomCallItem
    | OutputItem
    | CustomOutputItem
    | WebSearchItem
)
ProviderItem = _KnownItem | ItemHead

_KINDS: Final[dict[str, ItemKind]] = {
    known.__struct_config__.tag: known.kind for known in get_args(_KnownItem)
}
# The members without which an item of a type cannot be used: they are never left out.
_NEEDED_OF_CALLS: Final = frozenset({"call_id", "name", "arguments", "input", "output", "text"})
NEEDED: Final[dict[str, frozenset[str]]] = dict.fromkeys(_KINDS, _NEEDED_OF_CALLS) | {
    "message": frozenset({"role", "content", "text", "refusal"}),
    "reasoning": frozenset(),
    "web_search_call": frozenset(),
}
# The types of a text in an answer: that of the API, and what servers send in its place.
_TEXTS: Final = ("output_text", "text", "")
# The placeholder for a content that is none.
NO_MESSAGE: Final = MessageItem()
NO_REASONING: Final = ReasoningItem()
# The errors of decoding foreign bytes: bad JSON or shape, a text that is not UTF-8, too deep nesting.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# What every API takes for a function's name.
NAME_CHARACTERS_MAX: Final = 64
_NAME_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")

_encode = msgspec.json.Encoder().encode
_decode_item: Final[Callable[[bytes], _KnownItem]] = msgspec.json.Decoder(_KnownItem).decode
_decode_message = msgspec.json.Decoder(MessageItem).decode
_decode_head = msgspec.json.Decoder(ItemHead).decode
_decode_part = msgspec.json.Decoder(ItemPart).decode


def read_item(item: bytes | msgspec.Raw) -> ProviderItem:
    """Read an item, in linear time; an item that is too large is unreadable."""
    json = bytes(item)
    try:
        if len(json) > UNCOUNTED_BYTES_MAX:
            check_foreign(json)
        return _decode_item(json)
    except msgspec.ValidationError as error:
        return _read_other(json, error)
    except UNREADABLE as error:
        return _unreadable(error)


def _read_other(json: bytes, error: msgspec.ValidationError) -> ProviderItem:
    """Read an item of an unknown type, without a type, or that does not fit its type."""
    head = read_head(json)
    if head.type not in _KINDS:
        return head
    if str(error).endswith("`$.type`"):
        return _unreadable(error)
    decode = _decode_message if head.type == "message" else _decode_item
    with suppress(*UNREADABLE):
        return decode_without_misfits(_in_shape(json), decode, NEEDED[head.type])
    return _unreadable(error)


def _in_shape(json: bytes) -> bytes:
    """An item in the shape of the API, where there is one reading.

    Arguments that are an object are its JSON, an id that is a number is its digits, one part of a content is a list
    of one, and a text among parts is a part.
    """
    item = decode_foreign(json)
    given, call_id, content = item.get("arguments"), item.get("call_id"), item.get("content")
    if item.get("type") == "function_call" and isinstance(given, dict | list):
        item["arguments"] = _encode(given).decode()
    if isinstance(call_id, int) and not isinstance(call_id, bool):
        item["call_id"] = str(call_id)
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list):
        item["content"] = [
            {"type": "output_text", "text": part} if isinstance(part, str) else part
            for part in content
            if part is not None
        ]
    return _encode(item)


def _unreadable(error: Exception) -> UnreadableItem:
    return UnreadableItem(problem=str(error)[:PROBLEM_CHARACTERS_MAX])


def read_head(item: bytes | msgspec.Raw) -> ItemHead:
    """The identifying members of an item, without its texts."""
    try:
        return _decode_head(item)
    except msgspec.ValidationError as error:
        with suppress(*UNREADABLE):
            return decode_without_misfits(bytes(item), _decode_head, frozenset({"type"}))
        return _unreadable(error)
    except UNREADABLE as error:
        return _unreadable(error)


def read_part(part: msgspec.Raw) -> ItemPart | None:
    """A part of an item; None if it has another shape, which is specific to the provider."""
    try:
        return _decode_part(part)
    except UNREADABLE:
        return None


def answer_text(item: msgspec.Raw) -> str:
    """The text of a message of the model; empty for any other item."""
    read = read_item(item)
    if not isinstance(read, MessageItem):
        return ""
    parts = parts_of(read.content)
    return "".join([part.text or "" for part in parts if part.type in _TEXTS]).strip()


def call_name(name: str) -> str:
    """The name of a called function as every API takes it back."""
    return _NAME_FOREIGN.sub("_", name)[:NAME_CHARACTERS_MAX]


def text_message(role: str, text: str) -> bytes:
    """A text of the daemon's as the model is given it."""
    content = [{"type": "input_text", "text": text}]
    return _encode({"type": "message", "role": role, "content": content})
