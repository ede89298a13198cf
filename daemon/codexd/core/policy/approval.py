"""When a person is asked before a tool call is performed.

The policies: `never` asks about nothing; `on-request` asks when the model wants to leave the sandbox;
`untrusted` asks, besides, about every command that is not known to only read. Where no sandbox is enforced,
every policy but `never` asks as `untrusted` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

import msgspec

from codexd.core.policy.read_only_commands import Reading, reading_of
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import BadCall, RunCommand, ToolAction, ViewImage

LEAVES_SANDBOX = "The model asks to run this outside of the sandbox."
NOT_KNOWN_HARMLESS = "This command is not known to only read."

# Git obeys the configuration of the repository that it stands in, which may name programs to run.
_OBEYS_ITS_FOLDER = frozenset({"git"})
# By folder: why git could start a program that its repository names; None if it can't.
GitMayRun = Mapping[str, str | None]
NOT_LOOKED_AT: Final = "was not looked at"
NOBODY_LOOKED: Final[GitMayRun] = MappingProxyType({})


def needs_approval(
    settings: Settings,
    action: ToolAction,
    allowed_for_session: frozenset[str],
    git_may_run: GitMayRun = NOBODY_LOOKED,
) -> str | None:
    """Why a person must allow an action, as a sentence for that person; None where it may go ahead.

    It is always the daemon's own: what the model says of its call stands beside it, and never for it.
    """
    if isinstance(action, BadCall | ViewImage):
        return None  # To look at a file changes nothing; every sandbox lets files be read.
    if session_key(action) in allowed_for_session:
        return None
    match enforced_policy(settings):
        case "never":
            return None
        case "on-request":
            return _leaving(action)
        case "untrusted":
            return _leaving(action) or _unknown(settings, action, git_may_run)
        case unknown:
            assert_never(unknown)


def runs_guarded(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> bool:
    """Whether an action that nobody is asked about goes ahead for no other reason than that it only reads."""
    return (
        isinstance(action, RunCommand)
        and enforced_policy(settings) == "untrusted"
        and session_key(action) not in allowed_for_session
    )


def session_key(action: ToolAction) -> str:
    """What "allow it for the session" allows: this very line, in this folder, on this side of the sandbox."""
    match action:
        case RunCommand():
            key = ("command", action.cwd, action.command, action.escalated)
            return msgspec.json.encode(key).decode()
        case BadCall() | ViewImage():
            return ""  # nobody is ever asked, so nothing is allowed
        case unknown:
            assert_never(unknown)


def permitted(settings: Settings, action: ToolAction) -> ToolAction:
    """The action as it may be performed: where nobody is ever asked, nobody may leave the sandbox."""
    if settings.approval_policy == "never" and isinstance(action, RunCommand) and action.escalated:
        return msgspec.structs.replace(action, escalated=False)
    return action


def _leaving(action: RunCommand) -> str | None:
    return LEAVES_SANDBOX if action.escalated else None


def _unknown(settings: Settings, action: RunCommand, git_may_run: GitMayRun) -> str | None:
    reading = reading_of(action.command)
    if reading is None:
        return NOT_KNOWN_HARMLESS
    if not reading.programs & _OBEYS_ITS_FOLDER:
        return None
    if not _stays_in_its_folder(settings, action, reading):
        return NOT_KNOWN_HARMLESS
    found = git_may_run.get(settings.cwd, NOT_LOOKED_AT)
    return f"{NOT_KNOWN_HARMLESS} Its repository {found}." if found is not None else None


def _stays_in_its_folder(settings: Settings, action: RunCommand, reading: Reading) -> bool:
    # Where a `cd` fails the next part runs where the line began, so each of them must lead there.
    return action.cwd == settings.cwd and reading.folders <= {settings.cwd, "."}


def repository_in_question(
    settings: Settings, action: ToolAction, allowed_for_session: frozenset[str]
) -> str | None:
    """The folder whose repository decides whether a person must allow the action; None where none does."""
    if not isinstance(action, RunCommand) or action.escalated:
        return None
    if enforced_policy(settings) != "untrusted" or session_key(action) in allowed_for_session:
        return None
    reading = reading_of(action.command)
    if reading is None or not reading.programs & _OBEYS_ITS_FOLDER:
        return None
    return settings.cwd if _stays_in_its_folder(settings, action, reading) else None
