"""The events of a Responses API stream as model events; sans-IO.

Source: the OpenAI API reference, "Responses: streaming events".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Final, Literal

import msgspec

from codexd.core.values.foreign_json import (
    check_foreign,
    whole_characters,
)
from codexd.core.values.ids import ItemId
from codexd.core.values.model_output import (
    ItemKind,
    ItemStarted,
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
    ReasoningDelta,
    ResponseStarted,
    TextDelta,
)
from codexd.core.values.provider_items import (
    UNREADABLE,
    CallItem,
    read_head,
    read_item,
)
from codexd.models import errors
from codexd.models.answer_size import AnswerSize, TextSize, check_ids, check_part
from codexd.models.client import ModelError
from codexd.models.complaints import find_complaint, read_complaint
from codexd.models.rate_limits import limits_in_event
from codexd.models.responses.events import (
    Response,
    Wire,
    call_in,
    decode_output,
    decode_response,
    decode_wire,
    readable,
    short,
    with_given,
    without_misfits,
)
from codexd.models.responses.verbatim import normalized_json
from codexd.models.sse import ServerSentEvent

# A shorter id, such as `msg_0`, is a number within its response, and the next response has it too.
UNIQUE_ID_CHARACTERS_MIN: Final = 12


class _OpenItem(msgspec.Struct):
    id: ItemId
    kind: ItemKind
    key: str  # under which it is open: the provider's id, else our own
    index: int | None
    text: TextSize
    is_named: bool = True  # the provider said which item it is: by an id, or by its place
    given: str = ""  # the whole arguments of a call


class ResponseReader:
    """Reads one response. `feed` never raises: `error` has the failure after the events before it.

    Events that bring nothing new are passed over, as are unknown ones: what `*.done` and
    `content_part.*` repeat comes whole with the item, and of the provider's own tools
    (`web_search_call.*`, `file_search_call.*`, `image_generation_call.*`, `mcp_call.*`,
    `code_interpreter_call.*`, …) the item alone is kept. Providers that leave out ids, or the beginning
    of an item, are understood; an id is never given to two items.
    """

    def __init__(
        self,
        request_id: str | None = None,
        limits: dict[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        *,
        name: str | None = None,
    ) -> None:
        """`name` makes ids unlike those of any other response, where the provider's may be the same in each."""
        self.error: ModelError | None = None
        self.completed = False
        self._request_id = request_id
        self._limits = limits or {}
        self._secrets = secrets  # never to be repeated in an error
        self._name = name
        self._response_id: str | None = None
        self._size = AnswerSize()
        self._open: dict[str, _OpenItem] = {}
        self._used: set[str] = set()
        self._done: set[tuple[str, int | None, ItemKind]] = set()
        self._call_ids: set[str] = set()  # an answer could not say which of two it is for

    def feed(self, events: Iterable[ServerSentEvent]) -> list[ModelEvent]:
        """The model events in some events of the stream."""
        found: list[ModelEvent] = []
        if self.completed or self.error is not None:
            return found
        try:
            for event in events:
                try:
                    wire = decode_wire(event.data)
                except UNREADABLE as error:
                    event = ServerSentEvent(whole_characters(event.data), event.event)
                    if (mended := self._mended(event, error)) is None:
                        continue
                    wire = mended
                # Nearly all there is; its text is counted here, for a call costs as much as the counting.
                if wire.type == "response.output_text.delta" and (text := wire.delta):
                    item = self._open.get(wire.item_id or "")
                    if item is not None and item.kind == "message":
                        so_far = item.text
                        so_far.uncounted.append(text)
                        so_far.room -= len(text)
                        if so_far.room > 0:
                            found.append(TextDelta(item.id, text))
                        else:
                            self._give(TextDelta(item.id, self._size.count(so_far)), found)
                        continue
                self._read(wire, event, found)
                if self.completed:
                    break
        except ModelError as error:
            self.error = error
        return found

    @property
    def text_bytes(self) -> int:
        """The size of the answer's text up to now."""
        return self._size.counted_bytes

    @property
    def answered(self) -> bool:
        """Whether all is there but the end: this API says everything in the end."""
        return self.completed

    def end(self) -> list[ModelEvent]:
        """The stream has ended: an error unless the response was complete."""
        if not self.completed and self.error is None:
            self.error = errors.disconnected("the provider closed the connection")
        return []

    def _read(self, wire: Wire, event: ServerSentEvent, found: list[ModelEvent]) -> None:
        kind = wire.type or event.event
        read = _READERS.get(kind)
        if read is None:
            if not wire.type and wire.error and find_complaint(event.data) is not None:
                self._fail(wire, event.data, found)
            return
        try:
            read(self, wire, event.data, found)
        except UNREADABLE as error:
            raise errors.unreadable(f"{kind}: {error}") from error

    def _mended(self, event: ServerSentEvent, error: Exception) -> Wire | None:
        """An event whose members are not as expected; None for an unknown event."""
        if event.event == "error":
            raise errors.failed(read_complaint(event.data), secrets=self._secrets)
        return without_misfits(event, error, _READERS)

    # What each kind of event comes to. All take the event decoded and as it came, and add to `found`.

    def _note_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.response:
            self._response_id = short(decode_response(wire.response).id) or self._response_id

    def _add_item(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        item = readable(read_head(wire.item))
        open_already = self._open.get(item.id) if item.id else None
        if open_already is None or open_already.index != wire.output_index:
            self._begin(item.id, wire.output_index, item.kind, found)

    def _finish_item(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        self._complete(wire.item, wire.item_id, wire.output_index, found)

    def _add_text(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta:
            item_id = self._item_of(wire, "message", found)
            self._give(TextDelta(item_id, self._size.text(item_id, wire.delta)), found)

    def _begin_summary_part(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        item_id = self._item_of(wire, "reasoning", found)
        self._add_part(item_id, "summary", wire.summary_index, "", found)

    def _add_summary(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta:
            item_id = self._item_of(wire, "reasoning", found)
            self._add_part(item_id, "summary", wire.summary_index, wire.delta, found)

    def _add_reasoning(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta:
            item_id = self._item_of(wire, "reasoning", found)
            self._add_part(item_id, "content", wire.content_index, wire.delta, found)

    def _add_part(
        self,
        item_id: ItemId,
        part: Literal["summary", "content"],
        index: int | None,
        text: str,
        found: list[ModelEvent],
    ) -> None:
        index = index or 0
        check_part(index)
        self._give(ReasoningDelta(item_id, part, index, self._size.text(item_id, text)), found)

    def _give(self, delta: TextDelta | ReasoningDelta, found: list[ModelEvent]) -> None:
        """Return a delta; it is the last where there was no room for all of it. Raises: ModelError."""
        found.append(delta)
        if self._size.error is not None:
            raise self._size.error

    def _add_arguments(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        item_id = self._item_of(wire, "call", found)
        self._size.hold(item_id, (wire.delta or "",))

    def _note_arguments(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        """The whole arguments: some providers have them nowhere else."""
        item = self._find(wire.item_id, wire.output_index, "call")
        given = wire.arguments or wire.input
        if item is not None and given:
            self._size.hold(item.id, (given,))
            item.given = given

    def _complete_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        response = decode_response(wire.response) if wire.response else Response()
        if response.status == "failed" or bytes(response.error) not in (b"", b"null"):
            self._fail_response(wire, data, found)
        incomplete = response.incomplete_details
        reason = None if incomplete is None else incomplete.reason
        if wire.type == "response.incomplete" or response.status == "incomplete":
            reason = reason or "unknown"
        if response.output and (self._open or not self._used):
            # Else it only repeats the items, and its content costs nothing.
            check_foreign(bytes(response.output))
            self._finish_from_output(decode_output(response.output) or (), found)
        unfinished = [item.id for item in self._open.values() if item.kind != "other"]
        if unfinished and reason is None:
            raise errors.unreadable(f"the response is complete, but not its item {unfinished[0]}")
        usage = response.usage
        self._size.whole(len(bytes(usage)))
        found.append(
            ModelResponseDone(
                response_id=short(response.id) or self._response_id,
                usage=normalized_json(usage) if usage and bytes(usage) != b"null" else None,
                end_turn=response.end_turn,
                incomplete=short(reason),
            )
        )
        self.completed = True

    def _fail_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        raise errors.failed(read_complaint(bytes(wire.response)), secrets=self._secrets)

    def _fail(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        raise errors.failed(read_complaint(data), secrets=self._secrets)

    def _note_limits(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if limits := limits_in_event(data):
            self._limits = {**self._limits, **limits}
            found.append(ResponseStarted(self._request_id, self._limits))

    # Which item is meant.

    def _item_of(self, wire: Wire, kind: ItemKind, found: list[ModelEvent]) -> ItemId:
        """The open item that a delta belongs to; one that begins with its deltas begins here."""
        item = self._find(wire.item_id, wire.output_index, kind)
        return (item or self._begin(wire.item_id, wire.output_index, kind, found)).id

    def _find(self, key: str | None, index: int | None, kind: ItemKind) -> _OpenItem | None:
        """By id, else by place, else, where the provider gives neither, the newest open one of its kind."""
        item = self._open.get(key) if key else None
        if item is not None and item.kind == kind:
            return item
        alike = [item for item in reversed(self._open.values()) if item.kind == kind]
        placed = (item for item in alike if (not key if index is None else item.index == index))
        return next(placed, None) or next((i for i in alike if not i.is_named), None)

    def _begin(
        self, key: str | None, index: int | None, kind: ItemKind, found: list[ModelEvent]
    ) -> _OpenItem:
        self._size.begin()
        check_ids(key)
        is_unique = self._name is None or len(key or "") >= UNIQUE_ID_CHARACTERS_MIN
        item_id = key if key and key not in self._used and is_unique else self._made_up_id(index)
        self._used.add(item_id)
        text = self._size.of_text(item_id)
        is_named = bool(key) or index is not None
        item = _OpenItem(ItemId(item_id), kind, key or item_id, index, text, is_named)
        self._open[item.key] = item
        found.append(ItemStarted(item.id, kind))
        return item

    def _made_up_id(self, index: int | None) -> str:
        if self._response_id is None:
            self._response_id = f"resp_{token_hex(8)}"
        base = (
            f"item_{self._name or self._response_id}_{len(self._used) if index is None else index}"
        )
        made_up, again = base, 1
        while made_up in self._used:
            again += 1
            made_up = f"{base}_{again}"
        return made_up

    # How items end.

    def _complete(
        self, raw: msgspec.Raw, key: str | None, index: int | None, found: list[ModelEvent]
    ) -> None:
        self._size.whole(len(bytes(raw)))
        whole = normalized_json(raw)
        read = readable(read_item(whole))
        kind, key = read.kind, read.id or key
        opened = self._find(key, index, kind)
        if opened is None and key and (key, index, kind) in self._done:
            return  # It is said again that this item is done.
        item = opened or self._begin(key, index, kind, found)
        self._done.add((key or "", index, kind))
        if isinstance(read, CallItem):
            whole, read = with_given(whole, read, item.given)
        self._open = {k: other for k, other in self._open.items() if other is not item}
        call = call_in(read) if isinstance(read, CallItem) else None
        if call is not None and call.call_id in self._call_ids:
            raise errors.unreadable(f"two calls with the call_id {call.call_id[:100]}")
        self._call_ids |= {call.call_id} if call is not None else set()
        found.append(ModelItemDone(item.id, kind, whole, call))

    def _finish_from_output(self, output: tuple[msgspec.Raw, ...], found: list[ModelEvent]) -> None:
        """Items without an event of their own: all items, or those still open."""
        if not self._used:
            for index, raw in enumerate(output):
                self._complete(raw, None, index, found)
        for item in list(self._open.values()):
            if item.index is not None and item.index < len(output):
                raw = output[item.index]
                if read_head(raw).kind == item.kind:
                    self._complete(raw, item.key, item.index, found)
        for index, raw in enumerate(output):
            # Items that came in deltas with neither id nor place, in the order of their kind.
            unnamed = [item for item in self._open.values() if not item.is_named]
            alike = [item for item in unnamed if item.kind == read_head(raw).kind]
            if alike:
                alike[0].index, alike[0].is_named = index, True
                self._complete(raw, None, index, found)


_Reader = Callable[[ResponseReader, Wire, bytes, list[ModelEvent]], None]

_READERS: Final[dict[str, _Reader]] = {
    "response.created": ResponseReader._note_response,
    "response.queued": ResponseReader._note_response,
    "response.in_progress": ResponseReader._note_response,
    "response.output_item.added": ResponseReader._add_item,
    "response.output_item.done": ResponseReader._finish_item,
    "response.output_text.delta": ResponseReader._add_text,
    "response.refusal.delta": ResponseReader._add_text,
    "response.reasoning_summary_part.added": ResponseReader._begin_summary_part,
    "response.reasoning_summary_text.delta": ResponseReader._add_summary,
    "response.reasoning_text.delta": ResponseReader._add_reasoning,
    "response.function_call_arguments.delta": ResponseReader._add_arguments,
    "response.custom_tool_call_input.delta": ResponseReader._add_arguments,
    "response.function_call_arguments.done": ResponseReader._note_arguments,
    "response.custom_tool_call_input.done": ResponseReader._note_arguments,
    "response.completed": ResponseReader._complete_response,
    "response.incomplete": ResponseReader._complete_response,
    "response.failed": ResponseReader._fail_response,
    "error": ResponseReader._fail,
    "codex.rate_limits": ResponseReader._note_limits,
}
