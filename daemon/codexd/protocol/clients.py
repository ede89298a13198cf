"""Who is attached to a thread, who decided, and what clients are told before the daemon ends (codexd only)."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.protocol.codexd_methods import AttachedClient

CLIENTS_CHANGED: Final = "thread/clients/changed"
STOPPING: Final = "daemon/stopping"


class ThreadClientsParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask which clients are attached to a thread."""

    thread_id: str


class ThreadClientsResponse(msgspec.Struct, frozen=True):
    """They, the one that has been attached for longest first. Attached is who started, resumed or forked it."""

    data: tuple[AttachedClient, ...]


class ThreadClientsChangedNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A client has attached to a thread, or has left it."""

    thread_id: str
    data: tuple[AttachedClient, ...]  # those that are attached now


class DaemonStoppingNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The daemon ends, and closes this connection; what runs goes on with the next daemon.

    `reason` is `stop`, or `restart` where another process follows on the same socket at once; more may come.
    """

    reason: str
    seconds_max: float  # how long answers of models may still take; requests are answered meanwhile


class DecidedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who decided, and how."""

    decision: str  # `accept`, `acceptForSession`, `decline` or `cancel`
    by: str | None = None  # the client as `AttachedClient.id` names it; None: not a client
    note: str | None = None  # the reason, if a rule decided
