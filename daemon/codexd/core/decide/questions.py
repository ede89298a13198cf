"""The lookups that a command needs before it can be decided: settings, folders, repositories.

The result may name more than the decision needs, but never less.
"""

from __future__ import annotations

import msgspec

from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.policy.approval import permitted, repository_in_question
from codexd.core.state.state import ThreadState
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.settings import Settings, SettingsChange


class Questions(msgspec.Struct, frozen=True):
    """The lookups for one decision."""

    settings: frozenset[Settings] = frozenset()  # whose limits, tuning and instructions are needed
    folders: frozenset[str] = frozenset()  # where the model may need the environment
    instructions: bool = False  # whether those of the folders may be added to the context
    repositories: frozenset[str] = frozenset()  # folders for which `git_may_run` is needed
    compaction: bool = False  # whether a summary may be requested
    here: bool = False  # whether this machine's defaults are needed


NO_QUESTIONS = Questions()


def questions(state: ThreadState, command: Command) -> Questions:
    """The lookups that `decide` may need for this command in this state."""
    if state.settings is None:
        return NO_QUESTIONS
    beginning = _beginning(state, command)
    folders = {settings.cwd for settings in beginning} | _context_again(state, command)
    settings = set(beginning)
    if isinstance(command, c.CompactThread | c.PinRecord | c.StartReview):
        settings.add(state.settings)
    if beginning and state.last_settings is not None:
        settings.add(state.last_settings)  # The model of the last turn may have to summarise.
    return Questions(
        settings=frozenset(settings),
        folders=frozenset(folders),
        instructions=bool(folders) and state.reviews is None,  # A reviewer is not given any.
        repositories=_repositories(state, command),
        compaction=bool(settings) or (state.turn is not None and _goes_on(state, command)),
        here=isinstance(command, c.Recover),
    )


# Commands that do not change a turn that waits for its model, a tool or a reviewer.
_BESIDE_THE_TURN = (
    c.StartTurn
    | c.SteerTurn
    | c.WithdrawInput
    | c.ChangeSettings
    | c.RenameThread
    | c.PinRecord
    | c.UnpinRecord
    | c.ReportSpawned
    | c.ReportTitle
    | c.RetryModelCall
)


def _goes_on(state: ThreadState, command: Command) -> bool:
    """Whether a turn may begin, take its next step, or end, by this command."""
    if isinstance(command, c.ReportModel):
        return any(isinstance(seen, ModelResponseDone) for seen in command.seen)
    turn = state.turn
    waits = turn is not None and (turn.call is not None or turn.open_calls or turn.review)
    return not (waits and isinstance(command, _BESIDE_THE_TURN))


def _beginning(state: ThreadState, command: Command) -> list[Settings]:
    """The settings of the turns that may begin; at most one turn does."""
    assert state.settings is not None
    if not _goes_on(state, command):
        return []
    settings = state.settings
    if isinstance(command, c.ChangeSettings):
        settings = command.change.applied(settings)
    changes = [queued.change for queued in state.queue[:2]]  # This command may withdraw the first.
    if isinstance(command, c.StartTurn) and state.turn is None and not state.queue:
        changes.append(command.change)
    return [(change or SettingsChange()).applied(settings) for change in changes]


def _context_again(state: ThreadState, command: Command) -> set[str]:
    """The folder of a turn whose history may be replaced: its context is then added again as a whole."""
    turn = state.turn
    if turn is None or turn.compaction is None or not isinstance(command, c.ReportModel):
        return set()
    replaces = turn.compaction.started.phase == "mid_turn" and _goes_on(state, command)
    return {turn.settings.cwd} if replaces else set()


def _repositories(state: ThreadState, command: Command) -> frozenset[str]:
    if state.turn is None or not isinstance(command, c.ReportModel):
        return frozenset()
    settings, found = state.turn.settings, set[str]()
    for seen in command.seen:
        if isinstance(seen, c.ToolCallDone):
            action = permitted(settings, seen.action)
            folder = repository_in_question(settings, action, state.allowed_for_session)
            found |= {folder} if folder is not None else set()
    return frozenset(found)
