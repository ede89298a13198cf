"""Which commands need approval, what "allow it for the session" allows, and what rules of people say about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.policy.looked_up import NOT_LOOKED_AT, NOTHING_LOOKED_UP, LookedUp
from codexd.core.policy.ruled_line import RuledLine, parts_of, ruled
from codexd.core.rules.prefix_rules import NO_RULES, PrefixRule
from codexd.core.rules.wide_prefixes import prefix_problem
from codexd.core.shell.read_only_commands import (
    Reading,
    is_special_folder,
    reading_of,
    reading_of_parts,
)
from codexd.core.shell.shell_line import SimpleCommand
from codexd.core.values.enforced import (
    enforced_policy,
    enforced_sandbox,
    is_confined,
    is_refused,
)
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ExecCommand, RunCommand

LEAVES_SANDBOX = "The model asks to run this outside of the sandbox."
NOT_KNOWN_HARMLESS = "This command is not known to only read."
TYPED_INTO = "The model can type into this command, so it may do more than its line says."

# Git uses the configuration of the repository in its working directory, which may name programs to run.
OBEYS_ITS_FOLDER: Final = frozenset({"git"})


def command_refusal(settings: Settings, action: RunCommand, looked_up: LookedUp) -> str | None:
    """The answer to the model for a command that a rule refuses, or that cannot be confined; None if it may be asked
    about.
    """
    line = ruled(action.command, looked_up.rules)
    rule = line.rule
    if line.possible is not None and settings.approval_policy == "never":
        return (
            f"not run: {_may_hold(line.possible)} The approval policy is `never`, so nobody is asked. Nothing was done. "
            "Write the commands out, without variables, substitutions and loops."
        )
    if rule is None:
        return None if action.escalated or not is_refused(settings) else _not_confined(settings)
    if rule.decision == "forbidden":
        return f"not run: {_rule_says(rule, 'forbids')} Nothing was done."
    if settings.approval_policy == "never":
        asks = _rule_says(rule, "asks a person about")
        return (
            f"not run: {asks} The approval policy is `never`, so nobody is asked. Nothing was done."
        )
    return None if action.escalated or not is_refused(settings) else _not_confined(settings)


def _not_confined(settings: Settings) -> str:
    problem = settings.profile.problem
    if problem is not None:
        return (
            f"not run: the {problem}. Nothing was done. The user can choose another profile, or set "
            "`allow_unsandboxed = true` in config.toml. With `require_escalated` the user is asked about this command."
        )
    return (
        f"not run: the sandbox mode {settings.sandbox} cannot be enforced on this machine, and commands may not run "
        "without. Nothing was done. `codexctl status` says why; the user can install what is missing, or set "
        "`allow_unsandboxed = true` in config.toml. With `require_escalated` the user is asked about this command."
    )


def command_reason(settings: Settings, action: RunCommand, looked_up: LookedUp) -> str | None:
    """Why a person must allow a command; None if it may run."""
    line = ruled(action.command, looked_up.rules)
    if line.rule is not None:
        return _rule_says(line.rule, "asks about")
    if line.possible is not None:
        return _may_hold(line.possible)
    if line.is_allowed and _says_what_runs(action):
        return None
    if action.escalated:
        return LEAVES_SANDBOX
    if enforced_policy(settings) == "untrusted":
        if _is_typed_into(action):
            return TYPED_INTO
        return _unknown(settings, action, line, looked_up)
    return None


def command_key(action: RunCommand) -> str:
    """The session key: exactly this line, in this folder, with or without the sandbox."""
    key = ("command", action.cwd, action.command, action.escalated)
    if isinstance(action, ExecCommand):
        return msgspec.json.encode((*key, action.tty, action.shell)).decode()
    return msgspec.json.encode(key).decode()


def command_permitted(
    settings: Settings, action: RunCommand, looked_up: LookedUp = NOTHING_LOOKED_UP
) -> RunCommand:
    """The command as it may be performed: without the sandbox if rules allow all of it, as Codex has it; else without
    escalation if the policy never asks.
    """
    if ruled(action.command, looked_up.rules).is_allowed and _says_what_runs(action):
        is_confined = enforced_sandbox(settings) != "danger-full-access"
        return replace(action, escalated=True) if is_confined else action
    if settings.approval_policy == "never" and action.escalated:
        return replace(action, escalated=False)
    return action


def command_outside(settings: Settings, action: RunCommand) -> RunCommand | None:
    """The command without its sandbox, which a person is asked about where it has failed in it; None: nobody is asked.

    A sandbox lets everything be read, so it is not why a command fails that is known to only read.
    """
    if action.escalated or not is_confined(settings) or settings.approval_policy == "never":
        return None
    only_reads = not _has_other_shell(action) and reading_of(action.command) is not None
    return None if only_reads else replace(action, escalated=True)


def command_by_rule(action: RunCommand, looked_up: LookedUp) -> bool:
    """Whether rules allow all of a command, or a part of it."""
    return ruled(action.command, looked_up.rules).is_touched


def command_proposal(
    _: Settings, action: RunCommand, looked_up: LookedUp
) -> tuple[str, ...] | None:
    """The words of a rule after which this command would not be asked about; None if there are none.

    They are those that the model proposes, or else all words of the command.
    """
    if not _says_what_runs(action):
        return None
    line = parts_of(action.command, looked_up.rules)
    left = [
        part for part in line.rest if action.escalated or _reading_beside([part.command]) is None
    ]
    if line.rule is not None or not left or not all(part.is_plain for part in left):
        return None
    for prefix in (action.prefix_rule, left[0].words):
        covers = all(part.words[: len(prefix)] == prefix for part in left)
        if covers and prefix_problem(prefix) is None:
            return prefix
    return None


def command_rule_problem(action: RunCommand, prefix: tuple[str, ...]) -> str | None:
    """Why an answer to a question about this command makes no rule of these words, as the end of "it …"."""
    problem = prefix_problem(prefix)
    if problem is not None:
        return problem
    if not _says_what_runs(action):
        return "is for a line that does not say all that it does"
    begun = (
        part.is_plain and part.words[: len(prefix)] == prefix
        for part in parts_of(action.command, NO_RULES).commands
    )
    return None if any(begun) else "is not the beginning of the command that was asked about"


def command_repository(settings: Settings, action: RunCommand) -> str | None:
    """The folder whose repository decides whether the command needs approval; None if none does."""
    if action.escalated or enforced_policy(settings) != "untrusted":
        return None
    reading = reading_of(action.command)
    if reading is None or not reading.programs & OBEYS_ITS_FOLDER:
        return None
    return settings.cwd if _stays_in_its_folder(settings, action, reading) else None


def _says_what_runs(action: RunCommand) -> bool:
    """Whether the line of a command says all that it does, so that a rule may allow it."""
    return not _is_typed_into(action) and not _has_other_shell(action)


def _is_typed_into(action: RunCommand) -> bool:
    return isinstance(action, ExecCommand) and action.tty


def _has_other_shell(action: RunCommand) -> bool:
    return isinstance(action, ExecCommand) and action.shell is not None


def _unknown(
    settings: Settings, action: RunCommand, line: RuledLine, looked_up: LookedUp
) -> str | None:
    if _has_other_shell(action):
        return NOT_KNOWN_HARMLESS  # What a line means depends on its shell.
    if line.is_touched:
        # What a rule allows runs in the person's environment, and git would start what its repository names.
        reading = _reading_beside([part.command for part in line.rest])
        harmless = reading is not None and not _opens_devices(action, reading)
        return None if harmless else NOT_KNOWN_HARMLESS
    reading = reading_of(action.command)
    if reading is None or _opens_devices(action, reading):
        return NOT_KNOWN_HARMLESS
    if not reading.programs & OBEYS_ITS_FOLDER:
        return None
    if not _stays_in_its_folder(settings, action, reading):
        return NOT_KNOWN_HARMLESS
    found = looked_up.git_may_run.get(settings.cwd, NOT_LOOKED_AT)
    return f"{NOT_KNOWN_HARMLESS} Its repository {found}." if found is not None else None


def _reading_beside(parts: Sequence[SimpleCommand]) -> Reading | None:
    """The reading of commands that only read, also beside others that a rule allows."""
    reading = reading_of_parts(parts)
    return None if reading is None or reading.programs & OBEYS_ITS_FOLDER else reading


def _opens_devices(action: RunCommand, reading: Reading) -> bool:
    """Whether a line that only reads may open a device, or what /proc has of a process, by a relative path."""
    folders = {action.cwd, *reading.folders} - {"."}
    at_root = any(".." in folder or not folder.strip("/.") for folder in folders)
    return is_special_folder(action.cwd) or (reading.is_below_root and at_root)


def _stays_in_its_folder(settings: Settings, action: RunCommand, reading: Reading) -> bool:
    # If a `cd` fails, the next part runs in the folder where the line began, so each `cd` must lead there.
    return action.cwd == settings.cwd and reading.folders <= {settings.cwd, "."}


def _may_hold(rule: PrefixRule) -> str:
    does = "forbids" if rule.decision == "forbidden" else "asks about"
    return f"This line cannot be read, and may hold what the rule at {rule.place} {does}: `{rule.prefix}`."


def _rule_says(rule: PrefixRule, does: str) -> str:
    because = f": {rule.justification}" if rule.justification else ""
    return f"The rule at {rule.place} {does} commands that begin with `{rule.prefix}`{because}."
