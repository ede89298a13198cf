"""The methods about hooks: codexd's own, while `hooks/list` is Codex's and about another kind of hook."""

from __future__ import annotations

from typing import Literal

import msgspec

HookReceiver = Literal["desktop", "ntfy", "webhook"]
ReceiptOutcome = Literal["done", "failed", "dead", "watched", "answered"]


class _Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    pass


class HookAddParams(_Wire, frozen=True, kw_only=True):
    """Run a command for events from now on, at least once and in their order; or let a receiver notify a person."""

    events: tuple[str, ...]  # types of events, `turn.*`, `*`, or the words "waiting" and "done"
    # The program and its arguments. With `again`, neither this nor a receiver: that of the hook of this name.
    command: tuple[str, ...] | None = None
    receiver: HookReceiver | None = None  # in place of a command
    url: str | None = None  # of ntfy (with the topic) or of a webhook
    name: str | None = None  # None: one is made from the command
    cwd: str | None = None  # absolute; None: the home folder
    thread_id: str | None = None  # None: every thread
    since_ms: int | None = None  # also for events since then, in ms since 1970; None: from now on
    again: bool = False  # run again for events since then that it has run for


class HookNameParams(_Wire, frozen=True, kw_only=True):
    """A hook, by its name."""

    name: str


class HookListParams(_Wire, frozen=True, kw_only=True):
    """List the hooks."""


class HookReceiptsParams(_Wire, frozen=True, kw_only=True):
    """List what became of runs of hooks, newest first; or only what was given up."""

    name: str | None = None
    thread_id: str | None = None
    before: int | None = None  # `nextBefore` of the page before
    dead: bool = False  # of one hook: the events that were given up and have not succeeded since


class HookView(_Wire, frozen=True, kw_only=True):
    """A hook."""

    name: str
    events: tuple[str, ...]
    command: tuple[str, ...]
    cwd: str
    since_ms: int
    generation: int
    receiver: HookReceiver | None = None
    url: str | None = None
    thread_id: str | None = None


class HookReceipt(_Wire, frozen=True, kw_only=True):
    """What became of one run of a hook for one event."""

    at: str  # when it was recorded
    hook: str
    thread_id: str
    seq: int  # of the event, in its thread
    event: str
    attempt: int
    outcome: ReceiptOutcome
    exit_code: int | None
    duration_ms: int
    problem: str


class HookAddResponse(_Wire, frozen=True, kw_only=True):
    """The hook as it was added."""

    hook: HookView


class HookListResponse(_Wire, frozen=True, kw_only=True):
    """The hooks, by name."""

    data: tuple[HookView, ...]


class HookRemoveResponse(_Wire, frozen=True, kw_only=True):
    """Whether there was a hook of this name."""

    removed: bool


class HookReceiptsResponse(_Wire, frozen=True, kw_only=True):
    """A page of receipts."""

    data: tuple[HookReceipt, ...]
    next_before: int | None


class HookRetryResponse(_Wire, frozen=True, kw_only=True):
    """How many of the events that were given up are done now, and how many failed again."""

    done: int
    failed: int
