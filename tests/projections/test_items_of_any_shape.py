"""An item of any shape in a log is accepted by all that folds, searches or sends it: no thread stops at it."""

from __future__ import annotations

import os
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import FIRST_TURN
from codexd.core.events.events import ItemCompleted, ToolCallRef
from codexd.core.events.record import Recorded
from codexd.core.events.tools import ToolEnded
from codexd.core.state.state import ThreadState, evolve
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import AgentMessage, Reasoning, ThreadItem
from codexd.core.values.model_output import ItemKind
from codexd.core.values.tool_actions import ToolResult
from codexd.index.build.documents import documents_in
from codexd.models.chat.messages import Messages
from codexd.models.quirks import QUIRKS
from codexd.projections.clients.items import ItemDone, ItemProjection
from codexd.projections.model.history import ModelHistory
from codexd.projections.model.images import images_in, newest_images, with_images
from codexd.projections.model.items import without_authority
from codexd.runtime.actor.summary_request import without_oldest

# The same every time, so that a failure is one for everybody; at night, many more of them.
EXAMPLES = 5_000 if os.environ.get("CODEXD_NIGHTLY") else 100
some = settings(derandomize=True, deadline=None, max_examples=EXAMPLES, database=None)

KINDS: tuple[ItemKind, ...] = get_args(ItemKind)
types = st.sampled_from(
    ["message", "reasoning", "function_call", "custom_tool_call", "function_call_output", "odd"]
)
odd = st.none() | st.integers(-1, 2**70) | types | st.lists(st.none() | types, max_size=2)
part_types = st.sampled_from(["output_text", "refusal", "input_image", "summary_text"])
parts = st.fixed_dictionaries(
    {}, optional={"type": part_types | odd} | dict.fromkeys(("text", "refusal", "image_url"), odd)
)
members = (
    {"type": types | odd}
    | dict.fromkeys(("id", "role", "phase", "call_id", "name", "arguments", "input"), odd)
    | dict.fromkeys(("content", "summary", "output"), odd | st.lists(parts, max_size=2))
)
items = st.fixed_dictionaries({}, optional=members) | odd | st.lists(parts, max_size=2)


def recorded(kind: ItemKind, item: bytes) -> list[Recorded]:
    """A turn in which the model made the item, and an answer where the item is a call."""
    ref = ToolCallRef(CallId("c"), "look") if kind == "call" else None
    done = ItemCompleted(ItemId("i"), kind, msgspec.Raw(item), None, ref)
    answer = (ToolEnded(CallId("c"), ToolResult("completed", "", "")),) if ref is not None else ()
    return [Recorded(seq, seq, event) for seq, event in enumerate((*FIRST_TURN, done, *answer), 1)]


def shown(kind: ItemKind, item: bytes) -> ThreadItem:
    """What a screen has of it."""
    screen = ItemProjection()
    found = [shown for record in recorded(kind, item) for shown in screen.apply(record)]
    assert isinstance(found[-1], ItemDone)
    return found[-1].item


@pytest.mark.slow
@some
@given(st.sampled_from(KINDS), items)
def test_every_fold_takes_it_in(kind: ItemKind, value: Any) -> None:
    item = msgspec.json.encode(value)
    state, history, screen = ThreadState(), ModelHistory(), ItemProjection()
    for record in recorded(kind, item):
        state = evolve(state, record.event)
        history = history.after(record.event, record.seq)
        screen.apply(record)
        documents_in(record)
    sent = history.for_whom("another", "elsewhere")
    assert all(isinstance(msgspec.json.decode(item), dict) for item in history.items)
    newest_images(sent)
    without_oldest([*history.items], 1)
    shown = [with_images(without_authority(item), lambda _: "an image") for item in sent]
    assert images_in(shown) == []
    for quirks in QUIRKS.values():
        msgspec.json.encode(Messages("Be brief.", sent, quirks).done)


@pytest.mark.parametrize("item", [b"7", b'{"type":"message","content":7}', b'{"type":"odd"}'])
def test_an_unreadable_item_is_shown_empty(item: bytes) -> None:
    message, thought = shown("message", item), shown("reasoning", item)
    assert isinstance(message, AgentMessage)
    assert isinstance(thought, Reasoning)
    assert (message.text, message.phase) == ("", None)
    assert (thought.summary, thought.content) == ((), ())


def test_the_model_gets_a_note_in_place_of_an_invalid_item() -> None:
    history = ModelHistory()
    for record in recorded("message", b"[7]"):
        history = history.after(record.event, record.seq)
    [*_, last] = history.items
    assert b"[something that cannot be read]" in last
