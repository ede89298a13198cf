"""Growing texts: deltas add up to the whole text, for a client that has any part of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.values.ids import CallId, ItemId, ThreadId, TurnId
from codexd.core.values.items import AgentMessage, CommandExecution, Reasoning
from codexd.projections.clients.deltas import (
    EncodedMessage,
    Outgoing,
    ServerNotification,
    TextPart,
    Texts,
    part_key,
)
from reading import Reading

M1, R1 = ItemId("m1"), ItemId("r1")
WORDS = "Grüße 🙂 日本!"
PLACES = [len(WORDS[:n].encode()) for n in range(len(WORDS) + 1)]


def texts() -> Texts:
    return Texts(ThreadId("th"), TurnId("t1"))


def message(words: str) -> AgentMessage:
    return AgentMessage(id=M1, text=words, started_at_ms=1, completed_at_ms=2)


def methods(said: list[ServerNotification]) -> list[str]:
    return [saying.method for saying in said]


def read(*runs: list[ServerNotification]) -> Reading:
    """A reader who heard all of it; it objects to deltas that do not add up."""
    reader = Reading()
    for run in runs:
        reader.take(run)
    return reader


def test_pieces_are_deltas_and_offsets_count_bytes() -> None:
    fold = texts()
    fold.opened(M1, "message", 1)
    said = fold.text(M1, "text", 0, ["Grüße", "", " 🙂"], 5)
    assert said == [
        EncodedMessage(
            "item/agentMessage/delta",
            '{"method":"item/agentMessage/delta","params":{"threadId":"th","turnId":"t1",'
            '"itemId":"m1","delta":"Grüße"},"emittedAtMs":5}'.encode(),
            7,
        ),
        EncodedMessage(
            "item/agentMessage/delta",
            '{"method":"item/agentMessage/delta","params":{"threadId":"th","turnId":"t1",'
            '"itemId":"m1","delta":" 🙂"},"emittedAtMs":5}'.encode(),
            12,
        ),
    ]


def test_a_completion_has_the_text_that_was_not_streamed() -> None:
    fold = texts()
    reader = read(
        fold.opened(M1, "message", 1),
        fold.text(M1, "text", 0, [WORDS[:3]], 1),
        fold.completed(message(WORDS), 2, begun=False),
    )
    assert reader.heard == [
        "item/started",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "item/completed",
    ]


def test_an_item_that_never_streamed_begins_with_its_completion() -> None:
    said = texts().completed(message(WORDS), 2, begun=False)
    assert methods(said) == ["item/started", "item/agentMessage/delta", "item/completed"]
    read(said)
    assert methods(texts().completed(message(""), 2, begun=False)) == [
        "item/started",
        "item/completed",
    ]


def test_an_item_that_was_seen_to_begin_does_not_begin_again() -> None:
    command = CommandExecution(id=ItemId("c1"), command="ls", cwd="/", status="completed")
    assert methods(texts().completed(command, 2, begun=True)) == ["item/completed"]


@pytest.mark.parametrize("place", PLACES)
def test_a_client_with_the_first_bytes_gets_exactly_the_rest(place: int) -> None:
    fold = texts()
    fold.set_sent(part_key(M1, "text", 0), place)
    said = fold.completed(message(WORDS), 2, begun=False)
    rest = WORDS.encode()[place:]
    deltas = [saying for saying in said if isinstance(saying, EncodedMessage)]
    assert [delta.offset for delta in deltas] == ([len(WORDS.encode())] if rest else [])
    assert all(b'"delta":"%b"' % rest in delta.body for delta in deltas)
    assert methods(said)[-1] == "item/completed"
    assert "item/started" not in methods(said)


def test_a_provider_that_ends_with_less_than_it_streamed_adds_no_delta() -> None:
    fold = texts()
    fold.opened(M1, "message", 1)
    fold.text(M1, "text", 0, ["too much"], 1)
    assert methods(fold.completed(message("too"), 2, begun=False)) == ["item/completed"]


def test_a_part_of_a_summary_is_announced_once() -> None:
    fold = texts()
    fold.opened(R1, "reasoning", 1)
    first = fold.text(R1, "summary", 0, ["a"], 1)
    again = fold.text(R1, "summary", 0, ["b"], 1)
    assert methods([*first, *again]) == [
        "item/reasoning/summaryPartAdded",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryTextDelta",
    ]


@pytest.mark.parametrize(
    ("item", "part", "index", "key"),
    [
        ("m1", "text", 0, "m1"),
        ("r1", "summary", 3, "r1/summary/3"),
        ("r1", "content", 0, "r1/content/0"),
        ("odd/summary/x", "text", 0, "odd/summary/x"),
        ("odd/summary/1", "summary", 2, "odd/summary/1/summary/2"),
    ],
)
def test_a_cursor_names_a_text(item: str, part: TextPart, index: int, key: str) -> None:
    assert part_key(ItemId(item), part, index) == key
    fold = texts()
    fold.set_sent(key, 2)
    fold_item = (
        AgentMessage(id=ItemId(item), text="abc")
        if part == "text"
        else Reasoning(
            id=ItemId(item),
            summary=("",) * index + ("abc",) if part == "summary" else (),
            content=("",) * index + ("abc",) if part == "content" else (),
        )
    )
    deltas = [o for o in fold.completed(fold_item, 2, begun=False) if isinstance(o, EncodedMessage)]
    assert [(b'"delta":"c"' in delta.body, delta.offset) for delta in deltas] == [(True, 3)]


def test_output_grows_and_its_rest_is_sent() -> None:
    fold = texts()
    first = fold.output(CallId("c1"), "ä\n", 1)
    rest = fold.output_rest(CallId("c1"), "ä\nb\n", 2)
    assert [part.offset for part in [*first, *rest] if isinstance(part, EncodedMessage)] == [3, 5]
    assert fold.output_rest(CallId("c1"), "ä\nb\n", 3) == []


def test_text_of_an_item_that_is_not_open_is_not_said() -> None:
    assert texts().text(M1, "text", 0, ["lost"], 1) == []


def test_a_copy_stays_where_it_is() -> None:
    fold = texts()
    opened = fold.opened(M1, "message", 1)
    copy = fold.copy()
    more = fold.text(M1, "text", 0, [WORDS], 1)
    done = fold.completed(message(WORDS), 2, begun=False)
    assert [type(saying) for saying in done] == [Outgoing]
    read(opened, more, done)
    assert M1 in copy
    assert M1 not in fold
    read(opened, copy.completed(message(WORDS), 2, begun=False))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=5), max_size=8), st.integers(0, 8))
def test_deltas_add_up_from_any_place(pieces: list[str], heard: int) -> None:
    """One reader hears all; another is told the rest of the text at some place, and then the same."""
    live, whole = texts(), "".join(pieces)
    first = live.opened(M1, "message", 1)
    for piece in pieces[:heard]:
        first += live.text(M1, "text", 0, [piece], 1)
    late = texts()
    caught_up = late.opened(M1, "message", 1)
    caught_up += late.rest(M1, "text", 0, "".join(pieces[:heard]), 1)
    then: list[ServerNotification] = []
    for piece in pieces[heard:]:
        then += live.text(M1, "text", 0, [piece], 1)
    then += live.completed(message(whole), 2, begun=False)
    assert read(first, then).screen() == read(caught_up, then).screen()
