"""Pinning a record: within bounds, once, and until it is unpinned."""

from __future__ import annotations

import msgspec
import pytest

from builders import text_item
from codexd.core import commands as c
from codexd.core.decide.history import PINS_MAX
from codexd.core.events.history import PinAdded, PinRemoved
from codexd.core.values.limits import Limits
from codexd.runtime.actor.lookups import LookupSource
from random_thread import Play

WINDOW = 4000
AROUND = LookupSource(limits=lambda settings: Limits(WINDOW, WINDOW, WINDOW * 9 // 10))


def pin(seq: int, tokens: int = 10) -> c.PinRecord:
    """A record that takes about so many tokens."""
    empty = len(text_item("user", ""))
    return c.PinRecord(seq=seq, items=(text_item("user", "x" * (tokens * 4 - empty)),))


def pinned(*commands: c.PinRecord) -> Play:
    play = Play(AROUND)
    for command in commands:
        play.do(command)
    return play


def refused(play: Play, command: c.PinRecord | c.UnpinRecord) -> c.Rejected:
    with pytest.raises(c.Rejected) as refusal:
        play.do(command)
    return refusal.value


def test_it_is_in_the_log_with_the_kept_items() -> None:
    command = pin(7, 30)
    assert pinned(command).events[-1] == PinAdded(7, command.items)


def test_twice_is_once() -> None:
    play = pinned(pin(7), pin(7))
    assert sum(isinstance(event, PinAdded) for event in play.events) == 1


def test_unpinned_it_is_gone_and_cannot_be_unpinned_again() -> None:
    play = pinned(pin(7), pin(8))
    play.do(c.UnpinRecord(seq=7))
    assert play.events[-1] == PinRemoved(7)
    assert [kept.seq for kept in play.state.pins] == [8]
    assert refused(play, c.UnpinRecord(seq=7)).code == "not_pinned"


def test_more_than_a_quarter_of_the_window_is_refused() -> None:
    play = pinned(pin(7, WINDOW // 4))
    refusal = refused(play, pin(8, WINDOW // 4 + 1))
    assert refusal.code == "pin_too_large"
    assert f"{WINDOW // 4 + 1} tokens" in refusal.message


def test_all_together_take_a_third_of_the_window_at_most() -> None:
    play = pinned(pin(7, WINDOW // 4), pin(8, WINDOW // 12))
    assert refused(play, pin(9, 20)).code == "too_many_pins"


def test_their_number_is_bounded() -> None:
    play = Play(LookupSource(limits=lambda settings: Limits(10**9)))
    for seq in range(1, PINS_MAX + 1):
        play.do(pin(seq, 20))
    assert refused(play, pin(PINS_MAX + 1, 20)).code == "too_many_pins"


def test_for_an_unknown_window_a_small_window_is_assumed() -> None:
    play = Play(LookupSource())
    assert refused(play, pin(7, 8001)).code == "pin_too_large"
    play.do(pin(7, 8000))


def test_an_archived_thread_takes_no_pins() -> None:
    play = pinned(pin(7))
    play.do(c.ArchiveThread())
    assert refused(play, pin(8)).code == "thread_archived"


def test_the_items_are_kept_byte_for_byte() -> None:
    command = pin(7, 30)
    play = pinned(command)
    (kept,) = play.history.compaction_keep.pins
    assert [msgspec.Raw(item) for item in kept.items] == list(command.items)
