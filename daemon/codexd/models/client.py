"""The port to a model: a request goes out, batches of model events come in.

    ModelClient.stream(request)  ->  ModelStream.receive()  ->  [ModelEvent, …] per network read

A stream yields, per item: `ItemStarted`, deltas, `ModelItemDone`; and last `ModelResponseDone`. Items
come in order, though a provider may interleave them. Every failure is a `ModelError`, which says
whether another attempt may help. Leaving the stream's context closes its connection.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from codexd.core.values.items import ErrorInfo
from codexd.core.values.model_output import (
    ModelEvent,
)
from codexd.models.exchange.notes import ExchangeNotes


class ModelRequest(msgspec.Struct, frozen=True):
    """One request, provider-neutral. The history comes encoded, one JSON value an item."""

    model: str
    instructions: str
    input: tuple[bytes, ...]  # Responses-API items without ids, each encoded
    tools: tuple[bytes, ...]  # tool declarations, each encoded
    cache_key: str  # constant for a thread: `prompt_cache_key`
    reasons: bool = False  # its reasoning is to be returned
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    output_schema: msgspec.Raw | None = None
    parallel_tool_calls: bool = True
    notes: ExchangeNotes | None = None  # told how the exchange goes, for telemetry


# Where a request failed: before the provider answered it, or while the answer was streaming.
# Each has a retry budget of its own (`request_max_retries`, `stream_max_retries`).
FailedAt = Literal["request", "stream"]


class ModelError(Exception):
    """A request came to nothing. The message is fit for the person who asked, and holds no secret.

    By default no answer to read began, and another attempt would fail the same way.
    """

    def __init__(
        self,
        message: str,
        *,
        info: ErrorInfo,
        at: FailedAt = "request",
        retry: bool = False,
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
        self.after_ms = after_ms  # the provider's Retry-After, else None
        self.details = details  # the wire's `additionalDetails`
        self.rate_limits = rate_limits or {}
        # Whether the request's images may be what is wrong with it: the newest of them, or all together.
        self.about_images = about_images
        self.too_many_images = False


class ModelStream(Protocol):
    """A response under way."""

    async def receive(self) -> list[ModelEvent]:
        """The events of one network read, at least one; an empty list after the last.

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
