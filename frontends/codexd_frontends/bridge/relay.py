"""What a client of the bridge has said and heard, as far as the next connection has to be told of it. Pure.

A client on a pipe cannot connect again. So the bridge begins anew for it when the daemon restarts: it says hello as
the client did, attaches to the same threads at the place that the client has heard of, and sends again what can be
carried out once only. The client is told nothing twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from codexd.protocol.wire.rpc import INTERNAL_ERROR
from codexd_frontends.client.approval_messages import ResolvedNote
from codexd_frontends.client.messages import Message, RequestId, ThreadNote
from codexd_frontends.client.session import ATTACHING, LOOKING, Cursor

# Those that have a key, by which the daemon knows a request that it has carried out.
_KEYED: Final = frozenset({"thread/start", "thread/fork", "turn/start", "turn/steer"})
# After these a thread is followed no more.
_LEAVING: Final = frozenset({"thread/archived", "thread/deleted", "thread/closed"})
_OURS: Final = "codexctl app-server "
_CUT: Final = (
    "the daemon restarted before it answered, and it is not known whether this was carried out: look, and then try "
    "again"
)


class _Request(msgspec.Struct, frozen=True):
    """A line of the client."""

    id: RequestId | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


class _Begun(msgspec.Struct, frozen=True):
    """The result of a request that attaches."""

    thread: _Thread
    seq: int = 0


class _Thread(msgspec.Struct, frozen=True):
    id: str


class _Note(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A notification without its place, for a client that has not asked for places."""

    method: str
    params: msgspec.Raw
    emitted_at_ms: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_requests = msgspec.json.Decoder(_Request)
_messages = msgspec.json.Decoder(Message)
_notes = msgspec.json.Decoder(_Note)
_threads = msgspec.json.Decoder(ThreadNote)


class Relay:
    """One client, over one connection after another."""

    def __init__(self) -> None:
        self._hello: dict[str, Any] | None = None  # the params of initialize
        self._wants_places = False  # whether the client itself has asked for them
        self._waiting: dict[RequestId, tuple[str, bytes]] = {}  # requests without an answer
        self._threads: dict[str, Cursor] = {}  # that the client follows
        self._asked: dict[RequestId, str] = {}  # open questions of the daemon, and their threads
        self._gone: set[RequestId] = set()  # questions of daemons that have gone
        self._own = 0  # numbers our requests

    def up(self, line: bytes) -> bytes | None:
        """The line to send for a line of the client; None: it is to nobody."""
        try:
            request = _requests.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return line
        if request.method is None:
            return None if request.id in self._gone else line
        if request.id is None:
            return line
        if request.method == "initialize":
            line = self._said_hello(request, line)
        elif request.method in _KEYED:
            line = _with_key(request, line)
        self._waiting[request.id] = (request.method, line)
        return line

    def _said_hello(self, request: _Request, line: bytes) -> bytes:
        """Ask for places too: by them the client is told nothing twice."""
        params = msgspec.json.decode(request.params)
        if not isinstance(params, dict):
            return line
        capabilities = params.get("capabilities") or {}
        self._hello = params
        if isinstance(capabilities, dict):
            self._wants_places = "codexd" in capabilities
            own = {"codexd": {"cursor": True}}
            self._hello = {**params, "capabilities": own | capabilities}
        return msgspec.json.encode(
            {"id": request.id, "method": "initialize", "params": self._hello}
        )

    def down(self, line: bytes) -> bytes | None:
        """The line for the client for a line of the daemon; None: it is ours."""
        try:
            message = _messages.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return line
        if message.is_answer:
            if isinstance(message.id, str) and message.id.startswith(_OURS):
                return None
            self._answered(message)
            return line
        if message.is_request:
            assert message.id is not None
            self._asked[message.id] = _thread_of(message) or ""
            return line
        if message.method == "serverRequest/resolved":
            resolved = msgspec.json.decode(message.params, type=ResolvedNote)
            self._asked.pop(resolved.request_id, None)
        return self._heard(message, line)

    def _heard(self, message: Message, line: bytes) -> bytes:
        """Keep the place of a notification."""
        thread_id = _thread_of(message)
        if thread_id in self._threads:
            self._threads[thread_id] = self._threads[thread_id].past(message)
            if message.method in _LEAVING:
                del self._threads[thread_id]
        has_place = message.seq is not None or message.offset is not None
        if self._wants_places or not has_place:
            return line
        return msgspec.json.encode(_notes.decode(line))

    def _answered(self, message: Message) -> None:
        if message.id is None:
            return
        method, line = self._waiting.pop(message.id, ("", b""))
        if message.error is not None:
            return
        if method in ATTACHING:
            begun = msgspec.json.decode(message.result, type=_Begun)
            # Of a new thread all after its first record is news.
            self._threads.setdefault(begun.thread.id, Cursor(max(begun.seq, 1)))
        elif method == "thread/unsubscribe":
            asked = _threads.decode(_requests.decode(line).params)
            self._threads.pop(asked.thread_id or "", None)

    @property
    def can_begin_again(self) -> bool:
        """Whether the client has said hello, and so can be spoken for."""
        return self._hello is not None

    def begin_again(self, unsent: list[bytes]) -> Iterator[bytes]:
        """The lines for a new connection; `unsent`: those that the old connection never got whole."""
        if not any(method == "initialize" for method, _ in self._waiting.values()):
            yield self._request("initialize", self._hello or {})
            yield b'{"method":"initialized"}'
        for thread_id, cursor in self._threads.items():
            params = {"threadId": thread_id, "excludeTurns": True, "after": cursor.as_params()}
            yield self._request("thread/resume", params)
        for method, line in self._waiting.values():
            if line in unsent or _may_be_repeated(method):
                yield line

    def lost(self, unsent: list[bytes]) -> Iterator[bytes]:
        """The lines for the client about what the old connection has taken along."""
        for question, thread_id in self._asked.items():  # It is asked again, by another number.
            params = {"threadId": thread_id, "requestId": question}
            yield msgspec.json.encode({"method": "serverRequest/resolved", "params": params})
        self._gone |= self._asked.keys()
        self._asked.clear()
        for request_id, (method, line) in list(self._waiting.items()):
            if line not in unsent and not _may_be_repeated(method):
                del self._waiting[request_id]
                error = {"code": INTERNAL_ERROR, "message": _CUT, "data": {"code": "restarted"}}
                yield msgspec.json.encode({"id": request_id, "error": error})

    def _request(self, method: str, params: object) -> bytes:
        self._own += 1
        return msgspec.json.encode(
            {"id": f"{_OURS}{self._own}", "method": method, "params": params}
        )


def _with_key(request: _Request, line: bytes) -> bytes:
    """A request with a key, by which it can be sent again."""
    params = msgspec.json.decode(request.params)
    if not isinstance(params, dict) or params.get("idempotencyKey") is not None:
        return line
    whole = msgspec.json.decode(line)
    return msgspec.json.encode({**whole, "params": {**params, "idempotencyKey": str(uuid.uuid4())}})


def _may_be_repeated(method: str) -> bool:
    return method in _KEYED or method in ("initialize", "thread/resume") or method.endswith(LOOKING)


def _thread_of(message: Message) -> str | None:
    try:
        return _threads.decode(message.params).thread_id
    except msgspec.DecodeError:
        return None
