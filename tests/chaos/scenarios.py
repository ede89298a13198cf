"""Lives and deaths: what clients do until the daemon is killed, at which call, and what is left for the next one.

A `Scenario` is a value, so a broken promise is repeated by its name alone.

    work/file/12/half       a fixed piece of work, killed half way through its 12th change of a file
    recovery/sync/3/after   the start after a death that left everything under way, killed after its 3rd sync
    crowd/7                 three clients with drawn deeds, killed at drawn moments, the drawing's seed 7
"""

from __future__ import annotations

from typing import Literal

import msgspec
import trio

from chaos.doomed import KINDS, MOMENTS
from chaos.life import Answers, Life
from codexd.models.scripted.server import ScriptedModel
from daemon_house import Home, alone

Kind = Literal["work", "recovery", "crowd"]


class Scenario(msgspec.Struct, frozen=True):
    """One life and death, or several in one home."""

    kind: Kind
    seed: int = 0
    calls: str = "file"  # which kind of call the daemon dies at
    number: int = 0
    moment: str = "before"

    @property
    def name(self) -> str:
        """What `python -m chaos NAME` repeats it by."""
        if self.kind == "crowd":
            return f"crowd/{self.seed}"
        return f"{self.kind}/{self.calls}/{self.number}/{self.moment}"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a scenario."""

    scenario: Scenario
    lives: int  # daemons that were killed
    reached: int  # those of them that were killed at the chosen call
    turns: int  # that were acknowledged
    broken: tuple[str, ...]


def named(name: str) -> Scenario:
    """The scenario of a name. Raises: ValueError."""
    match name.split("/"):
        case ["crowd", seed]:
            return Scenario("crowd", int(seed))
        case ["work" | "recovery" as kind, calls, number, moment] if (
            calls in KINDS and moment in MOMENTS
        ):
            return Scenario(kind, 0, calls, int(number), moment)
    raise ValueError(f"expected crowd/SEED or work|recovery/CALLS/NUMBER/MOMENT, found {name!r}")


async def play(scenario: Scenario) -> Outcome:
    """Live, die, live again, and compare."""
    with Home() as home:
        answers = Answers()
        life = Life(home, answers)
        try:
            async with alone(), trio.open_nursery() as nursery:
                model = ScriptedModel(answers.reply, record=False)
                await nursery.start(model.serve)
                home.use_model(model.base_url, approval="untrusted")
                await _live(life, scenario)
                nursery.cancel_scope.cancel()
        except AssertionError as error:
            # What a client waited for in vain is a broken promise like the others.
            life.broken.append(str(error))
    return Outcome(scenario, life.lives, life.reached, len(life.ledger.turns), tuple(life.broken))


async def _live(life: Life, scenario: Scenario) -> None:
    match scenario.kind:
        case "crowd":
            await life.of_a_crowd(scenario.seed)
        case "work":
            await life.of_work(scenario.calls, scenario.number, scenario.moment)
        case "recovery":
            await life.of_recovery(scenario.calls, scenario.number, scenario.moment)
