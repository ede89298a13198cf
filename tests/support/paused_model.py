"""A model that stops in the middle of its answer until the test resumes it; real HTTP on loopback.

async with held_model([Held(Say(("a", "b")), after=1), Say(("c",))]) as model:
    await model.holding.wait()      # "a" was sent
    model.resume()                  # "b" is sent, and the end
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import trio

from codexd.models.scripted.responses import stream_of
from codexd.models.scripted.scripts import Part, Reply
from daemon_house import alone

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"connection: close\r\n\r\n"
)


class Held(NamedTuple):
    """A reply that stops after so many deltas."""

    reply: Part | Reply
    after: int


Script = list[Held | Part | Reply]


class HeldModel:
    """The server."""

    def __init__(self, next_reply: Callable[[], Held | Part | Reply | None]) -> None:
        self.base_url = ""
        self.bodies: list[bytes] = []  # of the requests
        self.holding = trio.Event()  # a reply stands still now
        self._go = trio.Event()
        self._next_reply = next_reply
        self._asked = trio.Condition()

    def resume(self) -> None:
        """Go on, to the end of this reply."""
        self._go.set()

    async def wait_asked(self, times: int) -> None:
        """Sleep until so many requests have come."""
        async with self._asked:
            while len(self.bodies) < times:
                await self._asked.wait()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.base_url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
        task_status.started()
        await trio.serve_listeners(self._answer, [listener])

    async def _answer(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            self.bodies.append(await _request_body(stream))
            # Set by a reply before, which may stand still for nobody any more. One that is not set may be waited for.
            if self.holding.is_set():
                self.holding = trio.Event()
            async with self._asked:
                self._asked.notify_all()
            reply = self._next_reply()
            if reply is None:
                return
            await stream.send_all(_HEAD)
            for chunk in self._chunks(reply):
                if chunk is None:
                    await self._hold()
                    continue
                await stream.send_all(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await stream.send_all(b"0\r\n\r\n")

    def _chunks(self, reply: Held | Part | Reply) -> Iterator[bytes | None]:
        """The chunks of a reply; None where it stands still."""
        held = reply if isinstance(reply, Held) else Held(reply, -1)
        parts = held.reply if isinstance(held.reply, tuple) else (held.reply,)
        deltas = 0
        for chunk in stream_of(parts, f"held_{len(self.bodies)}"):
            if deltas == held.after:
                deltas = -1  # once
                yield None
            yield chunk
            if deltas >= 0 and b"_text.delta" in chunk[:80]:
                deltas += 1

    async def _hold(self) -> None:
        self._go = trio.Event()
        self.holding.set()
        await self._go.wait()
        self.holding = trio.Event()


async def _request_body(stream: trio.SocketStream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await _more(stream)
    head, _, body = received.partition(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    while len(body) < length:
        body += await _more(stream)
    return body


async def _more(stream: trio.SocketStream) -> bytes:
    """The next bytes. Raises: trio.BrokenResourceError, also where the connection has ended."""
    if not (received := bytes(await stream.receive_some(1 << 16))):
        raise trio.BrokenResourceError("the connection ended in the middle of a request")
    return received


@asynccontextmanager
async def held_model(replies: Iterable[Held | Part | Reply]) -> AsyncIterator[HeldModel]:
    """A model that gives these replies, one a request; after the last it hangs up."""
    left = iter(replies)
    model = HeldModel(lambda: next(left, None))
    async with alone(), trio.open_nursery() as nursery:
        await nursery.start(model.serve)
        yield model
        nursery.cancel_scope.cancel()
