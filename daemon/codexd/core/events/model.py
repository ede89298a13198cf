"""Events of the requests to the model: their starts and ends, and the items of their answers."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events.base import NOTHING, Fact
from codexd.core.values.exchange import Exchange
from codexd.core.values.ids import CallId, ItemId, ModelCallId
from codexd.core.values.items import TurnError
from codexd.core.values.model_output import ItemKind


class RequestPrint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The parts of a request as hashes, which show later why a prompt cache was missed: all segments are the fold over
    the thread's calls. Repeating them in every call would make a log grow with the square of its turns.
    """

    kept: int  # how many history items are the same as in the request before
    added: tuple[str, ...]  # hashes of the items after those
    digest: str  # chained over all items
    instructions: str | None = None  # hash, if it differs from the request before
    tools: str | None = None  # the same
    withheld: int = 0  # how many items were not sent, since they are reasoning of another model
    daemon: str | None = None  # its version, if instructions or tools differ


class ModelCallStarted(Fact, frozen=True):
    """A request to the model is about to be sent."""

    type = "model.call_started"
    call_id: ModelCallId
    attempt: int
    model: str
    provider: str
    purpose: Literal["turn", "compact", "review"] = "turn"
    request: RequestPrint | None = None  # None for a summary, which is not part of the history
    left_out: int = 0  # in a summary's request: how many of the oldest items did not fit


class ToolCallRef(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The tool call in an item; the item has its arguments."""

    call_id: CallId
    name: str
    custom: bool = False
    answers: str | None = None  # the model's id of the call; None: the same


class ItemCompleted(Fact, frozen=True):
    """The model completed an item, stored as the provider sent it."""

    type = "model.item_completed"
    barrier = False
    item_id: ItemId
    kind: ItemKind
    item: msgspec.Raw
    started_ms: int | None = None  # Unix ms, when its first part was received
    call: ToolCallRef | None = None


class ItemCut(Fact, frozen=True):
    """A streaming item will not be completed; this is the text that was shown. A search has the kind "other"."""

    type = "model.item_cut"
    item_id: ItemId
    kind: ItemKind
    why: Literal["interrupted", "failed", "restarted"]
    text: str = ""
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    started_ms: int | None = None
    in_history: bool = False  # the model's history has the text of this message, too


class ModelCallEnded(Fact, frozen=True):
    """The response is complete."""

    type = "model.call_ended"
    barrier = False
    duration_ms: int
    response_id: str | None = None
    request_id: str | None = None
    usage: msgspec.Raw = NOTHING  # as the provider sent it
    rate_limits: dict[str, str] | None = None  # response headers, if they changed
    incomplete: str | None = None  # why the response ended early
    end_turn: bool | None = None  # False: the provider says that the model has more to say
    exchange: Exchange | None = None  # only recorded while telemetry is on


class ModelCallFailed(Fact, frozen=True):
    """An attempt failed."""

    type = "model.call_failed"
    error: TurnError
    at: Literal["request", "stream", "restart"]
    will_retry: bool
    after_ms: int = 0
    rate_limits: dict[str, str] | None = None
    images: tuple[str, ...] = ()  # hashes of refused images, which later requests leave out
    asked: tuple[str, str] = ("", "")  # the model and the provider that refused them
    exchange: Exchange | None = None  # only recorded while telemetry is on
