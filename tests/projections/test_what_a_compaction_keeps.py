"""What a compaction keeps: a person's newest words up to a bound, and pins, in the order of their records."""

from __future__ import annotations

import msgspec
import pytest

from builders import call_json, ended, message_json, text_item
from codexd.core.events.events import (
    ContextAdded,
    Event,
    InputQueued,
    InputWithdrawn,
    ItemCompleted,
    ToolCallRef,
    TurnCompleted,
    TurnSteered,
)
from codexd.core.events.history import KeptItems, KeptMessage, PinAdded
from codexd.core.events.record import Recorded
from codexd.core.values.ids import CallId, ItemId, TurnId
from codexd.core.values.items import ImageInput, MentionInput, TextInput, UserInput
from codexd.projections.model.history import ModelHistory
from codexd.projections.model.kept_by_compaction import (
    NO_TEXT,
    WORDS_PART_OF_WINDOW,
    WORDS_TOKENS_MAX,
    CompactionKeep,
    Words,
    kept_items_of,
    plain_words,
)
from codexd.projections.model.pins import pinned_items
from codexd.runtime.actor.summary_request import without_oldest

ROOM = WORDS_TOKENS_MAX * 4


def said(*content: UserInput | str, start: int = 1) -> CompactionKeep:
    """A history in which these were said, one a record."""
    compaction_keep = CompactionKeep()
    for seq, input_ in enumerate(content, start):
        part = TextInput(input_) if isinstance(input_, str) else input_
        compaction_keep = compaction_keep.with_words([Words(seq, plain_words((part,)))])
    return compaction_keep


def texts(kept_items: KeptItems) -> list[str]:
    return [msgspec.json.decode(item)["content"][0]["text"] for item in kept_items.items]


def test_all_that_fits_stays_as_it_was_said() -> None:
    kept_items = kept_items_of(said("one", "two"), None)
    assert kept_items == KeptItems(
        (text_item("user", "one"), text_item("user", "two")), 1, (KeptMessage(1), KeptMessage(2))
    )


def test_nothing_was_said() -> None:
    assert kept_items_of(CompactionKeep(), None) == KeptItems()


def test_the_newest_stay_and_the_first_that_does_not_fit_loses_its_middle() -> None:
    old, long, new = "old " * 1000, "long\n" * ROOM, "n" * 4000
    kept_items = kept_items_of(said(old, long, new), None)
    assert kept_items.kept == (KeptMessage(2, True), KeptMessage(3))
    cut, whole = texts(kept_items)
    assert whole == new
    assert "tokens truncated…" in cut
    assert ROOM - 4100 <= len(cut.encode()) <= ROOM - 3900


def test_a_cut_leaves_lines_and_characters_whole() -> None:
    (cut,) = texts(kept_items_of(said("é🙂\n" * ROOM), None))
    assert set(cut.replace("é🙂", "").splitlines()) <= {"", cut.splitlines()[-1]} | {
        line for line in cut.splitlines() if "truncated" in line
    }


def test_words_take_only_a_part_of_a_small_window() -> None:
    window = 20_000
    kept_items = kept_items_of(said("x" * ROOM), window)
    (cut,) = texts(kept_items)
    assert len(cut) <= window // WORDS_PART_OF_WINDOW * 4 + 1


def test_a_scrap_of_a_message_is_not_worth_keeping() -> None:
    kept_items = kept_items_of(said("old " * 1000, "n" * (ROOM - 100)), None)
    assert kept_items.kept == (KeptMessage(2),)


