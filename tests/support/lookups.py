"""Lookups as a daemon makes them, for tests that decide without one: exactly what was asked for, and no more."""

from __future__ import annotations

from typing import TypeVar

from codexd.core.commands import Command
from codexd.core.decide.decide import decide
from codexd.core.decide.lookups import ForSettings, Lookups, questions
from codexd.core.events.events import Event
from codexd.core.rules.prefix_rules import NO_RULES
from codexd.core.state.state import ThreadState
from codexd.runtime.actor.lookups import LookupSource

Key = TypeVar("Key")
Value = TypeVar("Value")


class Asked(dict[Key, Value]):
    """What was looked up. To need anything else is a fault of the questions."""

    def get(self, key: Key, default: object = None) -> Value:
        return self[key]


def looked_up(state: ThreadState, command: Command, source: LookupSource) -> Lookups:
    """What the questions of this command are answered with."""
    asked = questions(state, command)
    instructions = {
        folder: source.user_instructions(folder) for folder in asked.folders if asked.instructions
    }
    prompt = source.compact_prompt()
    assert isinstance(prompt, str)
    return Lookups(
        by_settings=Asked(
            {
                settings: ForSettings(
                    source.limits(settings), source.tuning(settings), source.instructions(settings)
                )
                for settings in asked.settings
            }
        ),
        machine=source.machine(),
        user_instructions=Asked(instructions),  # type: ignore[arg-type]  # None: nobody reads any
        git_may_run=Asked(
            {
                folder: source.git_may_run(folder) if source.git_may_run is not None else None
                for folder in asked.repositories
            }
        ),
        rules=source.rules() if asked.rules else NO_RULES,
        own_folders=source.own_folders,
        review_model=source.review_model() if asked.settings else None,
        here=source.here(),
        titles=source.titles() if asked.settings else None,
        compact_prompt=prompt if asked.compaction else "nobody asked for a question",
    )


def decide_with(state: ThreadState, command: Command, source: LookupSource) -> list[Event]:
    """What happens when this is asked of a thread in this state. Raises: Rejected."""
    return decide(state, command, looked_up(state, command, source))
