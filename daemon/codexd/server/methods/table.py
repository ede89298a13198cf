"""Method -> answer. A new method is a row in `protocol/methods.py`, and a function of its name in a file here."""

from __future__ import annotations

import logging
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.config.rule_files import RulesNotWritten
from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.events.events import InvalidEvent
from codexd.core.state.turn import host_question
from codexd.core.values.ids import ApprovalId, ThreadId
from codexd.core.values.tool_actions import Answers, Permissions
from codexd.core.values.trace import read_traceparent
from codexd.index.index import IndexUnavailable
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.methods import METHODS, known_methods, read_params
from codexd.protocol.not_offered import EMPTY_ANSWERS, REFUSALS
from codexd.protocol.notifications import WarningNotification
from codexd.protocol.requests import Decided, PermissionProfile, Undecided, read_decision
from codexd.protocol.searching import ThreadSearchStreamParams
from codexd.protocol.turns import TurnStartParams
from codexd.protocol.user_input import UserInputAnswer
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
from codexd.server import methods
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import Call, MethodResult
from codexd.server.connection.peers import may_decide
from codexd.server.feed.frames import Frame, Open
from codexd.server.hub import loaded_statuses
from codexd.server.services import Services
from codexd_eventstore.store import Damaged, NotFound, StoreError, StoreFailed

log = logging.getLogger(__name__)

# The params and the result of a handler are of its own method's types; a handler after whose answer something
# is to happen at once gives both as a `MethodResult`.
Handler = Callable[[Services, Connection, Any], Awaitable[msgspec.Struct]]

# This folder's files: those of methods, and what they share.
_FILES = [
    import_module(f"{methods.__name__}.{file.name}")
    for file in pkgutil.iter_modules(methods.__path__)
]


def _handler_of(method: str) -> Handler:
    """The function of the method's name: `thread/name/set` is answered by `thread_name_set`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.replace("/", "_")).lower()
    named: list[Handler] = [vars(file)[words] for file in _FILES if words in vars(file)]
    found = list(dict.fromkeys(named))  # Another file may import it.
    assert len(found) == 1, (
        f"expected one function {words} in a file beside this one, found {len(found)}"
    )
    return found[0]


HANDLERS: dict[str, Handler] = {method: _handler_of(method) for method in METHODS}

# How Codex names a thread that is not there; clients know it by these words.
UNKNOWN_THREAD = {
    "item/output/read": "thread not loaded",
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

# An answer is written within milliseconds; a disk that does not answer holds up no end of a connection for longer.
ANSWER_SECONDS_MAX: Final = 10.0

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


class _Trace(msgspec.Struct, frozen=True):
    """The W3C trace context of a request, in the form of its headers."""

    traceparent: str | None = None


def traceparent_in(trace: msgspec.Raw) -> str | None:
    """The place that a request's `trace` names; what is none is ignored, as the standard says."""
    try:
        place = read_traceparent(msgspec.json.decode(trace, type=_Trace).traceparent)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return place.traceparent if place is not None else None


