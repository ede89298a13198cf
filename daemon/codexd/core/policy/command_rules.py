"""Which commands need approval, and what "allow it for the session" allows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.policy.read_only_commands import Reading, reading_of
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand

LEAVES_SANDBOX = "The model asks to run this outside of the sandbox."
NOT_KNOWN_HARMLESS = "This command is not known to only read."

# Git uses the configuration of the repository in its working directory, which may name programs to run.
_OBEYS_ITS_FOLDER = frozenset({"git"})
# By folder: why git could start a program that its repository names; None if it cannot.
GitMayRun = Mapping[str, str | None]
NOT_LOOKED_AT: Final = "was not looked at"
NOBODY_LOOKED: Final[GitMayRun] = MappingProxyType({})


def command_reason(settings: Settings, action: RunCommand, git_may_run: GitMayRun) -> str | None:
    """Why a person must allow a command; None if it may run."""
    if action.escalated:
        return LEAVES_SANDBOX
    if enforced_policy(settings) == "untrusted":
        return _unknown(settings, action, git_may_run)
    return None


def command_key(action: RunCommand) -> str:
    """The session key: exactly this line, in this folder, with or without the sandbox."""
    key = ("command", action.cwd, action.command, action.escalated)
    return msgspec.json.encode(key).decode()


def command_permitted(settings: Settings, action: RunCommand) -> RunCommand:
    """The command without escalation, if the policy never asks."""
    if settings.approval_policy == "never" and action.escalated:
        return replace(action, escalated=False)
    return action


def command_repository(settings: Settings, action: RunCommand) -> str | None:
    """The folder whose repository decides whether the command needs approval; None if none does."""
    if action.escalated or enforced_policy(settings) != "untrusted":
        return None
    reading = reading_of(action.command)
    if reading is None or not reading.programs & _OBEYS_ITS_FOLDER:
        return None
    return settings.cwd if _stays_in_its_folder(settings, action, reading) else None


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
    # If a `cd` fails, the next part runs in the folder where the line began, so each `cd` must lead there.
    return action.cwd == settings.cwd and reading.folders <= {settings.cwd, "."}
