"""The data that a decision needs beside the state: what a command needs, and the value that is gathered for it.

The actor asks `questions`, looks the answers up, and decides once. The questions may name more than the decision
needs, but never less.
Law: answers that matter later are written into the events, so that a replay looks nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.decide.transition import cuts_answer
from codexd.core.policy.approval import permitted, repository_in_question
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.rules.prefix_rules import NO_RULES, PrefixRules
from codexd.core.state.state import ThreadState
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.environment import Machine
from codexd.core.values.ids import TurnId
from codexd.core.values.limits import Limits
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.settings import (
    NO_PROFILE,
    ActiveProfile,
    ApprovalPolicy,
    Enforcement,
    SandboxAccess,
    SandboxMode,
    Settings,
    SettingsChange,
    Tuned,
    at_tier,
)


class Titles(msgspec.Struct, frozen=True):
    """Titles are made by a model."""

    model: str | None = None  # None: the thread's own


class Here(msgspec.Struct, frozen=True):
    """The defaults of this machine for an imported thread."""

    approval_policy: ApprovalPolicy = "untrusted"
    sandbox: SandboxMode = "read-only"
    access: SandboxAccess = SandboxAccess()
    profile: ActiveProfile = NO_PROFILE
    developer_instructions: str | None = None


class ForSettings(msgspec.Struct, frozen=True):
    """The data for a turn with certain settings."""

    limits: Limits = Limits()
    tuned: Tuned = Tuned()
    # The base instructions, if the thread has none of its own.
    instructions: str | None = None


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to a command's questions."""

    by_settings: Mapping[Settings, ForSettings] = {}
    machine: Machine = Machine()
    # Instructions of AGENTS.md files, by working directory.
    user_instructions: Mapping[str, UserInstructions] = {}
    # By folder: why git could start a program of its repository, as the rest of "its repository …";
    # None if it cannot.
    git_may_run: Mapping[str, str | None] = {}
    rules: PrefixRules = NO_RULES
    own_folders: tuple[str, ...] = ()  # where configuration, rules and logs are; without links
    review_model: str | None = None  # None: the thread's own
    here: Here = Here()
    titles: Titles | None = None  # None: no model is asked for titles
    enforcement: Enforcement | None = None  # None: as the thread's settings have it
    new_turn: TurnId | None = None  # for a turn that begins by itself
    # The prompt for a summary.
    compact_prompt: str = COMPACTION_PROMPT

    def of(self, settings: Settings) -> ForSettings:
        """The data for these settings, on whatever machine; empty for settings that were not looked up."""
        return self.by_settings.get(anywhere(settings), _NOTHING_KNOWN)


def anywhere(settings: Settings) -> Settings:
    """The settings without what the machine enforces."""
    return replace(settings, enforcement=Enforcement())


_NOTHING_KNOWN = ForSettings()
NO_LOOKUPS = Lookups()


class Questions(msgspec.Struct, frozen=True):
    """The lookups for one decision."""

    settings: frozenset[Settings] = frozenset()  # whose limits, tuning and instructions are needed
    beginning: frozenset[Settings] = frozenset()  # those of them with which a turn may begin
    folders: frozenset[str] = frozenset()  # where the model may need the environment
    instructions: bool = False  # whether those of the folders may be added to the context
    repositories: frozenset[str] = frozenset()  # folders for which `git_may_run` is needed
    rules: bool = False  # whether the person's rules for commands are needed
    compaction: bool = False  # whether a summary may be requested
    here: bool = False  # whether this machine's defaults are needed
    new_turn: bool = False  # whether a turn may begin by itself


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
    if state.waiting and _goes_on(state, command):
        settings.add(_settings_after(state.settings, command))  # A waiting turn begins with them.
    if beginning and state.last_settings is not None:
        settings.add(state.last_settings)  # The model of the last turn may have to summarise.
    return Questions(
        settings=frozenset(settings),
        beginning=frozenset(beginning),
        folders=frozenset(folders),
        instructions=bool(folders) and state.reviews is None,  # A reviewer is not given any.
        repositories=_repositories(state, command),
        rules=bool(beginning) or _calls_a_tool(command),
        compaction=bool(settings)
        or (state.turn is not None and _goes_on(state, command))
        or (isinstance(command, c.SteerTurn) and cuts_answer(state.turn)),
        here=isinstance(command, c.Recover),
        new_turn=bool(beginning) and _may_go_on_by_itself(state, command),
    )


# Commands that do not change a turn that waits for its model, a tool or a reviewer.
_BESIDE_THE_TURN = (
    c.StartTurn
    | c.SteerTurn
    | c.RunPersonCommand
    | c.WithdrawInput
    | c.ChangeSettings
    | c.RenameThread
    | c.PinRecord
    | c.UnpinRecord
    | c.SetGoal
    | c.ClearGoal
    | c.ReportSpawned
    | c.ReportTask
    | c.ReportHostAsked
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
    """The settings of the turns of inputs that may begin; at most one turn does."""
    assert state.settings is not None
    if not _goes_on(state, command):
        return []
    settings = _settings_after(state.settings, command)
    # This command may withdraw the first.
    changes = [(queued.change, queued.service_tier) for queued in state.queue[:2]]
    if isinstance(command, c.StartTurn) and state.turn is None and not state.queue:
        changes.append((command.change, command.service_tier))
    if _may_go_on_by_itself(state, command):
        changes.append((SettingsChange(), None))
    if isinstance(command, c.RunPersonCommand) and state.turn is None:
        changes.append((SettingsChange(), None))
    return [
        at_tier((change or SettingsChange()).applied(settings), tier) for change, tier in changes
    ]


def _settings_after(settings: Settings, command: Command) -> Settings:
    return command.change.applied(settings) if isinstance(command, c.ChangeSettings) else settings


def _may_go_on_by_itself(state: ThreadState, command: Command) -> bool:
    """Whether a turn for the goal may begin."""
    active = state.goal is not None and state.goal.status == "active"
    return active or isinstance(command, c.SetGoal)


def _context_again(state: ThreadState, command: Command) -> set[str]:
    """The folder of a turn whose history may be replaced: its context is then added again as a whole."""
    turn = state.turn
    if turn is None or turn.compaction is None or not isinstance(command, c.ReportModel):
        return set()
    replaces = turn.compaction.started.phase == "mid_turn" and _goes_on(state, command)
    return {turn.settings.cwd} if replaces else set()


def _calls_a_tool(command: Command) -> bool:
    return isinstance(command, c.ReportModel) and any(
        isinstance(seen, c.ToolCallDone) for seen in command.seen
    )


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
