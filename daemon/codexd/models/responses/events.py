"""The events of a Responses API stream and the items in them, decoded and mended; sans-IO.

Source: the OpenAI API reference, "Responses: streaming events".
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, Final, TypeVar

import msgspec

from codexd.core.values.foreign_json import decode_foreign, decode_without_misfits
from codexd.core.values.model_output import ItemKind, ModelToolCall
from codexd.core.values.provider_items import (
    UNREADABLE,
    CallItem,
    CustomCallItem,
    ProviderItem,
    UnreadableItem,
    call_name,
    read_item,
)
from codexd.models import errors
from codexd.models.answer_size import ID_CHARACTERS_MAX, check_ids
from codexd.models.sse import DONE, ServerSentEvent, objects_in


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
    output: msgspec.Raw = msgspec.Raw()  # of a response that is no event


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """The members of a response that are read here."""

    id: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    status: str | None = None
    error: msgspec.Raw = msgspec.Raw()
    end_turn: bool | None = None
    incomplete_details: _Incomplete | str | None = None
    output: msgspec.Raw = msgspec.Raw()


class _Status(msgspec.Struct):
    status: str | None = None


_Item = TypeVar("_Item", bound=ProviderItem)

# Members of an event that are never left out.
_NEEDED: Final = frozenset({"type", "delta", "item", "response", "arguments", "input"})

decode_wire = msgspec.json.Decoder(Wire).decode
_decode_response = msgspec.json.Decoder(Response).decode
_decode_status = msgspec.json.Decoder(_Status).decode
decode_output = msgspec.json.Decoder(tuple[msgspec.Raw, ...] | None).decode


def wires_in(event: ServerSentEvent, known: Container[str]) -> Iterator[tuple[Wire, bytes]]:
    """The events in data that is no event by itself, each with its JSON; none of a kind that is not `known`.

    Raises:
        ModelError: it cannot be read, or a member that is needed has another type.
    """
    kind: object = event.event
    try:
        for text in objects_in(event.data):
            if text == DONE:
                continue
            value = decode_foreign(text)
            if not isinstance(value, dict):
                raise errors.unreadable(f"{event.event[:100]}: expected an object")
            kind = value.get("type") or event.event
            if kind in known:
                shaped = msgspec.json.encode(_in_shape(value, kind))
                yield decode_without_misfits(shaped, decode_wire, _NEEDED), text
    except UNREADABLE as error:
        raise errors.unreadable(f"{str(kind)[:100]}: {error}") from error


def _in_shape(event: dict[str, Any], kind: object) -> dict[str, Any]:
    """An event in the shape of the API, where there is one reading."""
    shaped = {**event, "type": kind}
    if isinstance(shaped.get("arguments"), dict | list):
        shaped["arguments"] = msgspec.json.encode(shaped["arguments"]).decode()
    delta = shaped.get("delta")
    if isinstance(delta, dict) and isinstance(delta.get("text"), str):
        shaped["delta"] = delta["text"]
    return shaped


def read_response(raw: msgspec.Raw) -> Response:
    """What is read of a response; members of other types are left out. Raises: msgspec.DecodeError."""
    if bytes(raw) in (b"", b"null"):
        return Response()
    try:
        return _decode_response(raw)
    except msgspec.ValidationError:
        return decode_without_misfits(bytes(raw), _decode_response)


def why_incomplete(response: Response) -> str | None:
    """Why a response ended early, as far as it says so."""
    details = response.incomplete_details
    return details.reason if isinstance(details, _Incomplete) else details


def is_cut(item: msgspec.Raw) -> bool:
    """Whether an item says of itself that it is not whole."""
    try:
        return _decode_status(item).status == "incomplete"
    except UNREADABLE:
        return False


def rebuilt(kind: ItemKind, begun: msgspec.Raw, said: str) -> msgspec.Raw | None:
    """An item that never came whole, from its beginning and its deltas; None where these are not enough."""
    if not said:
        return None
    members = decode_foreign(bytes(begun)) if bytes(begun).startswith(b"{") else {}
    match kind:
        case "message":
            content = [{"type": "output_text", "text": said, "annotations": []}]
            whole = {"type": "message", "role": "assistant", **members, "content": content}
        case "reasoning":
            content = [{"type": "reasoning_text", "text": said}]
            whole = {"type": "reasoning", "summary": [], **members, "content": content}
        case _:
            if not members.get("name"):
                return None
            member = "input" if members.get("type") == "custom_tool_call" else "arguments"
            whole = {**members, member: said}
    return msgspec.Raw(msgspec.json.encode(whole))


def short(word: str | None) -> str | None:
    """A word of the provider, as far as it is kept."""
    return word[:ID_CHARACTERS_MAX] if word is not None else None


def readable(item: _Item) -> _Item:
    """An item as all readers will read it. Raises: ModelError, for an item that cannot be read."""
    if isinstance(item, UnreadableItem):
        raise errors.unreadable(f"an item: {item.problem}")
    return item


def with_given(
    raw: msgspec.Raw, item: CallItem, given: str, call_id: str
) -> tuple[msgspec.Raw, CallItem]:
    """A call that any API takes back: with an id of its own, a name without odd characters, and its arguments."""
    member = "input" if isinstance(item, CustomCallItem) else "arguments"
    members = decode_foreign(bytes(raw))
    # An empty object means "nothing yet" where the provider said more.
    text = given if given and item.given in ("", "{}") else item.given or given
    changed = {"call_id": call_id, **({member: text} if text else {})}
    if item.name:
        changed["name"] = call_name(item.name)
    if all(members.get(name) == value for name, value in changed.items()):
        return raw, item
    whole = msgspec.Raw(msgspec.json.encode({**members, **changed}))
    read = read_item(whole)
    return whole, read if isinstance(read, CallItem) else item


def call_in(item: CallItem) -> ModelToolCall:
    """The call that an item makes. Raises: ModelError, if it cannot be answered."""
    custom = isinstance(item, CustomCallItem)
    if not item.call_id or not item.name:
        missing = "name" if item.call_id else "call_id"
        raise errors.unreadable(f"a {item.type} without {missing}")
    check_ids(item.call_id, item.name)
    return ModelToolCall(item.call_id, item.name, item.given, custom, item.namespace)