def test_words_that_no_compaction_can_keep_are_not_held() -> None:
    held = said(*["x" * (ROOM // 4)] * 20).words
    assert [record.seq for record in held] == [17, 18, 19, 20]


def test_images_are_not_kept_but_a_note_of_them_is() -> None:
    compaction_keep = said(ImageInput("data:,x"), MentionInput("a.py", "/work/a.py"))
    assert texts(kept_items_of(compaction_keep, None)) == [NO_TEXT, "[a.py](/work/a.py)"]


def test_words_that_wait_for_their_turn_are_not_in_the_history_yet() -> None:
    queued = InputQueued(ItemId("u1"), TurnId("t1"), (TextInput("go"),))
    waits = ModelHistory().after(queued, 7)
    assert kept_items_of(waits.compaction_keep, None) == KeptItems()
    assert waits.after(InputWithdrawn(ItemId("u1"))) == ModelHistory()
    steered = ModelHistory().after(TurnSteered(ItemId("u2"), (TextInput("quick"),)), 8)
    assert kept_items_of(steered.compaction_keep, None) == KeptItems()
    ended_turn = steered.after(TurnCompleted())
    assert texts(kept_items_of(ended_turn.compaction_keep, None)) == ["quick"]


def test_pins_are_where_their_records_are_and_context_is_before_the_last_words() -> None:
    pin = PinAdded(2, (msgspec.Raw(message_json("m", "An answer.")),))
    late = PinAdded(9, (msgspec.Raw(message_json("m", "The last answer.")),))
    compaction_keep = said("one", "two", "three").pin(late)
    compaction_keep = msgspec.structs.replace(
        compaction_keep, words=tuple(word for word in compaction_keep.words if word.seq != 2)
    ).pin(pin)
    kept_items = kept_items_of(compaction_keep, None)
    assert texts(kept_items) == ["one", "An answer.", "three", "The last answer."]
    assert (kept_items.context_at, kept_items.pins) == (2, (2, 9))
    assert texts(kept_items_of(compaction_keep.unpin(2), None)) == [
        "one",
        "three",
        "The last answer.",
    ]


def test_pinned_words_are_kept_once_and_whole_and_take_no_room_from_others() -> None:
    long = "x" * (ROOM - 100)
    compaction_keep = said("one", long, "two")
    compaction_keep = compaction_keep.pin(PinAdded(2, (text_item("user", long),)))
    kept_items = kept_items_of(compaction_keep, None)
    assert texts(kept_items) == ["one", long, "two"]
    assert kept_items.kept == (KeptMessage(1), KeptMessage(3))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (InputQueued(ItemId("u"), TurnId("t"), (TextInput("go"),)), text_item("user", "go")),
        (TurnSteered(ItemId("u"), (TextInput("go"),)), text_item("user", "go")),
        (ContextAdded("environment", "user", "where"), text_item("user", "where")),
    ],
)
def test_a_pin_has_the_items_as_the_model_got_them(event: Event, expected: msgspec.Raw) -> None:
    assert pinned_items(Recorded(1, 0, event)) == (expected,)


def test_an_answer_is_pinned_without_its_id() -> None:
    answer = ItemCompleted(ItemId("m"), "message", message_json("m", "Yes."))
    (item,) = pinned_items(Recorded(1, 0, answer))
    assert "id" not in msgspec.json.decode(item)
    assert texts(KeptItems((item,))) == ["Yes."]


@pytest.mark.parametrize("at", [0, 1])
def test_a_call_and_its_answer_are_pinned_together(at: int) -> None:
    name = ToolCallRef(CallId("c1"), "shell")
    call = ItemCompleted(ItemId("fc"), "call", call_json("c1", "ls"), None, name)
    records = [Recorded(4, 0, call), Recorded(6, 0, ended("c1"))]
    items = pinned_items(records[at], records)
    assert [msgspec.json.decode(item)["type"] for item in items] == [
        "function_call",
        "function_call_output",
    ]
    assert pinned_items(records[at], records[:1]) == ()


def test_of_two_calls_with_one_id_the_right_call_is_pinned() -> None:
    name = ToolCallRef(CallId("c1"), "shell")
    call = ItemCompleted(ItemId("fc"), "call", call_json("c1", "ls"), None, name)
    events: tuple[Event, ...] = (call, ended("c1", "first"), call, ended("c1", "second"))
    records = [Recorded(seq, 0, event) for seq, event in enumerate(events, 1)]
    answers = [
        msgspec.json.decode(pinned_items(record, records)[1])["output"] for record in records
    ]
    assert answers == ["first", "first", "second", "second"]


@pytest.mark.parametrize(
    ("count", "left"),
    [(0, 6), (1, 4), (2, 4), (3, 2), (4, 2), (6, 0)],
)
def test_a_call_that_is_left_out_takes_its_own_answer_along(count: int, left: int) -> None:
    pair = [
        msgspec.json.encode({"type": kind, "call_id": "c1"})
        for kind in ("function_call", "function_call_output")
    ]
    assert len(without_oldest(pair * 3, count)) == left


def test_a_record_that_the_model_did_not_get_is_not_pinned() -> None:
    thought = ItemCompleted(ItemId("r"), "reasoning", msgspec.Raw(b'{"type":"reasoning"}'))
    events: tuple[Event, ...] = (thought, TurnCompleted())
    for event in events:
        assert pinned_items(Recorded(1, 0, event)) == ()


def test_an_item_that_is_like_no_other_is_left_out_like_any() -> None:
    odd = b'{"type":7,"call_id":[1]}'
    assert without_oldest([odd, odd], 1) == [odd]
