"""Method -> answer: one row each. A new method is a row in `protocol/methods.py`, a row here, a function."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import trio

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.events.events import InvalidEvent
from codexd.core.values.ids import ApprovalId, ThreadId
from codexd.index.index import IndexUnavailable
from codexd.protocol.methods import EMPTY_ANSWERS, METHODS, known_methods, read_params
from codexd.protocol.requests import Decided, read_decision
from codexd.protocol.wire.rpc import (
    INTERNAL_ERROR,
    ClientReply,
    ErrorData,
    Request,
    RpcError,
    internal_error,
    state_error,
    unknown_method,
)
from codexd.runtime.supervisor import ThreadGone
from codexd.runtime.troubles import MEND_UNKNOWN
from codexd.server.connection.connection import Call, Connection, MethodResult
from codexd.server.connection.peers import may_decide
from codexd.server.feed.frames import Frame
from codexd.server.hub import loaded_statuses
from codexd.server.methods import (
    compaction,
    daemon,
    listing,
    maintenance,
    reading,
    revert,
    scrub,
    threads,
    transfer,
    turns,
    usage,
)
from codexd.server.services import Services
from codexd_eventstore.store import Damaged, NotFound, StoreError, StoreFailed

log = logging.getLogger(__name__)

# The params of a handler are of its own method's type; the table below is checked against METHODS by a test.
Handler = Callable[[Services, Connection, Any], Awaitable[MethodResult]]

HANDLERS: dict[str, Handler] = {
    "initialize": daemon.initialize,
    "account/read": daemon.account_read,
    "config/read": daemon.config_read,
    "configRequirements/read": daemon.config_requirements_read,
    "model/list": daemon.model_list,
    "provider/findLocal": daemon.provider_find_local,
    "review/start": turns.review_start,
    "server/status": daemon.server_status,
    "store/blobs/sweep": maintenance.store_blobs_sweep,
    "store/blobs/verify": maintenance.store_blobs_verify,
    "store/streams": maintenance.store_streams,
    "thread/archive": threads.thread_archive,
    "thread/compact/preview": compaction.thread_compact_preview,
    "thread/compact/start": compaction.thread_compact_start,
    "thread/compact/undo": revert.thread_compact_undo,
    "thread/delete": maintenance.thread_delete,
    "thread/export": transfer.thread_export,
    "thread/fork": threads.thread_fork,
    "thread/import": transfer.thread_import,
    "thread/items/list": reading.thread_items_list,
    "thread/list": listing.thread_list,
    "thread/loaded/list": reading.thread_loaded_list,
    "thread/log/read": reading.thread_log_read,
    "thread/name/set": threads.thread_name_set,
    "thread/pin/add": compaction.thread_pin_add,
    "thread/pin/list": compaction.thread_pin_list,
    "thread/pin/remove": compaction.thread_pin_remove,
    "thread/read": reading.thread_read,
    "thread/resume": threads.thread_resume,
    "thread/search": listing.thread_search,
    "thread/searchOccurrences": listing.thread_search_occurrences,
    "thread/revert": revert.thread_revert,
    "thread/revert/undo": revert.thread_revert_undo,
    "thread/scrub": scrub.thread_scrub,
    "thread/settings/update": threads.thread_settings_update,
    "thread/start": threads.thread_start,
    "thread/turns/list": reading.thread_turns_list,
    "thread/unarchive": threads.thread_unarchive,
    "thread/unsubscribe": threads.thread_unsubscribe,
    "thread/usage/list": usage.thread_usage_list,
    "thread/usage/read": usage.thread_usage_read,
    "thread/verify": maintenance.thread_verify,
    "turn/interrupt": turns.turn_interrupt,
    "turn/start": turns.turn_start,
    "turn/steer": turns.turn_steer,
}


# How Codex names a thread that is not there; clients know it by these words.
UNKNOWN_THREAD = {
    "thread/archive": "no rollout found for thread id",
    "thread/export": "no rollout found for thread id",
    "thread/fork": "no rollout found for thread id",
    "thread/items/list": "thread not loaded",
    "thread/log/read": "thread not loaded",
    "thread/read": "thread not loaded",
    "thread/resume": "no rollout found for thread id",
    "thread/searchOccurrences": "thread not loaded",
    "thread/turns/list": "thread not loaded",
    "thread/usage/read": "thread not loaded",
}

# Errors of methods beside `RpcError`: each has the same meaning in every method.
FAILURES = (
    Rejected,
    StoreError,
    InvalidEvent,
    IndexUnavailable,
    ThreadGone,
    trio.EndOfChannel,
    trio.BrokenResourceError,
)


def rpc_error(error: Exception, call: Call) -> RpcError:
    """The error response to a request whose method raised one of `FAILURES`."""
    match error:
        case Rejected():
            return state_error(error.message, error.code)
        case NotFound() if call.thread_id is not None:
            unknown = UNKNOWN_THREAD.get(call.method, "thread not found")
            return state_error(f"{unknown}: {call.thread_id}", "thread_not_found")
        case InvalidEvent():
            return RpcError(INTERNAL_ERROR, f"{error}; {MEND_UNKNOWN}", ErrorData("thread_damaged"))
        case Damaged():
            return RpcError(INTERNAL_ERROR, str(error), ErrorData("thread_damaged"))
        case StoreFailed():
            passing = "disk_full" if error.is_full else "storage_busy"
            code = passing if error.retry else "storage_failed"
            return RpcError(INTERNAL_ERROR, str(error), ErrorData(code))
        case StoreError():
            return internal_error(str(error))
        case IndexUnavailable():
            return internal_error(f"nothing was searched: {error}")
        case _:
            return internal_error(
                f"the thread was taken down under {call.method}, and it is not known whether it was "
                f"carried out: look at the thread, then try again ({error})"
            )


class Dispatcher:
    """Answers the requests of all connections."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def check_known(self, method: str) -> None:
        """Raises: RpcError, for an unknown method."""
        if method not in METHODS and method not in EMPTY_ANSWERS:
            raise unknown_method(method, known_methods())

    def read(self, request: Request) -> Call:
        """The call in a request, and its thread. Raises: RpcError."""
        if request.method in EMPTY_ANSWERS:
            return Call(request.method, None)
        self.check_known(request.method)
        method = METHODS[request.method]
        params = read_params(request.method, method.params, request.params)
        thread_id = getattr(params, "thread_id", None)
        if isinstance(thread_id, str):
            thread_id = thread_id.lower()  # Two spellings of an id are the same thread.
        # A thread that is made or imported has no id yet that a client could send; only the handshake is before it.
        precedes = not method.looks if thread_id is not None else not method.needs_initialize
        return Call(request.method, params, thread_id, method.large, precedes)

    async def answer(self, connection: Connection, call: Call) -> MethodResult:
        """Answer one request. Raises: RpcError."""
        if call.params is None:
            return MethodResult(msgspec.Raw(EMPTY_ANSWERS[call.method]))
        try:
            return await HANDLERS[call.method](self._services, connection, call.params)
        except FAILURES as error:
            raise rpc_error(error, call) from error

    def asked_in(self, answer: ClientReply) -> ThreadId | None:
        """The thread whose question is answered, if it is still open."""
        asked = self._services.hub.questions.asked(answer.id)
        return ThreadId(asked[0]) if asked is not None else None

    async def decide(self, connection: Connection, answer: ClientReply) -> None:
        """A client answered a question. The first decision counts; others change nothing.

        It counts only from a connection that follows the thread and was asked there, and for the action
        that was shown.
        """
        asked = self._services.hub.questions.asked(answer.id)
        if asked is None:
            return
        decision = read_decision(answer)
        if not isinstance(decision, Decided):
            log.warning("connection %s decided nothing: %s", connection.by, decision.reason)
            return
        if not may_decide(connection.peer):
            log.warning(
                "connection %s decided nothing: process %d may not",
                connection.by,
                connection.peer.pid,
            )
            return
        if not connection.was_asked(asked.approval_id):
            log.warning(
                "connection %s decided nothing: it follows no thread that asks for approval %s",
                connection.by,
                asked.approval_id,
            )
            return
        if decision.approval_id not in (None, asked.approval_id):
            log.warning("connection %s answered another approval than its own", connection.by)
            return
        thread = await self._services.supervisor.load(ThreadId(asked.thread_id))
        named = decision.action_hash if decision.action_hash is not None else asked.action_hash
        command = c.DecideApproval(
            approval_id=ApprovalId(asked.approval_id),
            action_hash=named or "",
            decision=decision.decision,
        )
        try:
            await thread.submit(command, by=connection.by)
        except Rejected as late:
            log.info("connection %s: %s", connection.by, late.message)

    def loaded_statuses(self) -> Iterable[Frame]:
        """The status of every loaded thread."""
        services = self._services
        return loaded_statuses(services.supervisor, services.hub, services.now_us() // 1000)
