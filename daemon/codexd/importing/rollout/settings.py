"""The settings of a rollout's turns, and its origin, converted to values of the core. Pure."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections import defaultdict
from typing import get_args

import msgspec

from codexd.core.events.events import GitHead, ThreadStarted
from codexd.core.values.session_source import OF_CLIENTS
from codexd.core.values.settings import ApprovalPolicy, SandboxMode, Settings, SettingsChange
from codexd.importing.rollout.calls import path_of
from codexd.importing.rollout.lines import Members, members_of, text_of

# The defaults for members that a rollout does not have: a person is asked, and nothing is written.
APPROVAL_DEFAULT: ApprovalPolicy = "on-request"
SANDBOX_DEFAULT: SandboxMode = "read-only"
PROVIDER_DEFAULT = "openai"
MODEL_UNKNOWN = "unknown"
TIME_MAX_US = sys.maxsize
# Programs are named by a word.
SOURCE_CHARACTERS_MAX = 64

_APPROVALS = defaultdict[str, ApprovalPolicy](
    lambda: APPROVAL_DEFAULT, {word: word for word in get_args(ApprovalPolicy)}
)
_SANDBOXES = defaultdict[str, SandboxMode](
    lambda: SANDBOX_DEFAULT, {word: word for word in get_args(SandboxMode)}
)


class Heading(msgspec.Struct, frozen=True):
    """The data of a rollout that its conversion needs from the start."""

    source_id: str  # the id of the thread in Codex
    meta: Members  # of its first `session_meta`
    context: Members  # of its first `turn_context`
    forked_from: str | None = None
    forked_before: int | None = None  # the ordinal of the parent's first line that it lacks
    # Lines that were rolled back in Codex: the first and the last of each span, in order and disjoint.
    taken_back: tuple[tuple[int, int], ...] = ()
    default_model: str = MODEL_UNKNOWN
    cwd: str = ""  # of its first environment, for a rollout whose first lines have none
    at_us: int = 0  # the first time in it
    until_us: int = TIME_MAX_US  # a later time is not believed

    def has_taken_back(self, line: int) -> bool:
        """Whether a line was rolled back."""
        at = bisect_right(self.taken_back, (line, sys.maxsize)) - 1
        return at >= 0 and line <= self.taken_back[at][1]


def started(heading: Heading, daemon_version: str) -> ThreadStarted:
    """The thread's first event."""
    meta = heading.meta
    asked = change_of(heading.context)
    settings = asked.applied(
        Settings(
            cwd=path_of(meta.get("cwd")) or heading.cwd or "/",
            model=heading.default_model,
            provider=text_of(meta.get("model_provider")) or PROVIDER_DEFAULT,
            approval_policy=APPROVAL_DEFAULT,
            sandbox=SANDBOX_DEFAULT,
        )
    )
    return ThreadStarted(
        settings=settings,
        originator=text_of(meta.get("originator")) or "codex",
        daemon_version=daemon_version,
        instructions=_instructions(meta),
        git=_git(members_of(meta.get("git"))),
        thread_source=_source(meta.get("source")),
        source=_kind(meta.get("source")),
        history_mode="paginated",
    )


def change_of(asked: Members) -> SettingsChange:
    """The settings in a `turn_context` or a `thread_settings`; an unknown policy becomes the safest one."""
    approval = asked.get("approval_policy")
    sandbox = members_of(asked.get("sandbox_policy"))
    mode = sandbox.get("type", sandbox.get("mode"))
    effort = asked.get("effort", asked.get("reasoning_effort"))
    return SettingsChange(
        cwd=path_of(asked.get("cwd")) or None,
        model=text_of(asked.get("model")) or None,
        provider=text_of(asked.get("model_provider_id")) or None,
        approval_policy=None if approval is None else _APPROVALS[text_of(approval)],
        sandbox=None if mode is None else _SANDBOXES[text_of(mode)],
        effort=text_of(effort) or None,
        summary=text_of(asked.get("summary")) or None,
    )


def _instructions(meta: Members) -> str | None:
    """Instructions that were written for this thread. Codex's own are left out: they name tools of Codex."""
    base = members_of(meta.get("base_instructions"))
    if members_of(base.get("provenance")).get("type") != "custom":
        return None
    return text_of(base.get("text")) or None


def _git(git: Members) -> GitHead | None:
    head = GitHead(
        text_of(git.get("commit_hash")) or None,
        text_of(git.get("branch")) or None,
        text_of(git.get("repository_url")) or None,
    )
    return head if head != GitHead() else None


def _kind(source: object) -> str:
    """The program that the session was of. The oldest rollouts do not say it, and Codex takes them for its editors'."""
    if source is None:
        return OF_CLIENTS
    word = text_of(source) or text_of(members_of(source).get("custom")) or "unknown"
    return word[:SOURCE_CHARACTERS_MAX]


def _source(source: object) -> str | None:
    if isinstance(source, str):
        return source
    return "subagent" if "subagent" in members_of(source) else None


class Agent(msgspec.Struct, frozen=True):
    """An agent of another thread, which a person does not speak to."""

    kind: str  # "review", "compact", "thread_spawn", or another word of Codex
    parent_id: str | None = None  # the thread in Codex that it works for


def agent_of(meta: Members) -> Agent | None:
    """The agent that a rollout is of; None for a person's thread."""
    source = meta.get("source")
    members = {_word(name): value for name, value in members_of(source).items()}
    spawned = members.get("subagent", members.get("internal"))
    kind = text_of(spawned) or next(iter(members_of(spawned)), "")
    parent = text_of(meta.get("parent_thread_id"))
    parent = parent or text_of(members_of(members_of(spawned).get(kind)).get("parent_thread_id"))
    word = _word(text_of(source))
    if word.startswith("subagent"):
        kind = word.removeprefix("subagent") or kind
    elif not kind and not parent and _word(text_of(meta.get("thread_source"))) != "subagent":
        return None
    return Agent(kind or "other", parent or None)


def _word(name: str) -> str:
    """A name, however it is written: subagent, subAgent, sub_agent."""
    return re.sub("[^a-z]", "", name.lower())
