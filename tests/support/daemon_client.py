"""A client of the daemon, for tests: over its real socket, in either framing, without the daemon's code.

It keeps all messages, in order. `until` waits for a condition over them; it checks again after
each message, and gives up after a bound.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Request, TextMessage

from daemon_house import PATIENCE_SECONDS, alone
from item_law import ItemLaw
from wire_spool import spool_here

Json = dict[str, Any]
Framing = Literal["lines", "websocket"]
FRAMINGS: tuple[Framing, ...] = ("lines", "websocket")


class Notification(NamedTuple):
    """A notification."""

    method: str
    params: Json
    seq: int | None
    offset: int | None


class Asked(NamedTuple):
    """A question of the daemon's."""

    id: int
    method: str
    params: Json


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(json.dumps(error))
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Json = error.get("data") or {}


class _Lines:
    accepted = True
    greeting = b""
    last_words = ""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # of a line that is not whole yet

    def frame(self, text: str) -> bytes:
        return text.encode() + b"\n"

    def feed(self, chunk: bytes) -> list[str]:
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest.clear()
        self._rest.append(rest)
        return [line.decode() for line in lines]


class _WebSocket:
    def __init__(self) -> None:
        self._wire = WSConnection(ConnectionType.CLIENT)
        self.accepted = False
        self.greeting = self._wire.send(Request(host="localhost", target="/rpc"))
        self._text: list[str] = []
        self.last_words = ""

    def frame(self, text: str) -> bytes:
        return self._wire.send(Message(data=text))

    def feed(self, chunk: bytes) -> list[str]:
        self._wire.receive_data(chunk)
        found: list[str] = []
        for event in self._wire.events():
            self._take(event, found)
        return found

    def _take(self, event: Event, found: list[str]) -> None:
        assert isinstance(event, AcceptConnection | TextMessage | CloseConnection), event
        self.accepted = True
        if isinstance(event, CloseConnection):
            self.last_words = event.reason or str(event.code)
        if isinstance(event, TextMessage):
            self._text.append(event.data)
            if event.message_finished:
                found.append("".join(self._text))
                self._text.clear()


