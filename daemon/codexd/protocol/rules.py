"""Methods about the rules for what models do, and about what is allowed for a thread. codexd only."""

from __future__ import annotations

import msgspec


class PolicyRule(msgspec.Struct, frozen=True, rename="camel"):
    """A rule for commands, and where it stands."""

    pattern: tuple[tuple[str, ...], ...]  # the words that are possible at each place
    decision: str  # allow, prompt or forbidden
    file: str = ""
    line: int = 0
    justification: str | None = None


class PolicyHost(msgspec.Struct, frozen=True, rename="camel"):
    """What holds for a host that commands connect to."""

    host: str  # or a pattern, from config.toml
    decision: str  # allow or deny


class PolicyProblem(msgspec.Struct, frozen=True):
    """A file of rules that cannot be used."""

    file: str
    message: str
    line: int = 0  # 0: the whole file


class PolicyCheckParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask what would happen to a shell line of a model; nothing is run."""

    command: str
    cwd: str | None = None  # absolute; the thread's folder, or the person's home folder
    thread_id: str | None = None  # whose settings and grants count; null: those of config.toml
    escalated: bool = False  # the model asks to run it outside of the sandbox


class PolicyPart(msgspec.Struct, frozen=True, rename="camel"):
    """A simple command of the line."""

    command: str
    verdict: str  # allow, prompt, forbidden, reads or unknown
    reason: str = ""  # the rest of a sentence that begins with the command
    rule: PolicyRule | None = None


class PolicyCheckResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What would happen to it, and why."""

    decision: str  # runs, asks or refused
    reason: str
    approval_policy: str = ""  # that is enforced, as the sandbox is
    sandbox: str = ""
    parts: tuple[PolicyPart, ...] = ()  # none: the line is not understood
    proposed_rule: tuple[str, ...] | None = None  # after which it would not be asked about
    outside_sandbox: bool = False  # a rule lets it run without the sandbox
    problems: tuple[PolicyProblem, ...] = ()


class PolicyListParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask for the rules, and for what is allowed in a thread."""

    thread_id: str | None = None


class PolicyGrant(msgspec.Struct, frozen=True, rename="camel"):
    """Something that is allowed for the rest of a thread."""

    id: str
    kind: str  # command, patch, …
    line: str
    folder: str | None = None


class PolicyListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The rules in force, and what is allowed in the thread."""

    own_file: str = ""  # to which approvals add rules
    rules: tuple[PolicyRule, ...] = ()
    problems: tuple[PolicyProblem, ...] = ()
    grants: tuple[PolicyGrant, ...] = ()
    hosts: tuple[PolicyHost, ...] = ()  # of config.toml and of the files of rules


class PolicyRevokeParams(msgspec.Struct, frozen=True, rename="camel"):
    """Take back what is allowed for the rest of a thread."""

    thread_id: str
    grants: tuple[str, ...] = ()  # their ids
    all: bool = False


class PolicyRevokeResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What is still allowed."""

    grants: tuple[PolicyGrant, ...] = ()
