"""One client: its handshake and its requests in, answers and notifications out.

Requests of one connection run concurrently, so a slow request delays no other. An error in a connection
ends that connection and nothing else.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec
import trio

from codexd.core.values.foreign_json import TooMuchJson, check_foreign
from codexd.core.values.ids import ThreadId
from codexd.protocol.methods import ClientInfo, CodexdCapabilities, InitializeParams
from codexd.protocol.wire.framing import (
    HEAD_BYTES,
    Fed,
    Framing,
    Hangup,
    Lines,
    OverlongMessage,
    Send,
    detect,
)
from codexd.protocol.wire.request_ids import RequestId, id_in
from codexd.protocol.wire.rpc import (
    INVALID_REQUEST,
    ClientReply,
    ErrorData,
    Message,
    Request,
    RpcError,
    Unreadable,
    encode_error,
    encode_in_parts,
    internal_error,
    not_initialized,
    overloaded,
    read_message,
)
from codexd.server.connection.order import Call, MethodResult, Order, OrderedRequest
from codexd.server.connection.peers import peer_of
from codexd.server.connection.shared import LARGE_AT_ONCE_MAX, Shared
from codexd.server.feed.follower import Follower
from codexd.server.feed.frames import Frame, Reader
from codexd.server.feed.outbox import Outbox, Unread
from codexd.server.files.of_connection import FilesOfConnection
from codexd.server.reads.answer_size import ANSWER_BYTES_MAX, too_large
from codexd.sessions.one_off import NamedCommand
from codexd_eventstore.event_log import StreamEntry

log = logging.getLogger(__name__)

# Requests of one connection that may be under way: Codex's figure, and more than a person makes.
REQUESTS_UNDER_WAY_MAX = 128
# A longer message is joined, counted, read and understood in steps of their own: each takes 5 to 20 ms for one of
# 16 MiB, and the others go on between them.
STEP_BYTES_MAX = 1024 * 1024
# How long a client that sends no more may read nothing while none of its requests is answered.
FINISH_STILL_SECONDS_MAX = 30
# And how long it may take to read its answers in all, however slowly.
FINISH_SECONDS_MAX = 600
# One read of the socket: holds some hundred requests, and one image in a few.
READ_BYTES = 256 * 1024


class Handlers(Protocol):
    """Answers requests, and takes answers to the daemon's own questions."""

    def check_known(self, method: str) -> None:
        """Raises: RpcError, for an unknown method."""

    def read(self, request: Request) -> Call:
        """Raises: RpcError."""

    async def answer(self, connection: Connection, call: Call) -> MethodResult:
        """Raises: RpcError."""

    def asked_in(self, answer: ClientReply) -> ThreadId | None:
        """The thread whose question is answered, if it is still open."""

    async def decide(self, connection: Connection, answer: ClientReply) -> None:
        """A client answered a question."""

    def loaded_statuses(self) -> Iterable[Frame]:
        """The status of every loaded thread, for a client that missed a broadcast."""


