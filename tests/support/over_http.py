"""Asking a provider over real HTTP, and what its answer came to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from codexd.core.values.model_output import ModelEvent, TextDelta
from codexd.models.client import ModelError, ModelRequest
from codexd.models.http.client import HttpModelClient
from codexd.models.provider import read_provider

HELLO = b'{"type":"message","role":"user","content":[{"type":"input_text","text":"Hello"}]}'
REQUEST = ModelRequest(
    model="gpt-6.1-sol",
    instructions="Be brief.",
    input=(HELLO,),
    tools=(b'{"type":"function","name":"shell_command"}',),
    cache_key="thread-1",
)
KEY = "sk-secret-0123456789"


@asynccontextmanager
async def client_of(
    base_url: str, env: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[HttpModelClient]:
    """A client with a key, whose connections are closed in the end."""
    table = {"base_url": base_url, "env_key": "KEY", **settings}
    client = HttpModelClient(read_provider("mock", table), {"KEY": KEY} if env is None else env)
    try:
        yield client
    finally:
        await client.aclose()


async def asked(
    client: HttpModelClient, events: list[ModelEvent] | None = None
) -> list[ModelEvent]:
    """All events of an answer; they are in `events` even if it breaks."""
    events = [] if events is None else events
    async with client.stream(REQUEST) as stream:
        while batch := await stream.receive():
            events += batch
        assert await stream.receive() == []
    return events


async def error_of(client: HttpModelClient) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await asked(client)
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
