"""What the model is yet to be told before a turn: instructions of the thread and of the project, and where it works.

Law: each is told whole once, and again when it has become another. What a thread has told stands in its
state; where the model has lost it, by a compaction or a revert, the state has forgotten it too, and all of
it is due.
"""

from __future__ import annotations

from codexd.core.decide.lookups import Lookups
from codexd.core.events.events import ContextAdded, Event
from codexd.core.events.warnings import ThreadWarned
from codexd.core.state.state import ThreadState
from codexd.core.values.agents_md import instructions_text
from codexd.core.values.environment import environment_known, environment_of, environment_text
from codexd.core.values.notice import Notice
from codexd.core.values.settings import Settings


def context_due(
    state: ThreadState, settings: Settings, today: str | None, lookups: Lookups
) -> list[Event]:
    """What to tell before a turn with these settings, and what a person is to know of that."""
    due: list[Event] = []
    if state.developer_instructions and not state.told.developer:
        due.append(ContextAdded("developer", "developer", state.developer_instructions))
    due += _instructions_due(state, settings.cwd, lookups)
    now, told = environment_of(settings, today, lookups.machine), state.told.environment
    text = environment_text(now, told)
    if text is not None:
        known = environment_known(now, told)
        due.append(ContextAdded("environment", "user", text, environment=known))
    return due


def _instructions_due(state: ThreadState, cwd: str, lookups: Lookups) -> list[Event]:
    if state.reviews is not None:
        return []  # A reviewer judges by what it was told, and by what it sees.
    found = lookups.user_instructions.get(cwd)
    if found is None:
        return []
    due: list[Event] = list(warnings_due(state, found.complaints))
    text = instructions_text(found, state.told.instructions)
    if text is not None:
        due.append(
            ContextAdded(
                "user_instructions", "user", text, digest=found.digest, sources=found.sources
            )
        )
    return due


def new_instructions(state: ThreadState, wanted: str | None) -> str | None:
    """The daemon's base instructions where they count and are not those of the turn before."""
    known = state.instructions is not None or wanted == state.base_instructions
    return None if known else wanted


def warnings_due(state: ThreadState, complaints: tuple[Notice, ...]) -> list[ThreadWarned]:
    """What of it was not said in this thread yet."""
    return [
        ThreadWarned(complaint.about, complaint.message)
        for complaint in complaints
        if complaint.about not in state.warned
    ]
