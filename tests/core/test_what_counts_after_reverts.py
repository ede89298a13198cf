"""Which records count after any reverts and undos: the markers alone decide, and agree with lists of turns."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.events.events import Event, ThreadArchived
from codexd.core.events.history import (
    HistoryCompacted,
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.state.visibility import Reverts, Span, Visibility
from codexd.core.values.ids import ItemId, TurnId

FEW = settings(max_examples=100, deadline=None, derandomize=True)
MOVES = st.lists(st.tuples(st.sampled_from("tttrruc"), st.integers(0, 9)), max_size=40)
SOMETHING = ThreadArchived()
TURN_RECORDS = 3


class Turns:
    """A thread as lists of turns: each turn is the record that it began with."""

    def __init__(self) -> None:
        self.version = 0
        self.reverts = Reverts()
        self.past = [Reverts()]  # after each record
        self.living: list[int] = []
        self.taken: list[tuple[int, list[int]]] = []  # by each revert that stands
        self.compactions: list[int] = []

    def add(self, event: Event) -> int:
        self.version += 1
        self.reverts = self.reverts.after(self.version, event)
        self.past.append(self.reverts)
        return self.version

    def take_turn(self) -> None:
        self.living.append(self.version + 1)
        for _ in range(TURN_RECORDS):
            self.add(SOMETHING)

    def revert(self, at: int) -> None:
        left, taken = self.living[:at], self.living[at:]
        to_seq = left[-1] + TURN_RECORDS - 1 if left else 0
        seq = self.add(HistoryReverted(TurnId("t"), to_seq, len(taken), len(left)))
        self.living = left
        self.taken.append((seq, taken))

    def undo(self) -> None:
        seq, taken = self.taken.pop()
        self.add(HistoryRevertUndone(seq, len(taken)))
        before = [turn for turn in self.living if turn < seq]
        since = [turn for turn in self.living if turn > seq]
        self.living = before + taken + since

    def compact(self) -> None:
        self.compactions.append(self.add(HistoryCompacted(ItemId("c"), "", ())))

    def play(self, moves: list[tuple[str, int]]) -> None:
        for move, number in moves:
            if move == "t":
                self.take_turn()
            elif move == "r" and self.living:
                self.revert(number % len(self.living))
            elif move == "u" and self.taken:
                self.undo()
            elif move == "c" and self.compactions and number % 2:
                self.add(HistoryCompactionUndone(self.compactions.pop()))
            elif move == "c":
                self.compact()


@FEW
@given(MOVES)
def test_a_turn_counts_where_a_list_of_turns_has_it(moves: list[tuple[str, int]]) -> None:
    turns = Turns()
    turns.play(moves)
    standing = Visibility(turns.reverts)
    every = {turn for _, taken in turns.taken for turn in taken} | set(turns.living)
    assert sorted(turn for turn in every if standing.counts(turn)) == turns.living


@FEW
@given(MOVES)
def test_ranges_that_do_not_count_lie_apart_and_in_order(moves: list[tuple[str, int]]) -> None:
    turns = Turns()
    turns.play(moves)
    for spans in (turns.reverts.dead, turns.reverts.muted):
        assert all(earlier.last + 1 < second.first for earlier, second in pairwise(spans))
        assert all(1 <= span.first <= span.last <= turns.version for span in spans)


@FEW
@given(MOVES, st.integers(0, 10_000))
def test_where_two_pasts_differ_is_where_the_first_record_says_something_else(
    moves: list[tuple[str, int]], number: int
) -> None:
    turns = Turns()
    turns.play(moves)
    at = number % (turns.version + 1)
    then, now = turns.past[at], turns.reverts

    def said(reverts: Reverts, seq: int) -> tuple[bool, ...]:
        spans = (reverts.dead, reverts.muted)
        within = (any(span.first <= seq <= span.last for span in some) for some in spans)
        return (*within, seq in reverts.cancelled)

    differing = (seq for seq in range(1, at + 1) if said(then, seq) != said(now, seq))
    assert then.differs_at(now, at) == now.differs_at(then, at) == next(differing, None)


def test_an_undo_within_reverted_turns_stays() -> None:
    """A turn that was brought back is taken back by nobody who goes back to a turn behind it."""
    turns = Turns()
    turns.play([("t", 0), ("t", 0), ("r", 1), ("t", 0), ("u", 0), ("t", 0)])
    first, second, third, fourth = turns.living
    turns.revert(3)
    assert turns.living == [first, second, third]
    assert turns.reverts.dead == (Span(fourth - 1, turns.version - 1),)
    turns.undo()
    assert turns.living == [first, second, third, fourth]
