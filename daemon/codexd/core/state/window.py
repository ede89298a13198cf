"""The use of the model's context window: the provider's last count, and an estimate of everything since then.

Law: a pure fold. Total usage is separate: it only grows, and is in the projection
of usage. A count of the provider replaces every estimate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.events import given
from codexd.core.values.ids import ItemId
from codexd.core.values.items import ImageInput, LocalImageInput, TextInput, UserInput
from codexd.core.values.tool_actions import PersonCommand
from codexd.core.values.truncate import tokens_of, utf8_bytes
from codexd.core.values.usage import read_usage

# The tokens of a first request without a prompt: instructions, tools, environment. They are not counted
# as used, so that a thread begins with 100% left. The figure is that of Codex.
BASELINE_TOKENS = 12_000
# After a compaction the history must grow by this part of its size, or of the limit, before another is due:
# a summary alone may take as much (`SUMMARY_PART_OF_WINDOW`), so less growth leaves nothing to free.
GROWN_PART: Final = 4
# An image is counted by its size in pixels, not in bytes: an image at full detail has some 1800 tokens.
# This is an estimate until the provider has counted it.
IMAGE_BYTES = 7_200

_IMAGE_IN_JSON = re.compile(rb'(?<!\\)"(?:data:image/|codexd-blob:)[^"]*+"')


class ContextWindow(msgspec.Struct, frozen=True, gc=False):
    """The fold. Bytes are counted for items that are in no count of a provider yet."""

    last_total: int = 0  # tokens, from the newest response with usage
    since_bytes: int = 0  # of items that were added since
    full: bool = False  # a request was refused as too long, and the history was not compacted since
    limit: int | None = None  # usable tokens of the newest turn's model
    pending_bytes: int = 0  # of `since_bytes`: items that the model sees only with its next call
    # Of `since_bytes`, while a call runs: items that its own count will include.
    asked_bytes: int = 0
    made_bytes: int = 0
    summarising: bool = False  # whether the running call asks for a summary
    queued: tuple[tuple[ItemId, int], ...] = ()  # queued inputs, with their bytes
    # The tokens of the first request after the newest compaction, which another would not free; 0: none.
    floor: int = 0
    floor_counted: bool = False  # by the provider; until then it is an estimate
    grown_bytes: int = 0  # of what a person, the model and tools have added since that compaction
    agents_bytes: int = 0  # of the newest instructions of AGENTS.md files

    @property
    def context_tokens(self) -> int:
        """The tokens of the next request, as far as they are known."""
        return self.last_total + tokens_of(self.since_bytes)

    @property
    def percent_left(self) -> int | None:
        """The free part of the usable window; None if the window is unknown."""
        return None if self.limit is None else percent_left(self.limit, self.context_tokens)

    def growth_due(self, limit: int | None) -> int:
        """By how many tokens the history must have grown since the newest compaction for another to help."""
        return max(self.floor, limit or 0) // GROWN_PART if self.floor else 0

    def grown(self, limit: int | None) -> bool:
        """Whether another compaction may help; estimated by size, since a provider's counts may be wrong."""
        return tokens_of(self.grown_bytes) >= self.growth_due(limit)


