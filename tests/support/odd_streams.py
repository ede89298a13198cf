"""Streams of odd shapes, and what the readers make of them."""

from __future__ import annotations

from typing import Any

import msgspec

from codexd.core.values.model_output import ModelEvent, ModelItemDone, TextDelta
from codexd.models.chat.stream import ChatReader
from codexd.models.responses.stream import ResponseReader
from codexd.models.sse import EventStreamReader


def stream(*events: dict[str, Any] | bytes) -> bytes:
    encoded = (e if isinstance(e, bytes) else msgspec.json.encode(e) for e in events)
    return b"".join(b"data: %b\n\n" % event for event in encoded)


def responses(*events: dict[str, Any] | bytes) -> list[ModelEvent]:
    """What a whole response becomes."""
    reader = ResponseReader()
    found = reader.feed(EventStreamReader().feed(stream(*events)))
    assert (reader.error, reader.completed) == (None, True)
    return found


def chat(*chunks: dict[str, Any] | bytes) -> list[ModelEvent]:
    """What a whole chat answer becomes."""
    return chat_of(stream(*chunks, b"[DONE]"))


def chat_of(sent: bytes) -> list[ModelEvent]:
    """The same of the bytes of a stream."""
    frames, reader = EventStreamReader(), ChatReader()
    found = reader.feed(frames.feed(sent))
    found += reader.feed(frames.end())
    found += reader.end()
    assert (reader.error, reader.completed) == (None, True)
    return found


def choice(finish: str | None = "stop", **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def items(events: list[ModelEvent]) -> list[ModelItemDone]:
    return [event for event in events if isinstance(event, ModelItemDone)]


def shown(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def given(events: list[ModelEvent]) -> list[str]:
    return [item.call.arguments for item in items(events) if item.call is not None]
