"""The events of a Responses API stream as model events; sans-IO.

Source: the OpenAI API reference, "Responses: streaming events".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from codexd.core.values.foreign_json import (
    check_foreign,
)
from codexd.core.values.model_output import (
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
from codexd.models.answer_size import AnswerSize, check_part
from codexd.models.client import ModelError
from codexd.models.complaints import (
    PLAIN_BYTES_MAX,
    ProviderError,
    find_complaint,
    read_complaint,
)
from codexd.models.rate_limits import limits_in_event
from codexd.models.responses.events import (
    Wire,
    call_in,
    decode_output,
    decode_wire,
    is_cut,
    read_response,
    readable,
    rebuilt,
    short,
    why_incomplete,
    wires_in,
    with_given,
)
from codexd.models.responses.open_items import OpenItem, OpenItems
from codexd.models.responses.verbatim import normalized_json
from codexd.models.sse import ServerSentEvent

# The kinds of items that a response may end without: the model waits for none of them.
_OF_PROVIDER: Final = ("search", "other")
# Values of a response's `error` that are none.
_NO_ERROR: Final = (b"", b"null", b"{}", b'""')


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
        self._size = AnswerSize()
        self._items = OpenItems(self._size, name)
        self._is_cut = False  # an item says of itself that it is not whole
        self._untyped = b""  # the last event of no kind: it may say what is wrong
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
                except UNREADABLE:
                    self._read_mended(event, found)
                    continue
                # Nearly all there is; its text is counted here, for a call costs as much as the counting.
                if wire.type == "response.output_text.delta" and (text := wire.delta):
                    item = self._items.all.get(wire.item_id or "")
                    if item is not None and item.kind == "message":
                        so_far = item.text
                        item.pieces.append(text)
                        so_far.uncounted.append(text)
                        so_far.room -= len(text)
                        if so_far.room > 0:
                            found.append(TextDelta(item.id, text))
                        else:
                            self._give(TextDelta(item.id, self._size.count(so_far)), found)
                        continue
                self._read(wire, event.data, event.event, found)
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
            said = find_complaint(self._untyped)
            self.error = (
                errors.disconnected("the provider closed the connection")
                if said is None
                else errors.failed(said, secrets=self._secrets)
            )
        return []

    def _read(self, wire: Wire, data: bytes, name: str, found: list[ModelEvent]) -> None:
        kind = wire.type or name
        read = _READERS.get(kind)
        if read is None:
            if not wire.type and bytes(wire.output).startswith(b"["):
                # A server that does not stream sends the response, whole.
                self._complete_response(Wire(response=msgspec.Raw(data)), data, found)
                return
            if not wire.type and wire.error and find_complaint(data) is not None:
                self._fail(wire, data, found)
            if not wire.type and len(data) <= PLAIN_BYTES_MAX:
                self._untyped = data
            return
        try:
            read(self, wire, data, found)
        except UNREADABLE as error:
            raise errors.unreadable(f"{kind}: {error}") from error

    def _read_mended(self, event: ServerSentEvent, found: list[ModelEvent]) -> None:
        """Data that is no event by itself."""
        if event.event == "error":
            raise errors.failed(read_complaint(event.data), secrets=self._secrets)
        for wire, data in wires_in(event, _READERS):
            if not self.completed:
                self._read(wire, data, event.event, found)

    # What each kind of event comes to. All take the event decoded and as it came, and add to `found`.

    def _note_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        self._items.response_id = short(read_response(wire.response).id) or self._items.response_id

    def _add_item(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if bytes(wire.item) in (b"", b"null"):
            return
        item = readable(read_head(wire.item))
        open_already = self._items.named(item.id)
        if open_already is None or open_already.index != wire.output_index:
            self._items.begin(item.id, wire.output_index, item.kind, found).begun = wire.item

    def _finish_item(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if bytes(wire.item) not in (b"", b"null"):
            self._complete(wire.item, wire.item_id, wire.output_index, found)

    def _add_text(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta and (item := self._items.of(wire, "message", found)) is not None:
            item.pieces.append(wire.delta)
            self._give(TextDelta(item.id, self._size.text(item.id, wire.delta)), found)

    def _begin_summary_part(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if (item := self._items.of(wire, "reasoning", found)) is not None:
            self._add_part(item, "summary", wire.summary_index, "", found)

    def _add_summary(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta and (item := self._items.of(wire, "reasoning", found)) is not None:
            self._add_part(item, "summary", wire.summary_index, wire.delta, found)

    def _add_reasoning(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta and (item := self._items.of(wire, "reasoning", found)) is not None:
            self._add_part(item, "content", wire.content_index, wire.delta, found)

    def _add_part(
        self,
        item: OpenItem,
        part: Literal["summary", "content"],
        index: int | None,
        text: str,
        found: list[ModelEvent],
    ) -> None:
        index = index or 0
        check_part(index)
        item.pieces.append(text)
        self._give(ReasoningDelta(item.id, part, index, self._size.text(item.id, text)), found)

    def _give(self, delta: TextDelta | ReasoningDelta, found: list[ModelEvent]) -> None:
        """Give a delta out; it is the last one where there was no room for all of it. Raises: ModelError."""
        found.append(delta)
        if self._size.error is not None:
            raise self._size.error

    def _add_arguments(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if wire.delta and (item := self._items.of(wire, "call", found)) is not None:
            self._size.hold(item.id, (wire.delta,))
            item.pieces.append(wire.delta)

    def _note_arguments(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        """The whole arguments: some providers have them nowhere else."""
        item = self._items.find(wire.item_id, wire.output_index, "call")
        given = wire.arguments or wire.input
        if item is not None and given:
            self._size.hold(item.id, (given,))
            item.pieces = [given]

    def _complete_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        response = read_response(wire.response)
        if response.status == "failed" or bytes(response.error) not in _NO_ERROR:
            self._fail_response(wire, data, found)
        if response.status == "cancelled" or wire.type == "response.cancelled":
            raise errors.broken_off("cancelled")
        reason = why_incomplete(response)
        if wire.type == "response.incomplete" or response.status == "incomplete" or self._is_cut:
            reason = reason or "unknown"
        if response.output and (self._items.all or not self._items.any_begun):
            # Else it only repeats the items, and its content costs nothing.
            check_foreign(bytes(response.output))
            self._finish_from_output(decode_output(response.output) or (), found)
        for item in list(self._items.all.values()) if reason is None else ():
            if (whole := rebuilt(item.kind, item.begun, "".join(item.pieces))) is not None:
                self._complete(whole, item.key, item.index, found)
        of_model = [item for item in self._items.all.values() if item.kind not in _OF_PROVIDER]
        unfinished = [item.id for item in of_model]
        if unfinished and reason is None:
            raise errors.unreadable(f"the response is complete, but not its item {unfinished[0]}")
        usage = response.usage
        self._size.whole(len(bytes(usage)))
        found.append(
            ModelResponseDone(
                response_id=short(response.id) or self._items.response_id,
                usage=normalized_json(usage) if usage and bytes(usage) != b"null" else None,
                end_turn=response.end_turn,
                incomplete=short(reason),
            )
        )
        self.completed = True

    def _fail_response(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        complaint = find_complaint(bytes(wire.response)) or ProviderError()
        raise errors.failed(complaint, secrets=self._secrets)

    def _fail(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        raise errors.failed(read_complaint(data), secrets=self._secrets)

    def _note_limits(self, wire: Wire, data: bytes, found: list[ModelEvent]) -> None:
        if limits := limits_in_event(data):
            self._limits = {**self._limits, **limits}
            found.append(ResponseStarted(self._request_id, self._limits))

    # How items end.

    def _complete(
        self, raw: msgspec.Raw, key: str | None, index: int | None, found: list[ModelEvent]
    ) -> None:
        self._size.whole(len(bytes(raw)))
        whole = normalized_json(raw)
        read = readable(read_item(whole))
        item = self._items.complete(read, whole, key, index, found)
        if item is None:
            return
        call = None
        if isinstance(read, CallItem):
            whole, read = with_given(whole, read, "".join(item.pieces), self._call_id(read, item))
            call = call_in(read)
            self._call_ids.add(call.call_id)
        self._is_cut = self._is_cut or (read.kind in ("message", "call") and is_cut(raw))
        found.append(ModelItemDone(item.id, read.kind, whole, call))

    def _call_id(self, read: CallItem, item: OpenItem) -> str:
        """An id that is for this call alone: the provider's, if it gives one that is."""
        base = call_id = read.call_id or item.id
        while call_id in self._call_ids:
            call_id = f"{base}_{len(self._call_ids)}"
            base = call_id
        return call_id

    def _finish_from_output(self, output: tuple[msgspec.Raw, ...], found: list[ModelEvent]) -> None:
        """Items without an event of their own: all items, or those still open."""
        if not self._items.any_begun:
            for index, raw in enumerate(output):
                self._complete(raw, None, index, found)
        for item in list(self._items.all.values()):
            if item.index is not None and item.index < len(output):
                raw = output[item.index]
                if read_head(raw).kind == item.kind:
                    self._complete(raw, item.key, item.index, found)
        for index, raw in enumerate(output):
            # Items that came in deltas with neither id nor place, in the order of their kind.
            unnamed = [item for item in self._items.all.values() if not item.is_named]
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
    "response.done": ResponseReader._complete_response,
    "response.incomplete": ResponseReader._complete_response,
    "response.cancelled": ResponseReader._complete_response,
    "response.failed": ResponseReader._fail_response,
    "error": ResponseReader._fail,
    "codex.rate_limits": ResponseReader._note_limits,
}
