"""A connection to the daemon as bytes in and bytes out: requests and their answers, threads and their positions. Sans-IO.

    session.begin()                       a connection is there: the handshake, and what was followed before
    session.ask(method, params)  ->  id   a request; `outgoing()` has the bytes to send
    session.feed(bytes)                   what came: answers, `arrived`, and per thread `arrived` and `questions`
    session.cut()                         the connection is lost; `begin` again on the next one

The law: no message is lost or reordered. Over several connections, a followed thread's notifications come once each:
the daemon is told the position in the log, and repeats at most those of one event, which are left out here.
"""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from codexd import __version__
from codexd.protocol.wire.framing import Lines
from codexd.protocol.wire.rpc import INVALID_PARAMS, METHOD_NOT_FOUND
from codexd_frontends.client.approval_messages import ResolvedNote
from codexd_frontends.client.errors import CommandError, ConnectionCut, RequestRefused, UsageError
from codexd_frontends.client.messages import (
    DeltaNote,
    ItemNote,
    Message,
    Received,
    RequestId,
    ThreadAnswer,
    ThreadNote,
    read_message,
)

# A whole thread can be one line; a longer line is an error of the daemon.
LINE_BYTES_MAX = 1 << 30
# Requests after which a client follows a thread: their answers say where its notifications go on.
ATTACHING = frozenset({"thread/start", "thread/resume", "thread/fork"})
# How the methods end that change nothing, and so can be called again.
LOOKING = ("/list", "/read", "/status", "/search")

# The version in what a daemon calls itself, and the numbers in that.
_VERSION = re.compile(r"\bcodexd/([0-9][0-9A-Za-z.+-]{0,40})")
_NUMBER = re.compile(r"[0-9]+")

Params = Mapping[str, object]

_items = msgspec.json.Decoder(ItemNote)
_deltas = msgspec.json.Decoder(DeltaNote)


class Cursor(msgspec.Struct, frozen=True):
    """The last `seq` seen, and of each open item the bytes of its text that are here."""

    seq: int = 0
    items: Mapping[str, int] = {}

    def past(self, message: Message) -> Cursor:
        """The cursor after a notification of this thread."""
        return Cursor(seq=max(self.seq, message.seq or 0), items=self._items_past(message))

    def _items_past(self, message: Message) -> Mapping[str, int]:
        match message.method:
            case "item/completed":
                done = _items.decode(message.params).read_item().id
                return {item: have for item, have in self.items.items() if item != done}
            case str(method) if is_delta(method):
                delta = _deltas.decode(message.params)
                offset = message.offset if message.offset is not None else delta.offset
                return self.items if offset is None else {**self.items, delta.item_id: offset}
            case "turn/completed":
                return {}
            case _:
                return self.items

    def as_params(self) -> dict[str, object]:
        """The `after` of thread/resume."""
        return {"seq": self.seq, "items": dict(self.items)}


def is_delta(method: str) -> bool:
    """Whether a notification has a part of an item's text."""
    return method.endswith(("Delta", "/delta"))


class Position:
    """A thread that is followed: how far, what has come of it, and what is asked in it."""

    def __init__(self, thread_id: str, cursor: Cursor) -> None:
        self.thread_id, self.cursor = thread_id, cursor
        self.taken = cursor  # how far it was given out
        self.arrived: collections.deque[Message] = collections.deque()  # notifications
        self.questions: dict[RequestId, Message] = {}  # that are open
        self.over: CommandError | None = None  # why nothing more will come
        self._unsettled: list[tuple[str, bytes]] = []  # of the event that is told just now
        self._repeated: list[tuple[str, bytes]] = []

    def take(self, message: Message) -> None:
        """A message of this thread has come."""
        if message.is_request:
            assert message.id is not None
            self.questions[message.id] = message
            return
        told = (message.method or "", bytes(message.params))
        settles = message.seq is not None and message.seq > self.cursor.seq
        if settles:  # All of the event has been told with it.
            self._unsettled.clear()
            self._repeated.clear()
        elif told in self._repeated:
            self._repeated.remove(told)
            return
        elif not is_delta(told[0]):
            self._unsettled.append(told)
        self.cursor = self.cursor.past(message)
        self.arrived.append(message)
        if message.method == "serverRequest/resolved":
            resolved = msgspec.json.decode(message.params, type=ResolvedNote)
            self.questions.pop(resolved.request_id, None)
        if message.method == "thread/deleted":
            self.over = CommandError(f"thread {self.thread_id} was deleted")

    def has_news(self) -> bool:
        """Whether `next` has something, or never will."""
        return bool(self.arrived) or self.over is not None

    def next(self) -> Message:
        """The next notification, given out.

        Raises: CommandError, why none will come; IndexError, where none has come yet.
        """
        if not self.arrived and self.over is not None:
            raise self.over
        message = self.arrived.popleft()
        self.taken = self.taken.past(message)
        return message

    def resume(self) -> dict[str, object]:
        """The params by which it goes on over another connection."""
        self.questions.clear()  # They are asked again.
        self._repeated = list(self._unsettled)
        after = self.cursor.as_params()
        return {"threadId": self.thread_id, "excludeTurns": True, "after": after}


