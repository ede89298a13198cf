"""Whatever comes for a Responses stream, it ends in a whole response or in an error: nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.values.model_output import (
    ItemStarted,
    ModelEvent,
    ModelItemDone,
    ModelResponseDone,
)
from codexd.models.responses.stream import ResponseReader
from codexd.models.sse import EventStreamReader
from codexd.projections.model.items import without_id

CASSETTES = sorted((Path(__file__).parent / "cassettes").glob("*.sse"))
# The same every time, so that a failure is one for everybody; at night, many more of them.
EXAMPLES = 5_000 if os.environ.get("CODEXD_NIGHTLY") else 25
some = settings(derandomize=True, deadline=None, max_examples=EXAMPLES, database=None)

words = st.sampled_from(["", "a", "b", "{}", "message", "function_call", "reasoning", "completed"])
odd = st.none() | st.integers(-1, 2**70) | words | st.lists(st.none() | words, max_size=2)
items = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("type", "id", "call_id", "name", "arguments", "input", "content", "summary"), words | odd
    ),
)
kinds = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_part.added",
        "response.function_call_arguments.delta",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
        "codex.rate_limits",
        "unheard.of",
    ]
)
chunks = st.fixed_dictionaries(
    {"type": kinds},
    optional={
        "item": items | odd,
        "item_id": words,
        "output_index": st.integers(0, 2) | odd,
        "delta": words | odd,
        "response": st.fixed_dictionaries(
            {}, optional={"id": words, "output": st.lists(items, max_size=2), "usage": odd | items}
        )
        | odd,
    },
)
events = chunks.map(lambda chunk: b"data: %b\n\n" % msgspec.json.encode(chunk)) | st.binary(
    max_size=20
)


def check(stream: bytes) -> None:
    frames, reader = EventStreamReader(), ResponseReader()
    found: list[ModelEvent] = reader.feed(frames.feed(stream))
    reader.end()
    assert reader.completed == (reader.error is None)
    assert reader.completed == (bool(found) and isinstance(found[-1], ModelResponseDone))
    begun = [event.item_id for event in found if isinstance(event, ItemStarted)]
    done = [event for event in found if isinstance(event, ModelItemDone)]
    assert len(set(begun)) == len(begun)
    assert {item.item_id for item in done} <= set(begun)
    for item in done:
        assert b"\n" not in bytes(item.item)
        kept: dict[str, Any] = msgspec.json.decode(without_id(item.item))
        assert "id" not in kept
        assert item.call is None or (item.call.name and item.call.call_id)


@pytest.mark.slow
@some
@given(st.lists(events, max_size=8).map(b"".join))
def test_events_of_any_kind(stream: bytes) -> None:
    check(stream)


@pytest.mark.slow
@some
@given(
    st.sampled_from(CASSETTES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3)), max_size=4),
)
def test_recorded_streams_with_bytes_changed_lost_and_added(
    cassette: Path, changes: list[tuple[float, int, bytes]]
) -> None:
    stream = cassette.read_bytes()
    for where, lost, added in changes:
        at = int(where * len(stream))
        stream = stream[:at] + added + stream[at + lost :]
    check(stream)
