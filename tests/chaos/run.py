"""Many scenarios beside each other, and their sum."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, takewhile

import trio

from chaos.doomed import KINDS, MOMENTS
from chaos.scenarios import Kind, Outcome, Scenario, play

# Of ten scenarios four are deaths at a call of the fixed work, three of a recovery, and three are crowds.
KINDS_MIXED: tuple[Kind, ...] = (
    *("work", "crowd", "recovery", "work", "recovery"),
    *("crowd", "work", "recovery", "work", "crowd"),
)
# A short run draws its calls up to these numbers: about as many as the fixed work and a recovery make.
CALLS_MAX = {"file": 120, "sync": 60, "send": 100, "spawn": 4}


class Tally:
    """What became of the scenarios so far."""

    def __init__(self, seed: int | None = None) -> None:
        self.scenarios = self.lives = self.reached = self.turns = 0
        self.kinds: Counter[str] = Counter()
        self.broken: list[str] = []
        self._seed, self._began = seed, time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Count one in; a broken promise is said at once."""
        self.scenarios += 1
        self.lives += outcome.lives
        self.reached += outcome.reached
        self.turns += outcome.turns
        self.kinds[outcome.scenario.kind] += 1
        for promise in outcome.broken:
            self.broken.append(f"{outcome.scenario.name}: {promise}")
            print(self.broken[-1], file=sys.stderr, flush=True)

    def text(self) -> str:
        """The sum, in two sentences for people."""
        minutes = (time.monotonic() - self._began) / 60
        kinds = ", ".join(
            f"{self.kinds[kind]} {kind}" for kind in dict.fromkeys(KINDS_MIXED) if self.kinds[kind]
        )
        seed = "" if self._seed is None else f" (seed {self._seed})"
        return (
            f"{self.scenarios} scenarios{seed}: {kinds}. {self.lives} daemons were killed, "
            f"{self.reached} of them at a chosen call; {self.turns} prompts were acknowledged; "
            f"{len(self.broken)} promises were broken. It took {minutes:.0f} minutes."
        )


async def run_all(scenarios: int, seed: int, jobs: int, minutes: float = float("inf")) -> Tally:
    """So many scenarios of all kinds, drawn; none is begun after so many minutes."""
    tally = Tally(seed)
    drawn = _drawn(scenarios, random.Random(seed))
    ends = time.monotonic() + minutes * 60
    await _run(takewhile(lambda _: time.monotonic() < ends, drawn), tally, jobs)
    return tally


async def run_some(scenarios: Sequence[Scenario], jobs: int) -> Tally:
    """These scenarios."""
    tally = Tally()
    await _run(iter(scenarios), tally, jobs)
    return tally


def _drawn(count: int, chance: random.Random) -> Iterator[Scenario]:
    """Each kind by its share; calls from lists of all of them, so that a long run meets every one."""
    bags: dict[str, list[Scenario]] = {"work": [], "recovery": []}
    for kind in islice(cycle(KINDS_MIXED), count):
        if kind == "crowd":
            yield Scenario("crowd", chance.randrange(1 << 32))
            continue
        if not bags[kind]:
            bags[kind] = _every_call(kind)
            chance.shuffle(bags[kind])
        yield bags[kind].pop()


def _every_call(kind: Kind) -> list[Scenario]:
    return [
        Scenario(kind, 0, calls, number, moment)
        for calls in KINDS
        for number in range(1, CALLS_MAX[calls] + 1)
        for moment in MOMENTS
        # Half a sync or half a start is none: that is the moment before.
        if moment != "half" or calls in ("file", "send")
    ]


async def _run(scenarios: Iterator[Scenario], tally: Tally, jobs: int) -> None:
    async def work() -> None:
        for scenario in scenarios:
            tally.add(await play(scenario))

    async with trio.open_nursery() as nursery:
        for _ in range(jobs):
            nursery.start_soon(work)
