"""What a model's answer comes to, from the provider's stream to the commands that report it.

The readers of the providers' streams make these, and `ReportModel` carries those of them that go into the log.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.ids import ItemId

# What an item is, as far as anybody but the model cares. "other" is kept verbatim and shown to nobody.
ItemKind = Literal["message", "reasoning", "call", "other"]


class ResponseStarted(msgspec.Struct, frozen=True):
    """The provider answered."""

    request_id: str | None  # of the HTTP response, for support
    rate_limits: dict[str, str]  # headers `x-*-used-percent`, `-reset-*` and their like, verbatim


class ItemStarted(msgspec.Struct, frozen=True):
    """An item begins to stream."""

    item_id: ItemId  # the provider's, or one made up by the stream where it gives none
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


class CallMade(msgspec.Struct, frozen=True):
    """The function or custom-tool call within a completed item of kind "call"."""

    call_id: str
    name: str
    arguments: str
    custom: bool = False


class ModelItemDone(msgspec.Struct, frozen=True):
    """An item is whole."""

    item_id: ItemId
    kind: ItemKind
    item: msgspec.Raw  # as the provider sent it
    call: CallMade | None = None  # for kind "call"
    started_ms: int | None = (
        None  # Unix ms, when it began; a reader has no clock, so the effect says it
    )


class ModelResponseDone(msgspec.Struct, frozen=True):
    """The response is whole; nothing comes after it."""

    response_id: str | None = None
    usage: msgspec.Raw | None = None  # as the provider sent it
    end_turn: bool | None = None  # what the provider says of whether it wants to go on
    incomplete: str | None = None  # why the response ended early (max_output_tokens, …)
    # Of the whole request, from the effect that made it.
    duration_ms: int = 0
    request_id: str | None = None
    rate_limits: dict[str, str] | None = None


ModelEvent = (
    ResponseStarted | ItemStarted | TextDelta | ReasoningDelta | ModelItemDone | ModelResponseDone
)
