"""codexctl policy: what happens to a model's commands and why, the rules, and what is allowed for a thread."""

from __future__ import annotations

import argparse
import os
import shlex

import msgspec

from codexd.protocol.rules import (
    PolicyCheckResponse,
    PolicyGrant,
    PolicyListResponse,
    PolicyProblem,
    PolicyRevokeResponse,
    PolicyRule,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import drawn_once, one_line

# A rule's reason is a paragraph at most; the file has all of it.
REASON_CHARACTERS_MAX = 400
LINE_CHARACTERS_MAX = 4000  # as long as any line that is understood


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Check a command, list the rules, or revoke a grant."""
    with connect(console) as daemon:
        if arguments.action == "check":
            return _check(daemon, arguments, console)
        if arguments.action == "list":
            return _list(daemon, arguments, console)
        return _revoke(daemon, arguments, console)


def _check(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> Exit:
    words = arguments.command
    params: dict[str, object] = {
        "command": words[0] if len(words) == 1 else shlex.join(words),
        "escalated": arguments.escalated,
    }
    if arguments.thread is not None:
        params["threadId"] = find_thread_id(daemon, arguments.thread)
    if arguments.cwd is not None or arguments.thread is None:
        params["cwd"] = os.path.abspath(arguments.cwd or "")
    found = daemon.call("policy/check", params, PolicyCheckResponse)
    members = {"command": params["command"], **msgspec.to_builtins(found)}
    console.result(members, *_check_lines(found))
    return DONE


def _check_lines(found: PolicyCheckResponse) -> list[str]:
    outside = ", outside of the sandbox" if found.outside_sandbox else ""
    lines = [
        f"{one_line(found.decision)}{outside}: {one_line(found.reason, REASON_CHARACTERS_MAX)}",
        f"  approval policy {one_line(found.approval_policy)}, sandbox {one_line(found.sandbox)}",
    ]
    lines += [
        f"  `{one_line(part.command, LINE_CHARACTERS_MAX)}` {one_line(part.reason, REASON_CHARACTERS_MAX)}"
        for part in found.parts
    ]
    if found.proposed_rule is not None:
        lines.append(
            f"  a rule would allow it: {one_line(shlex.join(found.proposed_rule), LINE_CHARACTERS_MAX)}"
        )
    return [*lines, *_problem_lines(found.problems)]


def _list(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> Exit:
    params: dict[str, object] = {}
    if arguments.thread is not None:
        params["threadId"] = find_thread_id(daemon, arguments.thread)
    found = daemon.call("policy/list", params, PolicyListResponse)
    lines = [line for rule in found.rules for line in _rule_lines(rule)] or [
        f"there are no rules for commands; approvals would add them to {one_line(found.own_file)}"
    ]
    lines += [
        f"{one_line(host.decision):<9}  connections to {one_line(host.host)}"
        for host in found.hosts
    ]
    if arguments.thread is not None:
        lines += _grant_lines(found.grants)
    console.result(msgspec.to_builtins(found), *lines, *_problem_lines(found.problems))
    return DONE


def _revoke(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> Exit:
    if bool(arguments.grants) == arguments.all:
        raise UsageError("expected ids, or --all; nothing was changed")
    params = {
        "threadId": find_thread_id(daemon, arguments.thread),
        "grants": arguments.grants,
        "all": arguments.all,
    }
    left = daemon.call("policy/revoke", params, PolicyRevokeResponse).grants
    console.result({"grants": msgspec.to_builtins(left)}, *_grant_lines(left))
    return DONE


def _rule_lines(rule: PolicyRule) -> list[str]:
    words = " ".join("|".join(map(shlex.quote, place)) for place in rule.pattern)
    lines = [
        f"{one_line(rule.decision):<9}  {one_line(words, LINE_CHARACTERS_MAX)}  ({one_line(rule.file)}:{rule.line})"
    ]
    if rule.justification:
        lines.append(f"           {drawn_once(rule.justification, REASON_CHARACTERS_MAX)}")
    return lines


def _grant_lines(grants: tuple[PolicyGrant, ...]) -> list[str]:
    if not grants:
        return ["nothing is allowed for the rest of the thread"]
    lines = []
    for grant in grants:
        where = f"  in {one_line(grant.folder)}" if grant.folder is not None else ""
        line = one_line(grant.line, LINE_CHARACTERS_MAX)
        lines.append(f"{one_line(grant.id)}  {one_line(grant.kind)}  {line}{where}")
    return ["allowed for the rest of the thread:", *lines]


def _problem_lines(problems: tuple[PolicyProblem, ...]) -> list[str]:
    return [
        f"not usable: {one_line(problem.file)}{f':{problem.line}' if problem.line else ''}: "
        f"{one_line(problem.message, REASON_CHARACTERS_MAX)}"
        for problem in problems
    ]
