"""The open texts of a thread: items and outputs that are not yet facts, each in a draft file.

Text is appended to a draft before it is shown, so that a crash cannot remove text that a screen has shown.
Text that a full disk does not take waits in memory and is not shown, while the stream continues. An item's
draft is a run of JSON lines `[part, index, text]`; an output's is the raw bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from codexd.core.commands import OpenItem
from codexd.core.events.events import Event, ItemCompleted, ItemCut, Unknown
from codexd.core.events.tools import ProcessEnded, ToolEnded
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.model_output import ItemKind
from codexd.core.values.tool_actions import PersonCommand, SessionCall
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.ports import AsItIs, Cleaner, Listener, clean_pieces
from codexd.runtime.actor.streaming_output import (
    OUTPUT_INLINE_BYTES_MAX,
    OutputHeader,
    StreamingOutput,
)
from codexd_eventstore.store import Draft, Drafts, LeftDraft, StoreFailed

# The kinds of items that are shown while they stream.
SHOWN_KINDS = ("message", "reasoning", "search")

_encode = msgspec.json.Encoder().encode


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """The first line of an item's draft."""

    item_id: ItemId
    kind: ItemKind
    started_ms: int


class StreamingItem:
    """An item that receives deltas."""

    def __init__(
        self,
        item_id: ItemId,
        kind: ItemKind,
        started_ms: int,
        open_draft: Callable[[], Draft],
        cleaner: Callable[[], Cleaner],
    ) -> None:
        self.item_id, self.kind, self.started_ms = item_id, kind, started_ms
        self._open_draft = open_draft
        self.cleaners = defaultdict[tuple[TextPart, int], Cleaner](cleaner)
        self._draft: Draft | None = None
        self._parts: dict[tuple[TextPart, int], list[str]] = {}
        self._waiting: dict[tuple[TextPart, int], list[str]] = {}  # for the disk

    @property
    def begun(self) -> bool:
        """Whether it has a draft: without it a crash would remove the text, so it is not shown."""
        return self._draft is not None

    @property
    def is_lagging(self) -> bool:
        """Whether some of it is not in its draft yet."""
        return self._draft is None or bool(self._waiting)

    def begin(self) -> None:
        """Start its draft. Raises: StoreFailed."""
        self._draft = self._open_draft()

    def let_out(self) -> None:
        """Nothing more is added: text that was held back as a possible secret waits with the rest."""
        for key, cleaner in self.cleaners.items():
            held = cleaner.rest()
            if held:
                self.put_off(*key, (held.decode(errors="replace"),))

    def add(self, part: TextPart, index: int, pieces: Sequence[str]) -> None:
        """Put text into the draft. Raises: StoreFailed, and it is not there."""
        assert self._draft is not None
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        self._draft.append(_encode((part, index, text)) + b"\n")
        self._parts.setdefault((part, index), []).append(text)

    def put_off(self, part: TextPart, index: int, pieces: Sequence[str]) -> None:
        """Keep text until the disk takes it."""
        self._waiting.setdefault((part, index), []).extend(pieces)

    def catch_up(self) -> Iterator[tuple[TextPart, int, Sequence[str]]]:
        """Put what waits into the draft; each text as it is there. Raises: StoreFailed."""
        for key, pieces in list(self._waiting.items()):
            self.add(*key, pieces)
            del self._waiting[key]
            yield *key, pieces

    def texts(self) -> list[tuple[TextPart, int, str]]:
        """Its parts, as screens may have shown them."""
        return [(part, index, "".join(p)) for (part, index), p in self._parts.items()]

    def frozen(self) -> OpenItem:
        """It as a command carries it, with what waits for the disk: the fact needs no draft."""
        texts = [
            (*key, "".join([*self._parts.get(key, ()), *self._waiting.get(key, ())]))
            for key in dict.fromkeys([*self._parts, *self._waiting])
        ]
        return open_item(self.item_id, self.kind, self.started_ms, texts)

    def drop(self) -> None:
        if self._draft is not None:
            self._draft.drop()


