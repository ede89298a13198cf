"""Explains to a person what the policy makes of a command: the decision, and the reason for each part of the line.

Law: the decision is made by the functions that decide for the model's calls; here it is only put into words.
"""

from __future__ import annotations

import shlex
from typing import Final, Literal

import msgspec

from codexd.core.policy.approval import (
    needs_approval,
    permitted,
    proposed_rule,
    refused,
    session_key,
)
from codexd.core.policy.looked_up import LookedUp
from codexd.core.policy.ruled_line import RuledCommand, parts_of
from codexd.core.rules.prefix_rules import PrefixRule
from codexd.core.shell.options import Words
from codexd.core.shell.read_only_commands import reading_of_parts
from codexd.core.shell.read_only_programs import READERS
from codexd.core.shell.shell_line import NotUnderstood, SimpleCommand, simple_commands
from codexd.core.values.enforced import enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand

# The culprit among a command's arguments is found by leaving each out; more arguments are not tried.
ARGUMENTS_TRIED_MAX: Final = 64
READS: Final = "is known to only read"
_DOES: Final = {"allow": "allows", "prompt": "asks a person about", "forbidden": "forbids"}


class PartExplained(msgspec.Struct, frozen=True):
    """A simple command of a line."""

    command: str  # its words, quoted for a shell
    verdict: Literal["allow", "prompt", "forbidden", "reads", "unknown"]
    reason: str  # the rest of a sentence that begins with the command
    rule: PrefixRule | None = None


class Explained(msgspec.Struct, frozen=True):
    """The decision on a command."""

    decision: Literal["runs", "asks", "refused"]
    reason: str  # a sentence
    parts: tuple[PartExplained, ...] = ()  # none: the line is not understood
    proposal: tuple[str, ...] | None = (
        None  # the words of a rule by which it would not be asked about
    )
    outside_sandbox: bool = False  # it would run without the sandbox that the settings ask for


def explain(
    settings: Settings, action: RunCommand, allowed_for_session: frozenset[str], looked_up: LookedUp
) -> Explained:
    """What would happen if the model called this command in a thread with these settings."""
    action_permitted = permitted(settings, action, looked_up)
    assert isinstance(action_permitted, RunCommand)
    action = action_permitted
    parts, unread = _parts(action.command, looked_up)
    refusal = refused(settings, action, looked_up)
    if refusal is not None:
        return Explained("refused", refusal, parts)
    reason = needs_approval(settings, action, allowed_for_session, looked_up)
    if reason is not None:
        reason = f"{reason} It cannot be read: {unread}." if unread else reason
        return Explained("asks", reason, parts, proposed_rule(settings, action, looked_up))
    outside = action.escalated and enforced_sandbox(settings) != "danger-full-access"
    why = _why_it_runs(settings, action, allowed_for_session, parts)
    return Explained("runs", why, parts, outside_sandbox=outside)


def _why_it_runs(
    settings: Settings,
    action: RunCommand,
    allowed_for_session: frozenset[str],
    parts: tuple[PartExplained, ...],
) -> str:
    verdicts = {part.verdict for part in parts}
    if session_key(action) in allowed_for_session:
        return "It was allowed for this thread."
    if verdicts == {"allow"}:
        return "Rules allow all of it."
    if enforced_policy(settings) == "never":
        return "The approval policy is `never`, so nobody is asked."
    if verdicts and verdicts <= {"allow", "reads"}:
        beside = "Rules allow it, and the rest" if "allow" in verdicts else "All of it"
        return f"{beside} {READS}."
    return f"It runs in the sandbox `{enforced_sandbox(settings)}`, where nobody is asked."


def _parts(line: str, looked_up: LookedUp) -> tuple[tuple[PartExplained, ...], str | None]:
    """The parts of a line; or none, and why it cannot be read."""
    try:
        simple_commands(line)
    except NotUnderstood as problem:
        return (), str(problem)
    return tuple([_part(part) for part in parts_of(line, looked_up.rules).commands]), None


def _part(part: RuledCommand) -> PartExplained:
    shown = " ".join(shlex.quote(word.text) for word in part.command.words)
    rule = part.rule
    if rule is not None and (part.is_allowed or rule.decision != "allow"):
        because = f": {rule.justification}" if rule.justification else ""
        reason = f"is what the rule at {rule.place} {_DOES[rule.decision]}{because}"
        return PartExplained(shown, rule.decision, reason, rule)
    if reading_of_parts([part.command]) is not None:
        return PartExplained(shown, "reads", READS)
    return PartExplained(shown, "unknown", _why_unknown(part.command))


def _why_unknown(part: SimpleCommand) -> str:
    program, arguments = part.words[0].text, part.words[1:]
    if program not in READERS:
        return "is not among the programs that are known to only read"
    if READERS[program](arguments):
        return "opens a device"
    culprit = _culprit(program, arguments)
    if culprit is None:
        return "is not known to only read with these arguments"
    return f"is not known to only read, because of `{culprit}`"


def _culprit(program: str, arguments: Words) -> str | None:
    """The argument without which the command would be known to only read."""
    for at, word in enumerate(arguments[:ARGUMENTS_TRIED_MAX]):
        if READERS[program](arguments[:at] + arguments[at + 1 :]):
            return word.text
    return None
