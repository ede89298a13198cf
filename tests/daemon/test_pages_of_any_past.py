"""After any reverts and undos, pages from either end, and from any cursor, show the same as the whole."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.projections.clients.turns import TurnProjection, TurnView
from codexd.projections.summary import Summary
from codexd.protocol.turns import Turn
from codexd.server.reads.turns import TurnReader
from codexd_eventstore.memory.store import MemoryStore
from random_thread import THREAD, Play
from stored import write

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=120)
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def sent(turns: list[TurnView]) -> list[Turn]:
    return [turn.turn() for turn in turns]


@pytest.mark.slow
@FEW
@given(RUNS, st.integers(0, 10_000), st.integers(1, 3))
def test_a_page_is_a_part_of_the_whole(run: list[int], place: int, count: int) -> None:
    play, transcript, summary = Play(), TurnProjection(), Summary()
    for number in run:
        play.step(number)
    for recorded in play.records:
        transcript.apply(recorded)
        summary.apply(recorded)
    turns, at = transcript.turns, 1 + place % (len(play.records) + 1)
    assert summary.turns == len(turns)

    async def check() -> None:
        store = MemoryStore()
        await write(store, play.records)
        past = TurnReader(store, THREAD, summary.reverts)
        assert sent(await past.back(None, len(turns) + 1)) == sent(turns)
        assert sent(await past.on(0, len(turns) + 1)) == sent(turns)
        older = [turn for turn in turns if turn.seq < at]
        newer = [turn for turn in turns if turn.seq > at]
        assert sent(await past.back(at, count)) == sent(older[-count:])
        assert sent(await past.on(at, count)) == sent(newer[:count])
        for turn in turns[-count:]:
            assert sent(await past.find(turn.turn_id)) == sent([turn])

    trio.run(check)