class Streaming:
    """All that streams in one thread."""

    def __init__(
        self,
        store: Drafts,
        stream: str,
        listener: Listener,
        disk_full: Callable[[], None] = lambda: None,
        cleaner: Callable[[], Cleaner] = AsItIs,
    ) -> None:
        """`disk_full` is called when a write fails for want of space: `catch_up` must be called until all is written.

        `cleaner` makes a redactor for one text.
        """
        self._store, self._stream, self._listener = store, stream, listener
        self._disk_full, self._cleaner = disk_full, cleaner
        self.items: dict[ItemId, StreamingItem] = {}
        self.outputs: dict[CallId, StreamingOutput] = {}
        self.aborted: dict[CallId, StreamingOutput] = {}
        self._opened = 0
        self._closed = False
        self._outputs_closed = False

    def open_item(self, item_id: ItemId, kind: ItemKind, at_ms: int) -> None:
        if self._closed or item_id in self.items or kind not in SHOWN_KINDS:
            return
        header = _encode(Header(item_id, kind, at_ms))
        item = self.items[item_id] = StreamingItem(
            item_id,
            kind,
            at_ms,
            lambda: self._store.open_draft(self._stream, self._name("item"), header),
            self._cleaner,
        )
        try:
            self._begin(item)
        except StoreFailed:
            self._disk_full()  # It begins on screens when it can be kept.

    def add_text(self, item_id: ItemId, part: TextPart, index: int, pieces: Sequence[str]) -> None:
        """More text of an open item: into the draft, then to the listener."""
        item = self.items.get(item_id)
        if item is None or self._closed:
            return
        pieces = clean_pieces(item.cleaners[part, index], pieces)
        if not pieces:
            return
        if not item.is_lagging:
            with suppress(StoreFailed):
                item.add(part, index, pieces)
                self._listener.text(item_id, part, index, pieces)
                return
        item.put_off(part, index, pieces)
        self._disk_full()

    def open_output(
        self,
        call_id: CallId,
        *,
        lasts: bool = False,
        left: LeftDraft | None = None,
        again_from: int | None = None,
    ) -> StreamingOutput:
        """A command is about to write, or runs since the daemon before, with what that had kept of its output.

        `lasts`: it writes also where its turn is interrupted. `again_from`: where in `left` the output begins that will
        be fed once more; None: none will. Raises: StoreFailed, NotFound, for what is left.
        """
        header, name = _encode(OutputHeader(call_id)), self._name("output")
        output = StreamingOutput(
            call_id,
            lambda: self._store.open_draft(self._stream, name, header),
            self._cleaner(),
            lasts=lasts,
        )
        if left is not None:
            output.take_up(self._store.reopen_draft(self._stream, left), again_from)
        self.outputs[call_id] = output
        return output

    def add_output(self, call_id: CallId, chunk: bytes) -> None:
        """More output of a command: into the draft, then to the listener."""
        output = self.outputs.get(call_id)
        if output is None or not self._takes(output):
            return
        chunk = output.clean(chunk)
        if not chunk:
            return
        if not output.is_lagging:
            with suppress(StoreFailed):
                self._tell_output(call_id, output.add(chunk))
                return
        output.put_off(chunk)
        self._disk_full()

    def catch_up(self) -> None:
        """Write and publish what the disk did not take before. Raises: StoreFailed, for what is left."""
        if self._closed:
            return  # It is on its way to the log.
        for item in self.items.values():
            if not item.begun:
                self._begin(item)
            for part, index, pieces in item.catch_up():
                self._listener.text(item.item_id, part, index, pieces)
        for call_id in self.outputs:
            self.catch_up_output(call_id)

    def catch_up_output(self, call_id: CallId) -> None:
        """The same for the output of one command. Raises: StoreFailed."""
        output = self.outputs.get(call_id)
        if output is not None and output.is_lagging and self._takes(output):
            self._tell_output(call_id, output.catch_up())

    def finish_output(self, call_id: CallId) -> None:
        """The command has ended: output that was held back as a possible secret is written.

        Raises: StoreFailed, and may be called again.
        """
        output = self.outputs.get(call_id)
        if output is not None and self._takes(output):
            output.let_out()
            self.catch_up_output(call_id)

    def _begin(self, item: StreamingItem) -> None:
        item.begin()
        self._listener.opened(item.item_id, item.kind, item.started_ms)

    def _takes(self, output: StreamingOutput) -> bool:
        return output.lasts or not self._outputs_closed

    def _tell_output(self, call_id: CallId, text: str) -> None:
        if text:
            self._listener.output(call_id, text)

    def freeze(self, *, outputs: bool = False) -> tuple[OpenItem, ...]:
        """Everything that still streams, as facts to be; nothing is added to its texts any more.

        With `outputs`, commands are ended as well: nothing is added to what they have printed either.
        """
        self._closed, self._outputs_closed = True, outputs
        for item in self.items.values():
            item.let_out()
        for output in self.outputs.values():
            if not self._takes(output):
                output.let_out()
        return self.frozen()

    def frozen(self) -> tuple[OpenItem, ...]:
        """Everything that streams, as it is now."""
        items = tuple(item.frozen() for item in self.items.values())
        return items + tuple(output.frozen() for output in self.outputs.values())

    def shown(self) -> tuple[OpenItem, ...]:
        """Everything that streams, as far as screens may have shown it."""
        items = [
            open_item(item.item_id, item.kind, item.started_ms, item.texts())
            for item in self.items.values()
            if item.begun
        ]
        outputs = [
            OpenItem(ItemId(output.call_id), "call", text=output.text())
            for output in self.outputs.values()
        ]
        return (*items, *outputs)

    def thaw(self) -> None:
        """The facts are in the log, or were not wanted."""
        is_lagging = any(item.is_lagging for item in self.items.values())
        if self._closed and (is_lagging or any(o.is_lagging for o in self.outputs.values())):
            self._disk_full()  # What was let out for a fact that did not come to be is still to be shown.
        self._closed = self._outputs_closed = False

    def recorded(self, event: Event | Unknown) -> None:
        """The event is in the log: drop the drafts that it replaces."""
        match event:
            case ItemCompleted() | ItemCut():
                self.end_item(event.item_id)
            case ToolEnded() if event.process is None:
                self.end_output(event.call_id, whole=event.result.status != "aborted")
            case ProcessEnded(of=SessionCall(call_id)):
                is_stopped = event.result.status == "aborted" and event.result.blob is None
                of_person = isinstance(event.action, PersonCommand)
                self.end_output(call_id, whole=not (of_person and is_stopped))

    def end_item(self, item_id: ItemId) -> None:
        """The item's fact is in the log."""
        item = self.items.pop(item_id, None)
        if item is not None:
            item.drop()

    def end_output(self, call_id: CallId, *, whole: bool = True) -> None:
        """The fact of the tool call, or of the process that it left running, is in the log.

        `whole`: with all of the output, or with the name of its blob. Else `aborted` has an output that is larger
        than its event, until it is kept or dropped.
        """
        output = self.outputs.pop(call_id, None)
        if output is None:
            return
        if whole or output.printed_bytes <= OUTPUT_INLINE_BYTES_MAX:
            output.drop()
        else:
            self.aborted[call_id] = output

    def _name(self, what: str) -> str:
        self._opened += 1
        return f"{what}-{self._opened}"


def open_item(
    item_id: ItemId, kind: ItemKind, started_ms: int, parts: list[tuple[TextPart, int, str]]
) -> OpenItem:
    """An item as a command carries it, its parts in their order."""
    ordered = sorted(parts, key=lambda entry: entry[1])
    return OpenItem(
        item_id,
        kind,
        text="".join(text for part, _, text in ordered if part == "text"),
        summary=tuple(text for part, _, text in ordered if part == "summary"),
        content=tuple(text for part, _, text in ordered if part == "content"),
        started_ms=started_ms,
    )