class Connection:
    """A connected client."""

    def __init__(
        self, sock: socket.socket, number: int, handlers: Handlers, shared: Shared
    ) -> None:
        self.number = number
        self.peer = peer_of(sock)
        self.client: ClientInfo | None = None
        self.wants = CodexdCapabilities()
        self.following: dict[ThreadId, Follower] = {}
        self.outbox = Outbox(sock, shared.unread)
        self.reader: Reader = Reader(Lines(), lines=True)
        # Of a client that pages through the names of all logs: they are listed once for all of its pages.
        self.logs_paged: Sequence[StreamEntry] = ()
        self.missed_news = False  # its socket was full when a broadcast was sent
        self.commands: dict[str, NamedCommand] = {}  # that it runs by `command/exec`
        self.files = FilesOfConnection()
        self._sock, self._handlers = sock, handlers
        self._order, self._reading = Order(), trio.CancelScope()
        self._large, self._shared = trio.CapacityLimiter(LARGE_AT_ONCE_MAX), shared
        self._under_way, self._quiet = 0, trio.Event()
        self._deciding = 0  # answers to questions that are under way

    @property
    def by(self) -> str:
        """How the log names it: the client's own name, and which of its connections."""
        name = self.client.name if self.client is not None else "unknown"
        return f"{name}:{self.number}"

    async def run(self) -> None:
        """Serve the client until it leaves."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.outbox.flush)
                nursery.start_soon(self.files.run)
                with self._reading:
                    await self._read(nursery)
                await self._finish()
                nursery.cancel_scope.cancel()
        except* Unread as reasons:
            log.warning("connection %s was closed: %s", self.by, reasons.exceptions[0])
        finally:
            self.outbox.close()
            for thread_id in list(self.following):
                self.leave(thread_id)

    def read_no_more(self) -> None:
        """Answer what was read, and close: the daemon is about to end."""
        self._reading.cancel()

    def initialize(self, params: InitializeParams) -> None:
        """The handshake: the client's name, and the notifications that it wants."""
        self.client = params.client_info
        wants = params.capabilities
        if wants is None:
            return
        self.wants = wants.codexd or self.wants
        self.reader = msgspec.structs.replace(
            self.reader,
            cursor=self.wants.cursor,
            unwanted=frozenset(wants.opt_out_notification_methods or ()),
            observes=self.wants.observer,
        )

    def follow(self, thread_id: ThreadId, begin: Callable[[Reader, Outbox], Follower]) -> None:
        """Follow a thread from here on; a second call starts again."""
        before = self.following.pop(thread_id, None)
        if before is not None:
            before.feed.leave(before)
        follower = self.following[thread_id] = begin(self.reader, self.outbox)
        if before is None:
            self._shared.attached(thread_id)
        else:
            follower.since_ms = before.since_ms

    def leave(self, thread_id: ThreadId) -> bool:
        """Follow it no more; whether it was followed."""
        follower = self.following.pop(thread_id, None)
        if follower is not None:
            follower.feed.leave(follower)
            self._shared.attached(thread_id)
        return follower is not None

    def was_asked(self, approval_id: str) -> bool:
        """Whether it follows the thread of this approval, and was asked for it."""
        return any(approval_id in follower.asked for follower in self.following.values())

    def was_elicited(self, request_id: int) -> bool:
        """Whether it follows the thread of this question of an MCP server, and was asked it."""
        return any(request_id in follower.elicited for follower in self.following.values())

    def tell(self, frame: Frame) -> None:
        """Send a broadcast. A client whose socket is full gets the status of all threads later."""
        if self.client is None:
            return
        if self.outbox.idle:
            wire = frame.framed(self.reader)
            if wire:
                self.outbox.write(wire)
        else:
            self.missed_news = True
            self.outbox.write_later(self)

    def notify(self, method: str, body: bytes) -> None:
        """Send a notification that is for this client alone, unless it wants none of the kind."""
        if method not in self.reader.unwanted:
            self.outbox.write(self.reader.framing.frame(body))

    async def catch_up(self, outbox: Outbox) -> bool:
        """The news it missed, as the present state of things."""
        self.missed_news = False
        for frame in self._handlers.loaded_statuses():
            outbox.write(frame.framed(self.reader))
        return True

    async def _finish(self) -> None:
        """A client that has closed its writing half still reads its answers; it writes to no command any more."""
        for command in self.commands.values():
            command.abandon()
        with trio.move_on_after(FINISH_STILL_SECONDS_MAX):
            while self._deciding:  # An answer counts from a client that follows the thread.
                self._quiet = trio.Event()
                await self._quiet.wait()
        for thread_id in list(self.following):
            self.leave(thread_id)
        with trio.move_on_after(FINISH_SECONDS_MAX):
            while (self._under_way or not self.outbox.idle) and not self.outbox.closed:
                with trio.move_on_after(FINISH_STILL_SECONDS_MAX) as still:
                    await self._something_done()
                if still.cancelled_caught:
                    log.info("connection %s was closed: it read none of its answers", self.by)
                    return

    async def _something_done(self) -> None:
        """Wait until a request is answered, or some of an answer is read."""
        if not self.outbox.idle:
            await self.outbox.wait_moved()
        else:
            self._quiet = trio.Event()
            await self._quiet.wait()

    async def _read(self, nursery: trio.Nursery) -> None:
        framing: Framing | None = None
        while True:
            await self.outbox.wait_room()
            chunk = await self._receive()
            if framing is None:
                framing = self._begin(chunk)
            for number, fed in enumerate(framing.feed(chunk) if chunk else framing.end()):
                if number or (isinstance(fed, bytes) and len(fed) > STEP_BYTES_MAX):
                    await trio.lowlevel.checkpoint()
                if not await self._take(fed, nursery):
                    return
            if not chunk:
                return

    def _begin(self, chunk: bytes) -> Framing:
        if detect(chunk) == "lines":
            return self.reader.framing
        from codexd.protocol.wire.websocket import WebSocket

        framing = WebSocket()
        self.reader = Reader(framing, lines=False)
        return framing

    async def _receive(self) -> bytes:
        waited = False
        while True:
            try:
                chunk = self._sock.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                if self.outbox.closed:
                    return b""  # It has left, and all that it has said was read.
                await trio.lowlevel.wait_readable(self._sock)
                waited = True
                continue
            except OSError:
                chunk = b""
            if not waited:
                await trio.lowlevel.checkpoint()  # Other clients run too while one floods.
            return chunk

    async def _take(self, fed: Fed, nursery: trio.Nursery) -> bool:
        """Handle a result of the framing; returns whether to read on."""
        match fed:
            case Send():
                self.outbox.write(fed.wire)
            case Hangup():
                self.outbox.write(fed.wire)
                return False
            case OverlongMessage():
                error = RpcError(INVALID_REQUEST, str(fed), ErrorData("overlong_message"))
                self._refuse(fed.request_id, error)
            case bytes():
                if len(fed) > STEP_BYTES_MAX and await self._refused_unread(fed):
                    return True
                message = read_message(fed)
                if len(fed) > STEP_BYTES_MAX:
                    await trio.lowlevel.checkpoint()
                self._dispatch(message, nursery)
        return True

    async def _refused_unread(self, body: bytes) -> bool:
        """Whether a long message was refused because it has too many JSON values."""
        try:
            await trio.to_thread.run_sync(check_foreign, body)
        except TooMuchJson as error:
            text = f"the message cannot be read: {error}; it was skipped"
            refusal = RpcError(INVALID_REQUEST, text, ErrorData("too_many_values"))
            self._refuse(id_in(body[:HEAD_BYTES]), refusal)
            return True
        return False

    def _dispatch(self, message: Message, nursery: trio.Nursery) -> None:
        match message:
            case Request():
                if self._under_way >= REQUESTS_UNDER_WAY_MAX:
                    self._refuse(message.id, overloaded())
                    return
                self._under_way += 1
                call = self._read_call(message)
                if isinstance(call, RpcError):
                    ordered = self._order.enter(None, precedes=False)
                else:
                    ordered = self._order.enter(call.thread_id, precedes=call.precedes)
                nursery.start_soon(self._serve, message, call, ordered)
            case ClientReply():
                if self.client is not None:
                    thread_id = self._handlers.asked_in(message)
                    ordered = self._order.enter(thread_id, precedes=thread_id is not None)
                    self._deciding += 1
                    nursery.start_soon(self._answered, message, thread_id, ordered)
            case Unreadable():
                self._refuse(message.id, message.error)
            case _:
                pass  # A client's notification: `initialized`, which needs no response.

    def _read_call(self, request: Request) -> Call | RpcError:
        try:
            return self._handlers.read(request)
        except RpcError as error:
            return error

    async def _serve(
        self, request: Request, call: Call | RpcError, ordered: OrderedRequest
    ) -> None:
        """Answer one request, when its turn has come. Any error is sent to its sender."""
        try:
            await ordered.reached()
            if self.client is None and request.method != "initialize":
                self._handlers.check_known(request.method)
                raise not_initialized()
            if isinstance(call, RpcError):
                raise call
            await self._carry_out(request.id, call)
        except RpcError as error:
            self._refuse(request.id, error)
        except Exception:
            # A connection is one of the places where any exception becomes a record.
            log.exception("%s of connection %s failed", request.method, self.by)
            what = f"the daemon failed in {request.method}; its log says where"
            self._refuse(request.id, internal_error(what))
        finally:
            self._order.leave(None if isinstance(call, RpcError) else call.thread_id, ordered)
            self._under_way -= 1
            self._quiet.set()

    async def _answered(
        self, answer: ClientReply, thread_id: ThreadId | None, ordered: OrderedRequest
    ) -> None:
        """A client's answer to a question. A late or unreadable answer changes nothing."""
        try:
            await ordered.reached()
            await self._handlers.decide(self, answer)
        except Exception:
            # As above: the answer of one connection is not to end the daemon.
            log.exception("an answer of connection %s could not be taken", self.by)
        finally:
            self._order.leave(thread_id, ordered)
            self._deciding -= 1
            self._quiet.set()

    async def _carry_out(self, request_id: RequestId, call: Call) -> None:
        if not call.large:
            self._answer(request_id, call, await self._handlers.answer(self, call))
            return
        async with self._large:
            await self.outbox.wait_room()
            async with self._shared.large:
                self._answer(request_id, call, await self._handlers.answer(self, call))

    def _answer(self, request_id: RequestId, call: Call, answered: MethodResult) -> None:
        """Between the answer and what follows from it there is no checkpoint. Raises: RpcError, if it is too large."""
        parts = encode_in_parts(request_id, answered.result)
        size = sum(map(len, parts))
        if size > ANSWER_BYTES_MAX:
            raise too_large(call.method, size, answered.done)
        framing = self.reader.framing
        for wire in framing.frame_parts(parts) if len(parts) > 1 else [framing.frame(parts[0])]:
            self.outbox.write(wire)
        if answered.then is not None:
            answered.then()

    def _refuse(self, request_id: RequestId | None, error: RpcError) -> None:
        self.outbox.write(self.reader.framing.frame(encode_error(request_id, error)))
