"""The texts that stream in a turn: how much of each text was sent, and its next delta.

Lengths are in bytes, so that a client that has the first n bytes can be sent exactly the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from codexd.core.values.ids import CallId, ItemId, ThreadId, TurnId
from codexd.core.values.items import (
    AgentCall,
    AgentMessage,
    CommandExecution,
    McpCall,
    Plan,
    Reasoning,
    ThreadItem,
    ToolCall,
    WebSearch,
)
from codexd.core.values.model_output import ItemKind
from codexd.core.values.tool_actions import SessionCall
from codexd.projections.clients.proposed_plan import Part, PlanSplitter, plan_id
from codexd.protocol import notifications as n

TextPart = Literal["text", "summary", "content"]


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A notification, not encoded yet."""

    method: str
    params: msgspec.Struct
    to_all: bool = False  # to every connection, not only to those that follow the thread


class EncodedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message, encoded once for all its receivers."""

    method: str
    body: bytes
    offset: int | None = None  # deltas: bytes of the text after this one
    seq: int | None = None  # its receiver has everything up to this event; None: not known
    to_all: bool = False


ServerNotification = Outgoing | EncodedMessage

_MESSAGE = "item/agentMessage/delta"
_PLAN = "item/plan/delta"
_OUTPUT = "item/commandExecution/outputDelta"
_METHODS: dict[TextPart, str] = {
    "summary": "item/reasoning/summaryTextDelta",
    "content": "item/reasoning/textDelta",
}


class _Open(msgspec.Struct):
    """A growing text, or its parts: how much of each was sent, and how it is encoded."""

    sizes: dict[tuple[TextPart, int], int] = {}
    encoders: dict[tuple[TextPart, int], n.DeltaEncoder] = {}
    text_method: str = _MESSAGE
    # Of a message in plan mode, whose start is sent with its first word: there may be nothing but a plan in it.
    splitter: PlanSplitter | None = None
    waits_since_ms: int | None = None


class Texts:
    """The fold over one turn, and over the items of earlier turns that are still open."""

    def __init__(self, thread_id: ThreadId, turn_id: TurnId, *, plans: bool = False) -> None:
        """`plans`: the turn is in plan mode, where a message may have plans in it."""
        self._thread_id, self._turn_id, self._plans = thread_id, turn_id, plans
        self._open: dict[ItemId, _Open] = {}
        self._left: dict[ItemId, TurnId] = {}  # items that may stay open beyond their turns

    def __contains__(self, item_id: ItemId) -> bool:
        return item_id in self._open

    def copy(self) -> Texts:
        """A copy that does not change when this object does."""
        copied = self.unsent()
        for item_id, item in self._open.items():
            splitter = None if item.splitter is None else item.splitter.copy()
            copied._open[item_id] = replace(item, sizes=dict(item.sizes), splitter=splitter)
        return copied

    def unsent(self) -> Texts:
        """The same turn and open items, for a client that has no text of them."""
        texts = Texts(self._thread_id, self._turn_id, plans=self._plans)
        texts._left = dict(self._left)
        return texts

    def next_turn(self, turn_id: TurnId, *, plans: bool = False) -> Texts:
        """The texts of the turn that begins, with the items that are still open."""
        texts = Texts(self._thread_id, turn_id, plans=plans)
        texts._left = self._left
        texts._open = {item: open_ for item, open_ in self._open.items() if item in self._left}
        return texts

    def leave_open(self, item_id: ItemId, turn_id: TurnId) -> None:
        """The item, of this turn, may stay open beyond it."""
        self._left[item_id] = turn_id

    def begun_again(self, item_id: ItemId) -> None:
        """The item begins in the running turn."""
        self._left.pop(item_id, None)

    def turn_of(self, item_id: ItemId) -> TurnId:
        """The turn of an item."""
        return self._left.get(item_id, self._turn_id)

    def set_sent(self, key: str, offset: int) -> None:
        """The client has this much of a text already; `key` is as `part_key` spells it."""
        item_id, part, index = _read_key(key)
        self._open.setdefault(item_id, _Open()).sizes[part, index] = offset

    def opened(self, item_id: ItemId, kind: ItemKind, at_ms: int) -> list[ServerNotification]:
        if kind == "message" and self._plans:
            self._open[item_id] = _Open(splitter=PlanSplitter(), waits_since_ms=at_ms)
            return []
        return self._begun(begun(item_id, kind, at_ms))

    def _begun(self, item: ThreadItem) -> list[ServerNotification]:
        method = _PLAN if isinstance(item, Plan) else _MESSAGE
        self._open[item.id] = _Open(text_method=method)
        return [item_started(item, self._thread_id, self._turn_id)]

    def text(
        self, item_id: ItemId, part: TextPart, index: int, pieces: Sequence[str], at_ms: int
    ) -> list[ServerNotification]:
        """More of an open item's text: a notification a piece."""
        item = self._open.get(item_id)
        if item is None:
            return []
        if item.splitter is None:
            return self._plain_text(item, item_id, part, index, pieces, at_ms)
        messages: list[ServerNotification] = []
        for piece in pieces:
            for of_part, text in item.splitter.feed(piece):
                messages += self._of_part(item_id, of_part, text, at_ms)
        return messages

    def _of_part(
        self, item_id: ItemId, part: Part, text: str, at_ms: int
    ) -> list[ServerNotification]:
        """More of a message, or of a plan in it."""
        messages: list[ServerNotification] = []
        own_id = plan_id(item_id, part) if part else item_id
        item = self._open.get(own_id)
        if item is None:
            messages += self._begun(Plan(id=own_id, text="", started_at_ms=at_ms))
        elif item.waits_since_ms is not None:
            started = begun(item_id, "message", item.waits_since_ms)
            messages.append(item_started(started, self._thread_id, self._turn_id))
            item.waits_since_ms = None
        item = self._open[own_id]
        item.text_method = _PLAN if part else _MESSAGE
        return [*messages, *self._plain_text(item, own_id, "text", 0, [text], at_ms)]

    def _plain_text(
        self,
        item: _Open,
        item_id: ItemId,
        part: TextPart,
        index: int,
        pieces: Sequence[str],
        at_ms: int,
    ) -> list[ServerNotification]:
        key = (part, index)
        messages: list[ServerNotification] = []
        if key not in item.sizes and part == "summary":
            messages.append(self._part_added(item_id, index))
        size = item.sizes.get(key, 0)
        method = _METHODS.get(part, item.text_method)
        encoder = item.encoders.get(key)
        if encoder is None:
            encoder = item.encoders[key] = n.DeltaEncoder(
                method,
                self._thread_id,
                self.turn_of(item_id),
                item_id,
                summary_index=index if part == "summary" else None,
                content_index=index if part == "content" else None,
            )
        for piece in pieces:
            if piece:
                size += len(piece) if piece.isascii() else len(piece.encode())
                messages.append(EncodedMessage(method, encoder.encode(piece, at_ms), size))
        item.sizes[key] = size
        return messages

    def output(self, call_id: CallId, text: str, at_ms: int) -> list[ServerNotification]:
        self._open.setdefault(ItemId(call_id), _Open()).text_method = _OUTPUT
        return self.text(ItemId(call_id), "text", 0, [text], at_ms)

    def rest(
        self, item_id: ItemId, part: TextPart, index: int, text: str, at_ms: int
    ) -> list[ServerNotification]:
        """The unsent part of an item's text, as one delta."""
        item = self._open.get(item_id)
        is_text = item is not None and part == "text" and item.text_method == _MESSAGE
        if item is None or not (is_text and self._plans):
            return self._plain_rest(item_id, part, index, text, at_ms)
        item.splitter = PlanSplitter()
        whole = dict[Part, str]()
        for of_part, piece in item.splitter.feed(text):
            whole[of_part] = whole.get(of_part, "") + piece
        messages: list[ServerNotification] = []
        for of_part, piece in whole.items():
            own_id = plan_id(item_id, of_part) if of_part else item_id
            if rest := self._unsent(own_id, "text", 0, piece):
                messages += self._of_part(item_id, of_part, rest, at_ms)
        return messages

    def _plain_rest(
        self, item_id: ItemId, part: TextPart, index: int, text: str, at_ms: int
    ) -> list[ServerNotification]:
        rest, item = self._unsent(item_id, part, index, text), self._open.get(item_id)
        if not rest or item is None:
            return []
        return self._plain_text(item, item_id, part, index, [rest], at_ms)

    def output_rest(self, call_id: CallId, text: str, at_ms: int) -> list[ServerNotification]:
        """The unsent part of a command's output, as one delta."""
        rest = self._unsent(ItemId(call_id), "text", 0, text)
        return self.output(call_id, rest, at_ms) if rest else []

    def completed(self, item: ThreadItem, at_ms: int, *, begun: bool) -> list[ServerNotification]:
        """An item is complete: its start, if that was not sent, the rest of its text, and its end."""
        messages: list[ServerNotification] = []
        opened = self._open.get(item.id)
        if (opened is None or opened.waits_since_ms is not None) and not begun:
            messages += self._begun_late(item)
        for part, index, text in _texts(item):
            messages += self._plain_rest(item.id, part, index, text, at_ms)
        if isinstance(item, CommandExecution) and item.output_seq is msgspec.UNSET:
            output = item.aggregated_output or ""
            messages += self.output_rest(CallId(item.id), output, at_ms)
        self._open.pop(item.id, None)
        turn_id = self._left.pop(item.id, self._turn_id)
        params = n.ItemCompletedNotification(item, self._thread_id, turn_id, at_ms)
        return [*messages, Outgoing("item/completed", params)]

    def _begun_late(self, item: ThreadItem) -> list[ServerNotification]:
        at_ms = item.started_at_ms or item.completed_at_ms or 0
        if isinstance(item, AgentMessage):
            return self._begun(begun(item.id, "message", at_ms))
        if isinstance(item, Plan):
            return self._begun(replace(item, text="", started_at_ms=at_ms, completed_at_ms=None))
        if isinstance(item, Reasoning):
            return self.opened(item.id, "reasoning", at_ms)
        if isinstance(item, WebSearch):
            return self.opened(item.id, "search", at_ms)
        if isinstance(item, McpCall):
            item = replace(
                item,
                status="inProgress",
                result=None,
                error=None,
                duration_ms=None,
                completed_at_ms=None,
            )
        if isinstance(item, AgentCall):
            item = replace(item, status="inProgress", agents_states={}, completed_at_ms=None)
        if isinstance(item, ToolCall):
            # It has its answer already; a start is a start all the same.
            item = replace(
                item,
                status="inProgress",
                success=None,
                content_items=None,
                duration_ms=None,
                completed_at_ms=None,
            )
        return [item_started(item, self._thread_id, self._turn_id)]

    def _unsent(self, item_id: ItemId, part: TextPart, index: int, text: str) -> str:
        """The text after what was sent; empty where the final text is shorter than what was streamed."""
        item = self._open.get(item_id)
        sent = item.sizes.get((part, index), 0) if item is not None else 0
        if not sent or text.isascii():
            return text[sent:]
        return text.encode()[sent:].decode(errors="ignore")

    def _part_added(self, item_id: ItemId, index: int) -> Outgoing:
        params = n.ReasoningSummaryPartAddedNotification(
            thread_id=self._thread_id, turn_id=self._turn_id, item_id=item_id, summary_index=index
        )
        return Outgoing("item/reasoning/summaryPartAdded", params)