class _Asked(msgspec.Struct, frozen=True):
    method: str
    params: Params
    line: bytes
    is_wanted: bool  # whether somebody takes its answer
    again: bool = False  # whether it can be sent again where its answer was lost
    resumes: str | None = None  # a followed thread, over a new connection


class Session:
    """What a frontend knows of its connections."""

    def __init__(self, frontend: str, *, follows: bool = True, observes: bool = False) -> None:
        """`follows`: threads that are started or resumed have positions, and their messages are theirs.

        `observes`: it only watches, and is asked nothing.
        """
        self.arrived: collections.deque[Message] = collections.deque()  # of no followed thread
        self.threads: dict[str, Position] = {}
        self.version = ""  # the daemon's
        # Those whose values a turn may bring along, for requests to providers.
        self.key_variables: tuple[str, ...] = ()
        self.is_greeted = False  # by the daemon, on this connection
        self._frontend, self._follows, self._observes = frontend, follows, observes
        self._ids = itertools.count(1)
        self._lines = Lines(LINE_BYTES_MAX)
        self._asked: dict[RequestId, _Asked] = {}
        self._answers: dict[RequestId, Message | ConnectionCut] = {}
        self._outgoing = bytearray()

    def begin(self) -> None:
        """Greet the daemon on a new connection, follow the threads on, and ask again what was not answered."""
        waiting, self._asked = self._asked, {}
        self._ask("initialize", greeting(self._frontend, observes=self._observes), is_wanted=False)
        self.tell("initialized")
        for thread_id, position in self.threads.items():
            if position.over is None:
                params = position.resume()
                self._ask("thread/resume", params, is_wanted=False, resumes=thread_id)
        for request_id, asked in waiting.items():
            self._asked[request_id] = asked
            self._outgoing += asked.line

    def cut(self, why: ConnectionCut | None = None) -> None:
        """The connection is lost: a request that cannot be made again is answered with that."""
        self._lines, self.is_greeted = Lines(LINE_BYTES_MAX), False
        self._outgoing.clear()
        waiting, self._asked = self._asked, {}
        for request_id, asked in waiting.items():
            if asked.again:
                self._asked[request_id] = asked
            elif asked.is_wanted:
                self._answers[request_id] = why or ConnectionCut(
                    f"the connection to the daemon was cut, and whether {asked.method} was carried out is not known"
                )

    def ask(self, method: str, params: Params) -> RequestId:
        """Make a request. Raises: UsageError, for text that is not UTF-8."""
        again = may_be_repeated(method, params) or (self._follows and method == "thread/resume")
        return self._ask(method, params, again=again)

    def post(self, method: str, params: Params) -> None:
        """Make a request whose answer is not wanted."""
        self._ask(method, params, is_wanted=False)

    def _ask(
        self,
        method: str,
        params: Params,
        *,
        is_wanted: bool = True,
        again: bool = False,
        resumes: str | None = None,
    ) -> RequestId:
        request_id = next(self._ids)
        line = _line({"id": request_id, "method": method, "params": params})
        self._asked[request_id] = _Asked(method, params, line, is_wanted, again, resumes)
        self._outgoing += line
        return request_id

    def tell(self, method: str) -> None:
        """Send a notification."""
        self._outgoing += _line({"method": method})

    def reply(self, request_id: RequestId, result: Params) -> None:
        """Answer a request of the daemon's."""
        for position in self.threads.values():
            position.questions.pop(request_id, None)
        self._outgoing += _line({"id": request_id, "result": result})

    def outgoing(self) -> bytes:
        """The bytes to send, which are the caller's from here on."""
        taken = bytes(self._outgoing)
        self._outgoing.clear()
        return taken

    def is_answered(self, request_id: RequestId) -> bool:
        """Whether `take_answer` has something."""
        return request_id in self._answers

    def take_answer(self, request_id: RequestId) -> Message:
        """The answer to a request. Raises: RequestRefused, ConnectionCut."""
        answer = self._answers.pop(request_id)
        if isinstance(answer, ConnectionCut):
            raise answer
        if answer.error is not None:
            raise self._refusal(answer)
        return answer

    def feed(self, data: bytes) -> None:
        """Take what came. Raises: ConnectionCut, where it cannot be read; RequestRefused, by a daemon that is not greeted."""
        for line in self._lines.feed(data):
            if not isinstance(line, bytes):
                raise ConnectionCut(f"the daemon said too much at once: {line}")
            try:
                message = read_message(line)
            except msgspec.DecodeError as error:
                raise ConnectionCut(
                    f"the daemon sent a line that cannot be read: {error}"
                ) from error
            if message.is_answer:
                self._answered(message)
            else:
                self._place(message)

    def _place(self, message: Message) -> None:
        if self.threads:
            note = msgspec.json.decode(message.params, type=ThreadNote | None)
            position = self.threads.get(note.thread_id or "") if note is not None else None
            if position is not None:
                position.take(message)
                return
        self.arrived.append(message)

    def _answered(self, answer: Message) -> None:
        asked = None if answer.id is None else self._asked.pop(answer.id, None)
        if asked is None or answer.id is None:
            return
        if asked.method == "initialize":
            self._greeted(answer)
        elif asked.resumes is not None and answer.error is not None:
            self.threads[asked.resumes].over = self._refusal(answer)
        elif asked.resumes is not None:
            pass  # Its position is as it was.
        elif self._follows and asked.method in ATTACHING and answer.error is None:
            self._follow(answer, asked)
        if asked.is_wanted:
            self._answers[answer.id] = answer

    def _greeted(self, answer: Message) -> None:
        if answer.error is not None:
            raise self._refusal(answer)
        try:
            daemon = msgspec.json.decode(answer.result, type=Greeting)
        except msgspec.DecodeError as error:
            raise ConnectionCut(f"the daemon's greeting cannot be read: {error}") from error
        self.key_variables, self.version = daemon.codexd.key_variables, daemon.version
        self.is_greeted = True

    def _follow(self, answer: Message, asked: _Asked) -> None:
        """All that comes after this answer is of the thread's position."""
        read = msgspec.json.decode(answer.result, type=ThreadAnswer)
        after: Any = asked.params.get("after")
        cursor = Cursor(read.seq) if after is None else msgspec.convert(after, Cursor)
        self.threads[read.thread.id] = Position(read.thread.id, cursor)

    def _refusal(self, answer: Message) -> RequestRefused:
        assert answer.error is not None
        reason = None if answer.error.data is None else answer.error.data.code
        text = answer.error.message
        if answer.error.code in (METHOD_NOT_FOUND, INVALID_PARAMS):
            text += version_advice(self.version)
        return RequestRefused(answer.error.code, text, reason)


