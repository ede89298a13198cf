"""A list knows which threads have work to do, exactly as decisions do: so they are found when their marks are gone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.state.due import has_work
from codexd.core.state.state import ThreadState, evolve
from codexd.projections.summary import Summary
from random_thread import played

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=80)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(RUNS)
def test_the_row_says_what_the_state_says_after_every_event(run: list[int]) -> None:
    play = played(run)
    summary, state = Summary(), ThreadState()
    for record in play.records:
        summary.apply(record)
        state = evolve(state, record.event)
        # A name that a model is asked for is given up at a restart: nobody has to look for that. And the keeper
        # knows the threads of processes.
        known = state.title is not None or state.processes
        assert summary.has_work == has_work(state) or known, record