def percent_left(effective_window: int, tokens: int) -> int:
    """The free part of a window beyond the baseline, in percent, rounded half up; 0 for tiny windows."""
    room = effective_window - BASELINE_TOKENS
    if room <= 0:
        return 0
    left = room - max(0, tokens - BASELINE_TOKENS)
    return min(100, max(0, (200 * left + room) // (2 * room)))


def fold_window(window: ContextWindow, event: e.Event | e.Unknown) -> ContextWindow:
    """The window after the event; the same object if nothing has changed."""
    match event:
        case e.ModelCallStarted() | e.ModelCallEnded() | e.ModelCallFailed():
            return _of_call(window, event)
        case e.ItemCompleted() if not window.summarising:
            size = json_bytes(event.item)
            return replace(
                window,
                since_bytes=window.since_bytes + size,
                made_bytes=window.made_bytes + size,
                grown_bytes=window.grown_bytes + size,
            )
        case e.ItemCut(in_history=True):
            return _grow(window, utf8_bytes(event.text))
        case e.ToolEnded():
            parts = given(event.result.model_parts)
            size = json_bytes(parts) if parts is not None else utf8_bytes(event.result.model_text)
            return _grow(window, size)
        case e.ProcessEnded() if isinstance(event.action, PersonCommand):
            return _grow_pending(window, utf8_bytes(event.result.model_text))
        case e.ContextAdded():
            return _of_context(window, event)
        case e.GoalTold():
            return _grow_pending(window, utf8_bytes(event.text))
        case e.TurnSteered():
            return _grow_pending(window, input_bytes(event.content))
        case e.ReviewExited() if event.told is not None:
            return _grow_pending(window, utf8_bytes(event.told) + utf8_bytes(event.review))
        case e.TurnCompleted() | e.TurnInterrupted() | e.TurnFailed():
            return replace(window, pending_bytes=0, asked_bytes=0, made_bytes=0, summarising=False)
        case (
            e.HistoryCompacted()
            | e.HistoryReverted()
            | e.HistoryRevertUndone()
            | e.HistoryCompactionUndone()
        ):
            return _of_another_history(window, event)
        case _:
            return _of_queue(window, event)


def input_bytes(content: Iterable[UserInput]) -> int:
    """The size of an input in the context."""
    return sum(_part_bytes(part) for part in content)


def json_bytes(item: msgspec.Raw) -> int:
    """The size of an encoded item in the context, with images counted as images."""
    encoded = bytes(item)
    if b'"data:image/' not in encoded and b'"codexd-blob:' not in encoded:
        return len(encoded)
    text, images = _IMAGE_IN_JSON.subn(b'""', encoded)
    return len(text) + images * IMAGE_BYTES


def _of_call(
    window: ContextWindow, event: e.ModelCallStarted | e.ModelCallEnded | e.ModelCallFailed
) -> ContextWindow:
    match event:
        case e.ModelCallStarted() if event.purpose == "compact":
            return replace(window, summarising=True)
        case e.ModelCallStarted():
            asked = window.since_bytes
            return replace(
                window, pending_bytes=0, asked_bytes=asked, made_bytes=0, summarising=False
            )
        case e.ModelCallEnded():
            tokens = None if window.summarising else read_usage(event.usage)
            ended = replace(window, asked_bytes=0, made_bytes=0, summarising=False)
            if tokens is None or not tokens.total_tokens:
                return ended  # A provider that counts nothing sends zeros.
            if window.floor and not window.floor_counted:
                floor = max(window.floor, tokens.input_tokens or tokens.total_tokens)
                ended = replace(ended, floor=floor, floor_counted=True)
            # Items that were added while it streamed (a tool's answer, a person's message) are in no count yet.
            since = window.since_bytes - window.asked_bytes - window.made_bytes
            return replace(
                ended, last_total=tokens.total_tokens, since_bytes=max(since, 0), full=False
            )
        case e.ModelCallFailed() if (
            event.error.codex_error_info == "contextWindowExceeded" and not event.images
        ):
            # The request was too long, against the estimate.
            last = max(window.last_total, (window.limit or 0) - tokens_of(window.since_bytes))
            return replace(window, last_total=last, full=True, summarising=False)
        case e.ModelCallFailed():
            return replace(window, summarising=False)


def _of_queue(window: ContextWindow, event: e.Event | e.Unknown) -> ContextWindow:
    match event:
        case e.HistoryInjected():
            return _grow_pending(window, sum(map(json_bytes, event.items)))
        case e.InputQueued():
            waiting = (event.item_id, input_bytes(event.content))
            return replace(window, queued=(*window.queued, waiting))
        case e.InputWithdrawn():
            return replace(window, queued=_without(window.queued, (event.item_id,)))
        case e.ThreadForked():
            return replace(window, queued=())
        case e.TurnStarted():
            size = sum(size for item_id, size in window.queued if item_id in event.inputs)
            limit = event.limits.effective
            # A larger window may have room for the same request.
            roomier = limit is not None and window.limit is not None and limit > window.limit
            began = replace(
                window,
                limit=limit,
                full=window.full and not roomier,
                queued=_without(window.queued, event.inputs),
            )
            return _grow_pending(began, size)
        case _:
            return window


def _of_another_history(
    window: ContextWindow,
    event: e.HistoryCompacted
    | e.HistoryReverted
    | e.HistoryRevertUndone
    | e.HistoryCompactionUndone,
) -> ContextWindow:
    match event:
        case e.HistoryCompacted():
            items = sum(json_bytes(item) for item in event.items)
            # An imported compaction replaces everything before it, and nothing is pending after it.
            pending = window.pending_bytes if event.trigger is not None else 0
            return replace(
                window,
                last_total=0,
                since_bytes=items + pending,
                pending_bytes=pending,
                full=False,
                asked_bytes=0,
                made_bytes=0,
                floor=max(1, tokens_of(items + pending)),
                floor_counted=False,
                grown_bytes=0,
            )
        case _:
            return ContextWindow(
                last_total=event.tokens,
                limit=window.limit,
                queued=window.queued,
                agents_bytes=window.agents_bytes,
            )


def _of_context(window: ContextWindow, event: e.ContextAdded) -> ContextWindow:
    size = utf8_bytes(event.text)
    if event.category == "user_instructions":
        window = replace(window, agents_bytes=size)
    return window if event.within else _put_pending(window, size)


def _grow(window: ContextWindow, size: int) -> ContextWindow:
    return replace(
        window, since_bytes=window.since_bytes + size, grown_bytes=window.grown_bytes + size
    )


def _grow_pending(window: ContextWindow, size: int) -> ContextWindow:
    return replace(_put_pending(window, size), grown_bytes=window.grown_bytes + size)


def _put_pending(window: ContextWindow, size: int) -> ContextWindow:
    return replace(
        window, since_bytes=window.since_bytes + size, pending_bytes=window.pending_bytes + size
    )


def _part_bytes(part: UserInput) -> int:
    match part:
        case TextInput():
            return utf8_bytes(part.text)
        case ImageInput() | LocalImageInput():
            return IMAGE_BYTES
        case _:
            return utf8_bytes(part.name) + utf8_bytes(part.path)


def _without(
    queued: tuple[tuple[ItemId, int], ...], item_ids: tuple[ItemId, ...]
) -> tuple[tuple[ItemId, int], ...]:
    return tuple(entry for entry in queued if entry[0] not in item_ids)