def _line(message: Params) -> bytes:
    try:
        return msgspec.json.encode(message) + b"\n"
    except UnicodeEncodeError as error:  # The name of a file or a folder can be any bytes.
        raise UsageError(
            f"expected names in UTF-8, found {error.object!r}; the daemon was not asked"
        ) from error


def greeting(frontend: str, *, observes: bool = False) -> dict[str, object]:
    """The params of `initialize`."""
    own = {"cursor": True, "stopping": True, "observer": observes}
    return {
        "clientInfo": {"name": frontend, "title": None, "version": __version__},
        "capabilities": {
            "experimentalApi": True,
            "codexd": own,
            # The frontends declare no tools: calls of tools are for the clients that do.
            "optOutNotificationMethods": ["item/tool/call"],
        },
    }


class _Own(Received, frozen=True):
    key_variables: tuple[str, ...] = ()


class Greeting(Received, frozen=True):
    """What the daemon answers to `initialize`, as far as it is read here."""

    codexd: _Own = _Own()
    user_agent: str = ""

    @property
    def version(self) -> str:
        """The daemon's own version; before it stands that of the program whose protocol it speaks."""
        found = _VERSION.findall(self.user_agent)
        return str(found[-1]) if found else ""


def version_advice(daemon: str) -> str:
    """What to do where the daemon is of another version than this program; "" where it is not."""
    if daemon in ("", __version__):
        return ""
    said = f" (codexd {daemon} runs, and this is codexctl {__version__}: "
    if _numbers(daemon) < _numbers(__version__):
        return f"{said}`codexctl restart` starts the newer one, and running turns go on)"
    return f"{said}use the codexctl of codexd {daemon}, or install that version here too)"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(version)[:3]]


def may_be_repeated(method: str, params: Params) -> bool:
    """Whether a request whose answer was lost can be sent again: it only looks, or has a key by which it is known."""
    return "idempotencyKey" in params or method.endswith(LOOKING)
