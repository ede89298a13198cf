"""A short run of `make chaos`: the daemon dies at drawn calls, and every promise holds afterwards."""

from __future__ import annotations

import pytest

from chaos.run import KINDS_MIXED, run_all
from trio_test import trio_test

# The first quarter of a round: a crowd, and each other kind.
SCENARIOS = len(KINDS_MIXED) // 4


@pytest.mark.slow
@trio_test
async def test_nothing_that_was_promised_is_broken_by_a_death_at_any_call() -> None:
    tally = await run_all(SCENARIOS, seed=0, jobs=2)
    print(tally.text())
    assert tally.scenarios == SCENARIOS
    assert not tally.broken, "\n".join(tally.broken)
