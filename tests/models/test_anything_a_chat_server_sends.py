"""Whatever a chat server sends, a response is whole and well-formed in the end, or an error: nothing else."""

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
    ReasoningDelta,
    TextDelta,
)
from codexd.models.chat.request import encode_chat
from codexd.models.chat.stream import ChatReader
from codexd.models.client import ModelError, ModelRequest
from codexd.models.quirks import QUIRKS, UNKNOWN
from codexd.models.sse import EventStreamReader
from codexd.projections.model.items import without_id

CASSETTES = sorted((Path(__file__).parent / "cassettes" / "chat").glob("*.sse"))

# The same every time, so that a failure is one for everybody; at night, many more of them.
EXAMPLES = 5_000 if os.environ.get("CODEXD_NIGHTLY") else 25
some = settings(derandomize=True, deadline=None, max_examples=EXAMPLES, database=None)

words = st.sampled_from(
    ["", "a", "{", "}", '{"a":1}', "[]", "<think>", "</think>", "\n", "é", "x y"]
)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    words,
    st.lists(st.none() | words, max_size=2),
    st.dictionaries(words, st.none() | words, max_size=2),
)


def members(**usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of these members, mostly of the right kind."""
    return st.fixed_dictionaries(
        {}, optional={name: answer | odd for name, answer in usual.items()}
    )


functions = members(name=words, arguments=words)
calls = st.lists(members(index=st.integers(0, 3), id=words, function=functions), max_size=3)
details = st.lists(members(type=words, index=st.integers(0, 1), text=words, data=words), max_size=2)
parts = st.lists(members(type=words, text=words, thinking=words), max_size=2)
deltas = members(
    content=words | parts,
    reasoning=words,
    reasoning_content=words,
    reasoning_details=details,
    refusal=words,
    tool_calls=calls,
    function_call=functions,
)
finishes = st.sampled_from(["stop", "length", "tool_calls", "error", "", "odd"])
choices = st.lists(
    members(index=st.just(0), delta=deltas, message=deltas, finish_reason=finishes), max_size=2
)
chunks = members(
    id=words, choices=choices, usage=members(prompt_tokens=st.integers(0, 9)), error=words
)
# Most chunks are right, so that some streams come to their end.
right_calls = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2),
        "id": st.sampled_from(["1", "2", ""]),
        "function": st.fixed_dictionaries({}, optional={"name": words, "arguments": words}),
    },
)
right = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "delta": st.fixed_dictionaries(
                        {},
                        optional={
                            "content": words,
                            "reasoning": words,
                            "tool_calls": st.lists(right_calls, max_size=2),
                        },
                    ),
                    "finish_reason": st.none() | finishes,
                },
            ),
            max_size=1,
        )
    }
)
events = st.one_of(
    (right | chunks).map(lambda chunk: b"data: %b\n\n" % msgspec.json.encode(chunk)),
    right.map(lambda chunk: b"data: %b\n\n" % msgspec.json.encode(chunk)),
    st.sampled_from([b"data: [DONE]\n\n", b": ping\n\n", b"event: error\ndata: {}\n\n", b"\n"]),
    st.binary(max_size=20),
)


def check(stream: bytes, cut: int = 0) -> None:
    """Read a stream, and hold what comes of it to what the log and the next request need."""
    frames, reader = EventStreamReader(), ChatReader(name="n", custom_tools={"a"}, call_ids={"1"})
    found: list[ModelEvent] = []
    for piece in (stream[:cut], stream[cut:]):
        found += reader.feed(frames.feed(piece))
    found += reader.end()
    assert reader.completed == (reader.error is None)
    assert reader.completed == (bool(found) and isinstance(found[-1], ModelResponseDone))
    if reader.error is not None:
        assert isinstance(reader.error, ModelError)
        assert reader.error.message
    check_items(found)
    assert reader.feed(frames.feed(stream)) == []


def check_items(found: list[ModelEvent]) -> None:
    open_items: dict[str, str] = {}
    begun: list[str] = []
    call_ids: list[str] = []
    history: list[bytes] = []
    for event in found:
        match event:
            case ItemStarted():
                begun.append(event.item_id)
                open_items[event.item_id] = event.kind
            case TextDelta() | ReasoningDelta():
                assert event.item_id in open_items
                assert event.text
            case ModelItemDone():
                assert open_items.pop(event.item_id) == event.kind
                history.append(without_id(event.item))
                if event.call is not None:
                    assert event.call.name
                    assert len(event.call.name) <= 64
                    call_ids.append(event.call.call_id)
            case _:
                pass
    assert len(set(begun)) == len(begun)
    assert len(set(call_ids)) == len(call_ids)
    assert "1" not in call_ids, "an id that the conversation has already"
    check_next_request(history)


def check_next_request(history: list[bytes]) -> None:
    """What a server insists on: every call answered at once, arguments that are JSON objects."""
    request = ModelRequest(
        model="m", instructions="", input=tuple(history), tools=(), cache_key="t"
    )
    for quirks in (UNKNOWN, QUIRKS["openrouter"], QUIRKS["mistral"]):
        body: dict[str, Any] = msgspec.json.decode(encode_chat(request, quirks).body)
        waiting: list[str] = []
        for message in body["messages"]:
            assert (message["role"] == "tool") == bool(waiting)
            if waiting:
                assert message["tool_call_id"] == waiting.pop(0)
            for call in message.get("tool_calls", ()):
                assert isinstance(msgspec.json.decode(call["function"]["arguments"]), dict)
                waiting.append(call["id"])
        assert not waiting


@pytest.mark.slow
@some
@given(st.lists(events, max_size=6).map(b"".join), st.integers(0, 400))
def test_chunks_of_any_kind(stream: bytes, cut: int) -> None:
    check(stream, min(cut, len(stream)))


@pytest.mark.slow
@some
@given(st.lists(right.map(msgspec.json.encode), max_size=6))
def test_chunks_that_are_nearly_right(encoded: list[bytes]) -> None:
    check(b"".join(b"data: %b\n\n" % piece for piece in encoded) + b"data: [DONE]\n\n")


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


@pytest.mark.slow
@some
@given(st.sampled_from(CASSETTES), st.permutations(range(12)), st.integers(0, 12))
def test_recorded_streams_with_events_lost_doubled_and_out_of_order(
    cassette: Path, order: list[int], doubled: int
) -> None:
    recorded = [event for event in cassette.read_bytes().split(b"\n\n") if event]
    kept = [recorded[at] for at in order if at < len(recorded)]
    check(b"\n\n".join([*kept, *kept[:doubled], b""]))
