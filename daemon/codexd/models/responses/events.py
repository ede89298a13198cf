"""The events of a Responses API stream and the items in them, decoded and mended; sans-IO.

Source: the OpenAI API reference, "Responses: streaming events".
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, TypeVar

import msgspec

from codexd.core.values.foreign_json import decode_foreign, decode_without_misfits
from codexd.core.values.model_output import ModelToolCall
from codexd.core.values.provider_items import (
    UNREADABLE,
    CallItem,
    CustomCallItem,
    ProviderItem,
    UnreadableItem,
    read_item,
)
from codexd.models import errors
from codexd.models.answer_size import ID_CHARACTERS_MAX, check_ids
from codexd.models.sse import ServerSentEvent


class Wire(msgspec.Struct, gc=False):
    """The members of the stream's events that are read here; one decode for all kinds."""

    type: str = ""
    item_id: str | None = None
    output_index: int | None = None
    summary_index: int | None = None
    content_index: int | None = None
    delta: str | None = None
    arguments: str | None = None  # of a call, whole
    input: str | None = None  # the same of a custom tool
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Kind(msgspec.Struct):
    type: str = ""


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """The members of a response that are read here."""

    id: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    status: str | None = None
    error: msgspec.Raw = msgspec.Raw()
    end_turn: bool | None = None
    incomplete_details: _Incomplete | None = None
    output: msgspec.Raw = msgspec.Raw()


_Item = TypeVar("_Item", bound=ProviderItem)

# Members of an event that are never left out.
_NEEDED: Final = frozenset({"type", "delta", "item", "response", "arguments", "input"})

decode_wire = msgspec.json.Decoder(Wire).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
decode_response = msgspec.json.Decoder(Response).decode
decode_output = msgspec.json.Decoder(tuple[msgspec.Raw, ...] | None).decode


def without_misfits(event: ServerSentEvent, error: Exception, known: Container[str]) -> Wire | None:
    """An event whose members are not as expected, without them; None if its kind is not `known`.

    Raises:
        ModelError: it cannot be read, or a misfit is needed.
    """
    if not event.data.strip() or event.data.strip() == b"[DONE]":
        return None
    try:
        kind = _decode_kind(event.data).type or event.event
    except UNREADABLE:
        raise errors.unreadable(f"{event.event[:100]}: {error}") from error
    if kind not in known:
        return None
    try:
        return decode_without_misfits(event.data, decode_wire, _NEEDED)
    except UNREADABLE:
        raise errors.unreadable(f"{kind}: {error}") from error


def short(word: str | None) -> str | None:
    """A word of the provider, as far as it is kept."""
    return word[:ID_CHARACTERS_MAX] if word is not None else None


def readable(item: _Item) -> _Item:
    """An item as all readers will read it. Raises: ModelError, for an item that cannot be read."""
    if isinstance(item, UnreadableItem):
        raise errors.unreadable(f"an item: {item.problem}")
    return item


def with_given(raw: msgspec.Raw, item: CallItem, given: str) -> tuple[msgspec.Raw, CallItem]:
    """A call with its arguments as text, wherever the provider said them."""
    member = "input" if isinstance(item, CustomCallItem) else "arguments"
    members = decode_foreign(bytes(raw))
    text = item.given or given
    if members.get(member) == text or not text:
        return raw, item
    whole = msgspec.Raw(msgspec.json.encode({**members, member: text}))
    read = read_item(whole)
    return whole, read if isinstance(read, CallItem) else item


def call_in(item: CallItem) -> ModelToolCall:
    """The call in an item. Raises: ModelError, if it cannot be answered."""
    custom = isinstance(item, CustomCallItem)
    if not item.call_id or not item.name:
        missing = "name" if item.call_id else "call_id"
        raise errors.unreadable(f"a {item.type} without {missing}")
    check_ids(item.call_id, item.name)
    return ModelToolCall(item.call_id, item.name, item.given, custom)