def begun(item_id: ItemId, kind: ItemKind, at_ms: int | None) -> ThreadItem:
    """An item of the model's as it begins."""
    match kind:
        case "message":
            return AgentMessage(id=item_id, text="", started_at_ms=at_ms)
        case "search":
            return WebSearch(id=item_id, started_at_ms=at_ms)
        case _:
            return Reasoning(id=item_id, started_at_ms=at_ms)


def item_started(item: ThreadItem, thread_id: ThreadId, turn_id: TurnId) -> Outgoing:
    """An item appears."""
    at_ms = item.started_at_ms or 0
    return Outgoing("item/started", n.ItemStartedNotification(item, thread_id, turn_id, at_ms))


def terminal_interaction(
    thread_id: ThreadId, of: SessionCall, session: str, chars: str
) -> Outgoing:
    """Somebody wrote to a command that runs."""
    params = n.TerminalInteractionNotification(
        thread_id=thread_id,
        turn_id=of.turn_id,
        item_id=of.call_id,
        process_id=session,
        stdin=chars,
    )
    return Outgoing("item/commandExecution/terminalInteraction", params)


def part_key(item_id: ItemId, part: TextPart, index: int) -> str:
    """How a cursor names a text that grows: the item, or the part of a reasoning item."""
    return item_id if part == "text" else f"{item_id}/{part}/{index}"


def _read_key(key: str) -> tuple[ItemId, TextPart, int]:
    for part in ("summary", "content"):
        item_id, found, index = key.rpartition(f"/{part}/")
        if found and index.isdecimal():
            return ItemId(item_id), part, int(index)
    return ItemId(key), "text", 0


def _texts(item: ThreadItem) -> list[tuple[TextPart, int, str]]:
    if isinstance(item, AgentMessage | Plan):
        return [("text", 0, item.text)]
    if isinstance(item, Reasoning):
        summary: list[tuple[TextPart, int, str]] = [
            ("summary", index, text) for index, text in enumerate(item.summary)
        ]
        return summary + [("content", index, text) for index, text in enumerate(item.content)]
    return []
