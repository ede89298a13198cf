"""The events of a model's answer, from the provider's stream to the commands that report it.

The readers of the providers' streams make these values, and `ReportModel` carries those that are logged.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.exchange import Exchange
from codexd.core.values.ids import ItemId

# The kind of an item. "other" is stored verbatim. "search", a search of the provider's, is a kind while it streams:
# its event has "other", which is the kind that every version can read.
ItemKind = Literal["message", "reasoning", "call", "search", "other"]


class ResponseStarted(msgspec.Struct, frozen=True):
    """The provider answered."""

    request_id: str | None  # of the HTTP response, for support
    rate_limits: dict[str, str]  # headers `x-*-used-percent`, `-reset-*` and their like, verbatim


class ItemStarted(msgspec.Struct, frozen=True):
    """An item begins to stream."""

    item_id: ItemId  # the provider's id, or one that the reader makes
    kind: ItemKind


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More text of a message."""

    item_id: ItemId
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a reasoning item: of its summary, or of the raw reasoning."""

    item_id: ItemId
    part: Literal["summary", "content"]
    index: int  # which part of the summary or the content
    text: str  # may be empty: the part begins


class ModelToolCall(msgspec.Struct, frozen=True):
    """The function or custom-tool call within a completed item of kind "call"."""

    call_id: str
    name: str
    arguments: str
    custom: bool = False
    namespace: str | None = None


class ModelItemDone(msgspec.Struct, frozen=True):
    """An item is complete."""

    item_id: ItemId
    kind: ItemKind
    item: msgspec.Raw  # as the provider sent it
    call: ModelToolCall | None = None  # for kind "call"
    # Unix ms, when it began; the effect sets it, since a reader has no clock.
    started_ms: int | None = None


class ModelResponseDone(msgspec.Struct, frozen=True):
    """The response is complete; nothing follows."""

    response_id: str | None = None
    usage: msgspec.Raw | None = None  # as the provider sent it
    end_turn: bool | None = None  # whether the provider says that the turn ends
    incomplete: str | None = None  # why the response ended early (max_output_tokens, …)
    # Of the whole request, from the effect that made it.
    duration_ms: int = 0
    request_id: str | None = None
    rate_limits: dict[str, str] | None = None
    exchange: Exchange | None = None  # only where telemetry wants it


ModelEvent = (
    ResponseStarted | ItemStarted | TextDelta | ReasoningDelta | ModelItemDone | ModelResponseDone
)
