"""The items of a chat response, composed in the form of the Responses API's; sans-IO.

Chat has no items: a response is one message with fields that grow. Here what was thought, what was said and
what was called become items of their own, in the order of arrival, under ids that are made up: no
chat server gives any that would be unlike those of its next answer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

import msgspec

from codexd.core.values.foreign_json import decode_foreign
from codexd.core.values.ids import ItemId
from codexd.core.values.model_output import (
    ItemKind,
    ItemStarted,
    ModelEvent,
    ModelItemDone,
    ModelToolCall,
    ReasoningDelta,
    TextDelta,
)
from codexd.models.answer_size import ID_CHARACTERS_MAX, AnswerSize
from codexd.models.chat.calls import StreamedCall, StreamedCalls, is_json
from codexd.models.chat.opaque import OpaqueState, encoded
from codexd.models.chat.request import CUSTOM_INPUT

# The longest id of a call that is kept. LiteLLM puts Gemini's signature of some hundred characters there, and
# wants it back; the request to another API shortens it.
CALL_ID_CHARACTERS_MAX: Final = ID_CHARACTERS_MAX

Side = Literal["reasoning", "text"]

_encode = msgspec.json.encode


class _Open(msgspec.Struct):
    side: Side
    id: ItemId
    pieces: list[str]


class ChatItems:
    """The items of one response, in the making. Every method adds what it brings to `found`."""

    def __init__(
        self,
        size: AnswerSize,
        name: str,
        custom_tools: Collection[str] = (),
        call_ids: Collection[str] = (),
    ) -> None:
        self._size = size
        self._name = name  # makes the ids unlike those of any other response
        self._custom_tools = custom_tools
        self._taken = set(call_ids)
        self._count = 0
        self._open: _Open | None = None
        self._blank: dict[Side, list[str]] = {}  # white space that nothing has followed yet
        self._calls = StreamedCalls()
        self._call_items: dict[int, ItemId] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said, thought or called."""
        return not self._count

    def add(self, side: Side, text: str, found: list[ModelEvent]) -> None:
        """More of what is said or thought. White space alone begins no item."""
        if self._open is None or self._open.side != side:
            if not text.strip():
                self._size.hold("blank", (text,))
                self._blank.setdefault(side, []).append(text)
                return
            text = "".join([*self._blank.get(side, ()), text])
            self._blank.clear()
            self._close(found)
            self._begin(side, found)
        assert self._open is not None
        text = self._size.text(self._open.id, text)
        self._open.pieces.append(text)
        if side == "text":
            found.append(TextDelta(self._open.id, text))
        else:
            found.append(ReasoningDelta(self._open.id, "content", 0, text))

    def add_calls(
        self, calls: StreamedCalls, begun: list[StreamedCall], found: list[ModelEvent]
    ) -> None:
        """Calls that begin."""
        self._calls = calls
        if begun:
            self._close(found)
        for call in begun:
            item_id = self._new_id("fc")
            self._call_items[id(call)] = item_id
            found.append(ItemStarted(item_id, "call"))

    def end(
        self, details: tuple[msgspec.Raw, ...], *, whole: bool, found: list[ModelEvent]
    ) -> str | None:
        """Complete all calls; returns the error of a call that no result could answer.

        Where the response is not `whole`, a call whose arguments were cut is no call.
        """
        self._close(found)
        calls = [call for call in self._calls.all if whole or is_json(call.arguments)]
        if any(not call.name for call in calls):
            return "a tool call without a name"
        ids = [self._call_id(call) for call in calls]
        extra = {i: c.extra for i, c in zip(ids, calls, strict=True) if c.extra is not None}
        self._keep(OpaqueState(details, extra), found)
        for call, call_id in zip(calls, ids, strict=True):
            self._complete(call, call_id, found)
        return None

    def _begin(self, side: Side, found: list[ModelEvent]) -> None:
        item_id = self._new_id("msg" if side == "text" else "rs")
        self._open = _Open(side, item_id, [])
        found.append(ItemStarted(item_id, "message" if side == "text" else "reasoning"))

    def _close(self, found: list[ModelEvent]) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        text = "".join(opened.pieces)
        if opened.side == "text":
            item = _message(opened.id, text)
            self._finish(opened.id, "message", item, found)
        else:
            self._finish(opened.id, "reasoning", _reasoning(opened.id, text), found)

    def _finish(
        self,
        item_id: ItemId,
        kind: ItemKind,
        item: msgspec.Raw,
        found: list[ModelEvent],
        made: ModelToolCall | None = None,
    ) -> None:
        self._size.whole(len(bytes(item)))
        found.append(ModelItemDone(item_id, kind, item, made))

    def _keep(self, kept: OpaqueState, found: list[ModelEvent]) -> None:
        """The opaque state for the server, in a reasoning item without text."""
        if not kept:
            return
        item_id = self._new_id("rs")
        found.append(ItemStarted(item_id, "reasoning"))
        self._finish(item_id, "reasoning", _reasoning(item_id, "", encoded(kept)), found)

    def _complete(self, call: StreamedCall, call_id: str, found: list[ModelEvent]) -> None:
        custom = call.name in self._custom_tools
        text = _custom_input(call.arguments) if custom else call.arguments
        made = ModelToolCall(call_id, call.safe_name, text, custom)
        item_id = self._call_items[id(call)]
        self._finish(item_id, "call", _call(item_id, made), found, made)

    def _call_id(self, call: StreamedCall) -> str:
        """The server's id, unless there is none, or a call before had it."""
        call_id = call.id
        if not call_id or call_id in self._taken or len(call_id) > CALL_ID_CHARACTERS_MAX:
            call_id = f"call_{self._name}_{len(self._taken)}"
        self._taken.add(call_id)
        return call_id

    def _new_id(self, prefix: str) -> ItemId:
        self._size.begin()
        self._count += 1
        return ItemId(f"{prefix}_{self._name}_{self._count}")


def _message(item_id: ItemId, text: str) -> msgspec.Raw:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return _item("message", item_id, status="completed", role="assistant", content=content)


def _reasoning(item_id: ItemId, text: str, kept: str | None = None) -> msgspec.Raw:
    content = [{"type": "reasoning_text", "text": text}] if text else []
    more = {} if kept is None else {"encrypted_content": kept}
    return _item("reasoning", item_id, summary=[], content=content, **more)


def _call(item_id: ItemId, made: ModelToolCall) -> msgspec.Raw:
    kind, member = ("custom_tool_call", "input") if made.custom else ("function_call", "arguments")
    return _item(
        kind,
        item_id,
        status="completed",
        call_id=made.call_id,
        name=made.name,
        **{member: made.arguments},
    )


def _item(kind: str, item_id: ItemId, **members: object) -> msgspec.Raw:
    return msgspec.Raw(_encode({"type": kind, "id": item_id, **members}))


def _custom_input(arguments: str) -> str:
    """The text for a custom tool; the whole arguments where a model did not wrap it."""
    try:
        members = decode_foreign(arguments)
    except msgspec.DecodeError:
        return arguments
    text = members.get(CUSTOM_INPUT) if isinstance(members, dict) else None
    return text if isinstance(text, str) else arguments
