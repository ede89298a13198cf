"""The port to a model: a request goes out, batches of model events come in.

    ModelClient.stream(request)  ->  ModelStream.receive()  ->  [ModelEvent, …] per network read

A stream yields, per item: `ItemStarted`, deltas, `ModelItemDone`; and last `ModelResponseDone`. Items
come in order, though a provider may interleave them. Whatever goes wrong is a `ModelError`, which says
whether another attempt may help. Leaving the stream's context closes its connection.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from codexd.core.values.ids import ItemId
from codexd.core.values.items import ErrorInfo


class ModelRequest(msgspec.Struct, frozen=True):
    """One request, provider-neutral. The history comes encoded, one JSON value an item."""

    model: str
    instructions: str
    input: tuple[bytes, ...]  # Responses-API items without ids, each encoded
    tools: tuple[bytes, ...]  # tool declarations, each encoded
    cache_key: str  # constant for a thread: `prompt_cache_key`
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    output_schema: msgspec.Raw | None = None
    parallel_tool_calls: bool = True


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


class ModelResponseDone(msgspec.Struct, frozen=True):
    """The response is whole; nothing comes after it."""

    response_id: str | None
    usage: msgspec.Raw | None  # as the provider sent it
    end_turn: bool | None = None  # what the provider says of whether it wants to go on
    incomplete: str | None = None  # why the response ended early (max_output_tokens, …)


ModelEvent = (
    ResponseStarted | ItemStarted | TextDelta | ReasoningDelta | ModelItemDone | ModelResponseDone
)

# Where a request failed: before the provider answered it, or while the answer was streaming.
# Each has a retry budget of its own (`request_max_retries`, `stream_max_retries`).
FailedAt = Literal["request", "stream"]


class ModelError(Exception):
    """A request came to nothing. The message is fit for the person who asked, and holds no secret."""

    def __init__(
        self,
        message: str,
        *,
        info: ErrorInfo,
        at: FailedAt,
        retry: bool,
        after_ms: int | None = None,
        details: str | None = None,
        rate_limits: dict[str, str] | None = None,
        about_images: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.info = info  # the wire's `codexErrorInfo`
        self.at: FailedAt = at
        self.retry = retry  # whether another attempt may help
        self.after_ms = after_ms  # the provider's own word on when (Retry-After), else None
        self.details = details  # the wire's `additionalDetails`
        self.rate_limits = rate_limits or {}
        self.about_images = (
            about_images  # whether the request's images may be what is wrong with it
        )


class ModelStream(Protocol):
    """A response under way."""

    async def receive(self) -> list[ModelEvent]:
        """What one network read brought, at least one event; an empty list after the last.

        Raises:
            ModelError: the stream broke, fell silent, or said that the response failed.
        """


class RetryBudget(msgspec.Struct, frozen=True):
    """How often a provider's requests are tried again."""

    request_max_retries: int = 4
    stream_max_retries: int = 5


class ModelClient(Protocol):
    """A provider. One client serves all threads that use it."""

    @property
    def budget(self) -> RetryBudget:
        """How often to try again."""

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[ModelStream]:
        """Send the request; entering the context waits for the provider's answer to begin.

        Raises:
            ModelError: on entering, `at="request"`.
        """
