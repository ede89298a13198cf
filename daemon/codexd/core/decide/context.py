"""The context that is added before a turn: instructions of the thread and of the project, and the environment.

Law: each is sent as a whole once, and again when it changes. The state holds the context that the model has;
after a compaction or a revert the state has forgotten what the model has lost, so that all of it is due again.
"""

from __future__ import annotations

from codexd.core.decide.lookups import Lookups
from codexd.core.events.events import ContextAdded, Event
from codexd.core.events.warnings import ThreadWarned
from codexd.core.prompts.collaboration import instructions_of
from codexd.core.state.state import ThreadState
from codexd.core.values.agents_md import instructions_text
from codexd.core.values.environment import environment_known, environment_of, environment_text
from codexd.core.values.settings import Notice, Settings


def context_due(
    state: ThreadState, settings: Settings, today: str | None, lookups: Lookups
) -> list[Event]:
    """The context to add before a turn with these settings, and warnings about it."""
    due: list[Event] = []
    if state.developer_instructions and not state.known_context.developer:
        due.append(ContextAdded("developer", "developer", state.developer_instructions))
    if settings.collaboration != state.known_context.collaboration:
        mode = settings.collaboration
        told = ContextAdded("developer", "developer", instructions_of(mode), collaboration=mode)
        due.append(told)
    due += _instructions_due(state, settings.cwd, lookups)
    now, before = environment_of(settings, today, lookups.machine), state.known_context.environment
    text = environment_text(now, before)
    if text is not None:
        known = environment_known(now, before)
        due.append(ContextAdded("environment", "user", text, environment=known))
    return due


def _instructions_due(state: ThreadState, cwd: str, lookups: Lookups) -> list[Event]:
    if state.reviews is not None:
        return []  # A reviewer has its own instructions.
    found = lookups.user_instructions.get(cwd)
    if found is None:
        return []
    due: list[Event] = list(warnings_due(state, found.complaints))
    text = instructions_text(found, state.known_context.instructions)
    if text is not None:
        due.append(
            ContextAdded(
                "user_instructions", "user", text, digest=found.digest, sources=found.sources
            )
        )
    return due


def new_instructions(state: ThreadState, wanted: str | None) -> str | None:
    """The daemon's base instructions, if the thread uses them and they differ from the turn before."""
    known = state.instructions is not None or wanted == state.base_instructions
    return None if known else wanted


def warnings_due(state: ThreadState, complaints: tuple[Notice, ...]) -> list[ThreadWarned]:
    """The notices that this thread has not had yet, as warnings."""
    return [
        ThreadWarned(complaint.about, complaint.message)
        for complaint in complaints
        if complaint.about not in state.warned
    ]
