"""Rules for titles that a model makes."""

from __future__ import annotations

from codexd.core.commands import ReportTitle
from codexd.core.decide.lookups import Titles
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.events.events import or_nothing
from codexd.core.events.title import PROMPT_CHARACTERS_MAX, request_in, title_of
from codexd.core.values.items import plain_text


def request_title(transition: Transition, queued: e.InputQueued, titles: Titles | None) -> None:
    """With a thread's first turn: request a title for its prompt, unless the thread has a name."""
    state, prompt = transition.state, request_in(plain_text(queued.content))
    if titles is None or state.settings is None or state.turns_started > 1:
        return
    if state.name is not None or state.ephemeral or not title_of(prompt):
        return
    model = titles.model or state.settings.model
    transition.add(e.TitleRequested(prompt[:PROMPT_CHARACTERS_MAX], model, state.settings.provider))


def end_title(transition: Transition, command: ReportTitle) -> None:
    """The request has ended; ignored if a person has named the thread meanwhile."""
    if transition.state.title is None:
        return
    transition.add(e.TitleEnded(command.duration_ms, or_nothing(command.usage), command.error))
    title = title_of(command.title or "")
    if title:
        transition.add(e.ThreadRenamed(title))


def give_title_up(transition: Transition) -> None:
    """End a request of a dead daemon: a title is not worth a second request."""
    if transition.state.title is not None:
        transition.add(
            e.TitleEnded(error="the daemon was restarted while a model was asked for a title")
        )