class Client:
    """One connection."""

    def __init__(self, stream: trio.SocketStream, framing: Framing) -> None:
        self.notified: list[Notification] = []
        self.asked: list[Asked] = []
        self.law = ItemLaw()
        self.errors: list[Json] = []  # errors that answer no request of ours
        self.results: list[tuple[str, Json]] = []  # every result, by its method
        self.order: list[
            str
        ] = []  # of all messages: a notification's method, or that of the request it answers
        self.closed = False
        self.last_words = ""  # why the daemon closed a WebSocket
        self.seq = 0  # of the last notification
        self.server: Json = {}
        self.framing: _Lines | _WebSocket = _Lines() if framing == "lines" else _WebSocket()
        self._stream, self._sending = stream, trio.Lock()
        self._methods: dict[int, str] = {}
        self._answers: dict[int, Json] = {}
        self._last = 0
        self._news = trio.Event()
        self._may_read = trio.Event()
        self._may_read.set()

    async def pump(self) -> None:
        """Hear what comes, until the connection ends."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await self._may_read.wait()
                chunk = await self._stream.receive_some(1 << 18)
                if not chunk:
                    break
                for message in self.framing.feed(chunk):
                    self._heard(json.loads(message))
                self.last_words = self.framing.last_words
                self._notify()
        self.closed = True
        self._notify()

    def stop_reading(self) -> None:
        """From now on leave everything in the socket (what is being read just now is still taken)."""
        self._may_read = trio.Event()

    def read_on(self) -> None:
        """Read again."""
        self._may_read.set()

    async def say_no_more(self) -> None:
        """Close the writing half."""
        async with self._sending:
            await self._stream.send_eof()

    async def cut(self) -> None:
        """Lose the connection."""
        await self._stream.aclose()

    async def send_bytes(self, wire: bytes) -> None:
        """Send exactly this."""
        async with self._sending:
            await self._stream.send_all(wire)

    async def send(self, message: Json) -> None:
        """Send a message."""
        await self.send_bytes(self.framing.frame(json.dumps(message)))

    async def post(self, method: str, **params: object) -> int:
        """Ask, and do not wait for the answer."""
        self._last = request_id = self._last + 1
        self._methods[request_id] = method
        self.law.asks(method, params)
        await self.send({"id": request_id, "method": method, "params": params})
        return request_id

    async def answered(self, request_id: int) -> Json:
        """The answer to a request. Raises: Refused."""
        await self.until(lambda: request_id in self._answers, f"the answer to request {request_id}")
        answer = self._answers.pop(request_id)
        if "error" in answer:
            raise Refused(answer["error"])
        result: Json = answer["result"]
        return result

    async def refusal_code(self, request_id: int) -> int | None:
        """The code of the error that a request is answered with; None for a result."""
        try:
            await self.answered(request_id)
        except Refused as refusal:
            return refusal.code
        return None

    async def call(self, method: str, **params: object) -> Json:
        """Ask and wait for the answer. Raises: Refused."""
        return await self.answered(await self.post(method, **params))

    async def refused(self, method: str, **params: object) -> Refused:
        """Ask for something that is to be refused."""
        try:
            result = await self.call(method, **params)
        except Refused as refusal:
            return refusal
        raise AssertionError(f"{method} was not refused, but answered: {result}")

    async def decide(self, asked: Asked, decision: str) -> None:
        """Answer a question."""
        await self.send({"id": asked.id, "result": {"decision": decision}})

    async def until(
        self, holds: Callable[[], bool], what: str = "", *, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Sleep until a condition over what was heard holds."""
        with trio.move_on_after(seconds):
            while not holds():
                if self.closed:
                    break
                await self._news.wait()
        closed = "; the connection is closed" if self.closed else ""
        assert holds(), (
            f"waited in vain for {what or 'a condition'}{closed}; heard last: "
            + "\n".join(f"{note.method} {str(note.params)[:300]}" for note in self.notified[-8:])
        )

    async def until_notified(
        self, method: str, *, times: int = 1, **params: object
    ) -> Notification:
        """Wait until a notification has come so many times, and give the last of those."""
        await self.until(
            lambda: len(self.of(method, **params)) >= times, f"{times} {method} {params}"
        )
        return self.of(method, **params)[times - 1]

    async def until_asked(self, times: int = 1) -> Asked:
        """Wait until so many questions were asked, and give the last of those."""
        await self.until(lambda: len(self.asked) >= times, "a question")
        return self.asked[times - 1]

    def of(self, method: str, **params: object) -> list[Notification]:
        """What was told under a method, with these params."""
        return [
            message
            for message in self.notified
            if message.method == method
            and all(message.params.get(name) == value for name, value in params.items())
        ]

    # What is the same in most tests.

    async def start_thread(self, **params: object) -> str:
        """Begin a thread; its id."""
        result = await self.call("thread/start", **params)
        return str(result["thread"]["id"])

    async def start_turn(self, thread: str, prompt: str, **params: object) -> str:
        """Say something; the turn's id."""
        result = await self.call("turn/start", threadId=thread, input=typed(prompt), **params)
        return str(result["turn"]["id"])

    async def begin_thread(self, **params: object) -> str:
        """A thread in which something was said, so that lists have it, without an answer of a model; its id."""
        thread = await self.start_thread(**params)
        await self.begin(thread)
        return thread

    async def begin(self, thread: str, prompt: str = "begin") -> None:
        """Say something in a thread, and do not wait for an answer."""
        turn = await self.start_turn(thread, prompt)
        with suppress(Refused):  # It has ended.
            await self.call("turn/interrupt", threadId=thread, turnId=turn)

    async def turn_ended(self, turn: str) -> Json:
        """Wait for the end of a turn, and give it."""

        def ends() -> list[Json]:
            return [
                message.params["turn"]
                for message in self.of("turn/completed")
                if message.params["turn"]["id"] == turn
            ]

        await self.until(lambda: bool(ends()), f"the end of turn {turn}")
        return ends()[0]

    async def run_turn(self, thread: str, prompt: str, **params: object) -> Json:
        """Say something and wait for the end of its turn."""
        return await self.turn_ended(await self.start_turn(thread, prompt, **params))

    def _heard(self, message: Json) -> None:
        self._collect(message)
        self.order.append(message.get("method") or self._methods.get(message["id"], ""))
        if "method" in message and "id" in message:
            self.asked.append(Asked(message["id"], message["method"], message["params"]))
        elif "method" in message:
            seq, offset = message.get("seq"), message.get("offset")
            self.seq = seq or self.seq
            self.notified.append(Notification(message["method"], message["params"], seq, offset))
            self.law.told(message["method"], message["params"])
        elif message["id"] is None:
            self.errors.append(message["error"])
        else:
            self._answers[message["id"]] = message
            if "result" in message and message["id"] in self._methods:
                self.results.append((self._methods[message["id"]], message["result"]))
                self.law.follows(*self.results[-1])

    def _collect(self, message: Json) -> None:
        """For the end of the run, but for answers to what a test has written by itself."""
        answers = "" if "result" not in message else self._methods.get(message["id"])
        if answers is not None and (spool := spool_here()) is not None:
            spool.take(message, answers)

    def _notify(self) -> None:
        self._news.set()
        self._news = trio.Event()


async def listed(client: Client, **params: object) -> list[str]:
    """The ids of a list, all pages of it."""
    found: list[str] = []
    cursor = None
    while True:
        page = await client.call("thread/list", cursor=cursor, **params)
        found += [thread["id"] for thread in page["data"]]
        if (cursor := page["nextCursor"]) is None:
            return found


def typed(prompt: str) -> list[Json]:
    """A prompt as a client sends it."""
    return [{"type": "text", "text": prompt, "text_elements": []}]


@asynccontextmanager
async def connected(
    socket: Path,
    framing: Framing = "lines",
    *,
    name: str = "test",
    initialize: bool = True,
    **capabilities: object,
) -> AsyncIterator[Client]:
    """A client that is connected, and has shaken hands, for as long as the context lasts."""
    with trio.fail_after(PATIENCE_SECONDS):
        stream = await trio.open_unix_socket(socket)
    client = Client(stream, framing)
    async with stream, alone(), trio.open_nursery() as nursery:
        nursery.start_soon(client.pump)
        if client.framing.greeting:
            await client.send_bytes(client.framing.greeting)
            await client.until(lambda: client.framing.accepted, "the upgrade")
        if initialize:
            client.server = await client.call(
                "initialize",
                clientInfo={"name": name, "version": "0"},
                capabilities={"experimentalApi": True, **capabilities},
            )
            await client.send({"method": "initialized"})
        yield client
        nursery.cancel_scope.cancel()
    assert not client.law.broken, "\n".join(client.law.broken)


CURSOR: Json = {"cursor": True}  # for `connected(…, codexd=CURSOR)`
