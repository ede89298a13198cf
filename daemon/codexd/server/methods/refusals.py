"""Refusals as warnings: a terminal of Codex exits where some of its requests are refused, and loses what was typed."""

from __future__ import annotations

from codexd.core.commands import Rejected
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.notifications import WarningNotification
from codexd.protocol.wire.rpc import RpcError
from codexd.runtime.supervisor import ThreadGone
from codexd.server.connection.connection import Connection
from codexd.server.services import Services
from codexd_eventstore.store import NotFound, StoreError

# What a thread, or the daemon, cannot do now.
REFUSALS = (Rejected, StoreError, ThreadGone, RpcError)


def warn_or_raise(
    services: Services,
    connection: Connection,
    thread_id: str,
    words: str,
    refusal: Exception,
    *,
    key: str | None,
) -> None:
    """Tell the client that asked, in a warning. Raises the refusal where the request has an idempotency key, which no
    client of Codex sends, and where there is no such thread.
    """
    if key is not None or isinstance(refusal, NotFound):
        raise refusal
    warn(services, connection, thread_id, f"{words}: {refusal}")


def warn(services: Services, connection: Connection, thread_id: str, words: str) -> None:
    """Tell the client that asked."""
    services.hub.tell_one(connection, Outgoing("warning", WarningNotification(words, thread_id)))
