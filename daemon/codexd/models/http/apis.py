"""The two APIs that a provider may speak: where a request goes, its bytes, and who reads the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from secrets import token_hex
from typing import Protocol

import msgspec
from msgspec.structs import replace

from codexd.core.values.dynamic_names import flattened
from codexd.core.values.model_output import ModelEvent
from codexd.models.chat.request import encode_chat
from codexd.models.chat.stream import ChatReader
from codexd.models.client import ModelError, ModelRequest
from codexd.models.provider import Provider
from codexd.models.responses.request import encode_request
from codexd.models.responses.stream import ResponseReader
from codexd.models.sse import ServerSentEvent


class Reader(Protocol):
    """Reads one response. No method raises: `error` has the failure."""

    error: ModelError | None
    completed: bool

    @property
    def text_bytes(self) -> int:
        """The size of the answer's text up to now: its items are made from it when they are whole."""

    @property
    def answered(self) -> bool:
        """Whether the answer itself is whole, and what is still to come is worth no long wait."""

    def feed(self, events: Iterable[ServerSentEvent]) -> list[ModelEvent]:
        """The model events in some events of the stream."""

    def end(self) -> list[ModelEvent]:
        """The stream has ended; what completes with that."""


class Prepared(msgspec.Struct, frozen=True):
    """A request as it goes out."""

    path: str
    body: bytes
    # Of the request id, the limits in the answer's head, and the secrets that no error may repeat.
    reader: Callable[[str | None, dict[str, str], tuple[str, ...]], Reader]


def prepare(provider: Provider, request: ModelRequest) -> Prepared:
    """A request in the API that the provider speaks."""
    if provider.wire_api == "responses":
        if not provider.quirks.namespaces:
            request = replace(request, tools=flattened(request.tools))
        body = encode_request(request, stored=provider.requires_item_ids)
        return Prepared("responses", body, partial(ResponseReader, name=token_hex(8)))
    chat = encode_chat(request, provider.quirks)

    def reader(
        request_id: str | None, limits: dict[str, str], secrets: tuple[str, ...]
    ) -> ChatReader:
        return ChatReader(
            custom_tools=chat.custom_tools,
            call_ids=chat.call_ids,
            think_tags=provider.quirks.think_tags,
            secrets=secrets,
        )

    return Prepared("chat/completions", chat.body, reader)
