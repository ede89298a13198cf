"""A scripted model: an HTTP server on loopback that speaks both APIs, Responses and chat completions. I/O.

For tests, `async with scripted_model(replies) as model:` plays the replies, one a request. As a program,
`python -m codexd.models.scripted --port 0` prints its port and plays the lines of the prompts (see
scripts.py); `make demo` runs it so. Both take the same way through the transport as a real model.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

import h11
import msgspec
import trio

from codexd.models.scripted.chat import as_responses_request, chat_stream_of
from codexd.models.scripted.responses import stream_of
from codexd.models.scripted.scripts import Cut, Fail, Hang, Part, PromptScript, Reply

# A long thread with images is some tens of megabytes; more is a mistake in a test.
REQUEST_BYTES_MAX: Final = 256 * 1024 * 1024
READ_BYTES: Final = 64 * 1024

_LIMITS: Final = (
    ("x-codex-primary-used-percent", "12.5"),
    ("x-codex-primary-window-minutes", "300"),
    ("x-codex-primary-reset-after-seconds", "1800"),
)


class RecordedRequest(msgspec.Struct, frozen=True):
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedModel:
    """The server: what it was asked, and what it noticed of its clients."""

    def __init__(
        self, answer: Callable[[bytes], Reply], gap_seconds: float = 0, *, record: bool = True
    ) -> None:
        self.base_url = ""
        self.port = 0
        self.models = b'{"object":"list","data":[{"id":"scripted"}]}'  # what GET /models answers
        self.requests: list[RecordedRequest] = []  # empty unless `record`
        self.requests_count = 0
        self.connections = 0  # accepted up to now
        self.clients_gone = 0  # connections that a client closed before the response was over
        self._answer = answer
        self._gap_seconds = gap_seconds
        self._record = record
        self._changed = trio.Condition()

    async def wait_requests(self, count: int) -> None:
        """Sleep until this many requests have arrived."""
        await self._wait(lambda: self.requests_count >= count)

    async def wait_clients_gone(self, count: int) -> None:
        """Sleep until this many clients have left in the middle of a response."""
        await self._wait(lambda: self.clients_gone >= count)

    async def serve(
        self, port: int = 0, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen on loopback and answer until cancelled."""
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        task_status.started()
        await trio.serve_listeners(self._serve_connection, listeners)

    async def _wait(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            while not holds():
                await self._changed.wait()

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        connection = _Connection(stream)
        try:
            while (request := await connection.next_request()) is not None:
                self.requests_count += 1
                number = self.requests_count
                if self._record:
                    self.requests.append(request)
                await self._note()
                await self._respond(connection, request, number)
                if not connection.ready_for_another():
                    return
        except (trio.BrokenResourceError, h11.RemoteProtocolError, _ClientGoneError):
            self.clients_gone += 1
            await self._note()
        finally:
            await trio.aclose_forcefully(stream)

    async def _respond(
        self, connection: _Connection, request: RecordedRequest, number: int
    ) -> None:
        path = request.path.partition("?")[0]
        if path.endswith("/models"):
            await connection.send_whole(200, (), self.models)
            return
        is_chat = path.endswith("/chat/completions")
        if not is_chat and not path.endswith("/responses"):
            await connection.send_whole(404, (), _error_body(f"no such address: {request.path}"))
            return
        try:
            reply = self._answer(as_responses_request(request.body) if is_chat else request.body)
        except (ValueError, LookupError) as error:
            await connection.send_whole(400, (), _error_body(str(error)))
            return
        if reply and isinstance(reply[0], Fail):
            await connection.send_whole(reply[0].status, reply[0].headers, reply[0].body)
            return
        await connection.send_head(f"req_{self.port}_{number}")
        streamed = chat_stream_of if is_chat else stream_of
        for chunk in streamed(reply, f"{self.port}_{number}"):
            await connection.send(h11.Data(data=chunk))
            if self._gap_seconds:
                await trio.sleep(self._gap_seconds)
        last = reply[-1] if reply else None
        if isinstance(last, Hang):
            await connection.wait_client_gone(last.seconds)
        if not isinstance(last, Hang | Cut):
            await connection.send(h11.EndOfMessage())


class _ClientGoneError(Exception):
    """A client closed its connection in the middle of a response."""


class _Connection:
    """One connection of HTTP/1.1, from the server's side."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def next_request(self) -> RecordedRequest | None:
        """The next request, whole; None when the client has closed the connection between two."""
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(part := await self._next_event(), h11.Data):
            body += part.data
            if len(body) > REQUEST_BYTES_MAX:
                raise h11.RemoteProtocolError("the request is too long", 413)
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        return RecordedRequest(head.target.decode("latin-1"), headers, bytes(body))

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some(READ_BYTES))
        return event

    async def send_head(self, request_id: str) -> None:
        """Begin a stream."""
        await self.send(
            h11.Response(
                status_code=200,
                headers=[
                    ("content-type", "text/event-stream"),
                    ("transfer-encoding", "chunked"),
                    ("x-request-id", request_id),
                    *_LIMITS,
                ],
            )
        )

    async def send_whole(
        self, status: int, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> None:
        """An answer that is no stream."""
        given = {name.lower(): value for name, value in headers}
        named = {"content-type": "application/json", "content-length": str(len(body)), **given}
        await self.send(h11.Response(status_code=status, headers=list(named.items())))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def wait_client_gone(self, seconds: float | None) -> None:
        """Send nothing for this time. Raises: _ClientGoneError, as soon as the client closes."""
        with trio.move_on_after(math.inf if seconds is None else seconds):
            while await self._stream.receive_some(READ_BYTES):
                pass
            raise _ClientGoneError

    def ready_for_another(self) -> bool:
        """Whether the connection can carry another request; prepares for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def send(self, event: h11.Event) -> None:
        """A part of an answer."""
        if data := self._http.send(event):
            await self._stream.send_all(data)


@asynccontextmanager
async def scripted_model(
    replies: Iterable[Part | Reply] | Callable[[bytes], Reply] | None = None,
    *,
    gap_seconds: float = 0,
) -> AsyncIterator[ScriptedModel]:
    """A model that plays the replies in order, one a request; or by a function of the request's body; or,
    given neither, by the lines of the prompts. A request after the last reply gets HTTP 400.
    """
    answer: Callable[[bytes], Reply]
    if replies is None:
        answer = PromptScript().reply
    elif callable(replies):
        answer = replies
    else:
        answer = _in_order(replies)
    model = ScriptedModel(answer, gap_seconds)
    async with trio.open_nursery() as nursery:
        await nursery.start(model.serve)
        yield model
        nursery.cancel_scope.cancel()


def _in_order(replies: Iterable[Part | Reply]) -> Callable[[bytes], Reply]:
    left = iter(replies)

    def answer(body: bytes) -> Reply:
        reply = next(left, None)
        if reply is None:
            raise LookupError("the script is over: there is no reply left for this request")
        return reply if isinstance(reply, tuple) else (reply,)

    return answer


def _error_body(message: str) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": "scripted", "code": None}})


async def _serve_prompts(port: int, gap_seconds: float, until_stdin_closes: bool) -> None:
    model = ScriptedModel(PromptScript().reply, gap_seconds, record=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(model.serve, port)
        sys.stdout.write(f"{model.port}\n")
        sys.stdout.flush()
        if until_stdin_closes:
            async with trio.lowlevel.FdStream(0) as stdin:
                while await stdin.receive_some(READ_BYTES):
                    pass
            nursery.cancel_scope.cancel()


def main(arguments: list[str] | None = None) -> None:
    """Run the scripted model until it is interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m codexd.models.scripted",
        description="A model that answers by a script.",
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--gap", type=float, default=0, metavar="SECONDS", help="between events")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that holds it"
    )
    options = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        trio.run(_serve_prompts, options.port, options.gap, options.until_stdin_closes)