class Dispatcher:
    """Answers the requests of all connections."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def check_known(self, method: str) -> None:
        if (refusal := REFUSALS.get(method)) is not None:
            raise state_error(refusal, "not_offered")
        if method not in METHODS and method not in EMPTY_ANSWERS:
            raise unknown_method(method, known_methods())

    def read(self, request: Request) -> Call:
        """The call in a request, and its thread. Raises: RpcError."""
        if request.method in EMPTY_ANSWERS:
            return Call(request.method, None)
        self.check_known(request.method)
        method = METHODS[request.method]
        params = read_params(request.method, method.params, request.params)
        if isinstance(params, TurnStartParams) and request.trace:
            params = replace(params, traceparent=traceparent_in(request.trace))
        if isinstance(params, ThreadSearchStreamParams):
            params = replace(params, request_id=request.id)
        # A session of searches and a watch keep the order of their requests as a thread does.
        ids = (getattr(params, f"{of}_id", None) for of in ("thread", "session", "watch"))
        thread_id = next(filter(None, ids), None)
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
            answer = await HANDLERS[call.method](self._services, connection, call.params)
        except FAILURES as error:
            raise rpc_error(error, call) from error
        return answer if isinstance(answer, MethodResult) else MethodResult(answer)

    def asked_in(self, answer: ClientReply) -> ThreadId | None:
        asked = self._services.hub.questions.asked(answer.id)
        return ThreadId(asked[0]) if asked is not None else None

    async def decide(self, connection: Connection, answer: ClientReply) -> None:
        """A client answered a question. The first decision counts; others change nothing.

        It counts only from a connection that follows the thread and was asked there, and for the action
        that was shown.
        """
        if self._services.mcp.elicitations.is_open(answer.id):
            self._answer_server(connection, answer)
            return
        if self._services.mcp.client_tools.is_open(answer.id):
            self._answer_call(connection, answer)
            return
        asked = self._services.hub.questions.asked(answer.id)
        if asked is None:
            return
        decision = read_decision(answer, asked.method)
        odd = _no_decision(connection, decision, asked)
        if odd is not None or not isinstance(decision, Decided):
            log.warning("connection %s decided nothing: %s", connection.by, odd)
            return
        # A client may leave as soon as it has answered: what it has said counts, and as a whole.
        until = trio.current_time() + ANSWER_SECONDS_MAX
        with trio.CancelScope(shield=True, deadline=until):
            await self._carry_out(asked, decision, connection.by)

    async def _carry_out(self, asked: Open, decision: Decided, by: str) -> None:
        """Record a decision, and add the rule that comes with it."""
        thread = await self._services.supervisor.load(ThreadId(asked.thread_id))
        named = decision.action_hash if decision.action_hash is not None else asked.action_hash
        command = c.DecideApproval(
            approval_id=ApprovalId(asked.approval_id),
            action_hash=named or "",
            decision=decision.decision,
            rule=decision.amendment,
            instead=decision.instead,
            granted=_permissions(decision.granted),
            host_rule=None if decision.host is None else decision.host.action,
            host=None if decision.host is None else decision.host.host,
            answers=_answers(decision.answers),
        )
        about_host = host_question(thread.state.turn, command.approval_id)
        try:
            await thread.submit(command, by=by)
        except Rejected as late:
            log.info("connection %s: %s", by, late.message)
            return
        if decision.amendment is not None:
            add = partial(self._services.rules.add, decision.amendment)
            await self._add_rule(add, "The command was allowed this once.")
        if decision.host is not None and about_host is not None:
            host = partial(self._services.rules.add_host, about_host.action, decision.host.action)
            await self._add_rule(host, "The answer holds for this command.")

    async def _add_rule(self, add: Callable[[], bool], without: str) -> None:
        """Add the rule of an answer that is in the log; a rule that cannot be added is said to all clients."""
        try:
            await trio.to_thread.run_sync(add)
        except RulesNotWritten as problem:
            log.warning("%s", problem)
            warning = f"{problem}. {without}"
            self._services.hub.announce(Outgoing("warning", WarningNotification(warning)))

    def _answer_server(self, connection: Connection, answer: ClientReply) -> None:
        """A client answered a question of an MCP server."""
        refusal = _not_elicited(connection, answer)
        refusal = refusal or self._services.mcp.elicitations.answer(answer, connection.by)
        if refusal is not None:
            log.warning("connection %s answered no MCP server: %s", connection.by, refusal)

    def _answer_call(self, connection: Connection, answer: ClientReply) -> None:
        """A client answered a call that it was asked to perform."""
        refusal = _not_elicited(connection, answer)
        if refusal is not None:
            log.warning("connection %s answered no call: %s", connection.by, refusal)
        else:
            self._services.mcp.client_tools.answer(connection, answer)

    def loaded_statuses(self) -> Iterable[Frame]:
        services = self._services
        return loaded_statuses(services.supervisor, services.hub, services.now_us() // 1000)


def _permissions(granted: PermissionProfile | None) -> Permissions | None:
    if granted is None:
        return None
    network, files = granted.network, granted.file_system
    return Permissions(
        network is not None and bool(network.enabled),
        (files.write or ()) if files is not None else (),
    )


def _answers(given: Mapping[str, UserInputAnswer] | None) -> Answers | None:
    return None if given is None else {name: each.answers for name, each in given.items()}


def _no_person(connection: Connection) -> str | None:
    """Why no answer of a connection counts as a person's; None if it may."""
    if not may_decide(connection.peer):
        return f"process {connection.peer.pid} may not"
    return "it is an observer" if connection.wants.observer else None


def _not_elicited(connection: Connection, answer: ClientReply) -> str | None:
    """Why an answer to a question within a call does not count; None if it may."""
    refusal = _no_person(connection)
    if isinstance(answer.id, int) and connection.was_elicited(answer.id):
        return refusal
    return refusal or "it follows no thread that asks this"


def _no_decision(connection: Connection, decision: Decided | Undecided, asked: Open) -> str | None:
    """Why an answer decides nothing; None if it decides."""
    if isinstance(decision, Undecided):
        return decision.reason
    if (refusal := _no_person(connection)) is not None:
        return refusal
    if not connection.was_asked(asked.approval_id):
        return f"it follows no thread that asks for approval {asked.approval_id}"
    if decision.approval_id not in (None, asked.approval_id):
        return "it answered another approval than its own"
    return None
