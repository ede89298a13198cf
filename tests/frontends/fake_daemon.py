"""A daemon that follows a script: a real Unix socket, newline-delimited JSON, on threads of its own."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from daemon_house import PATIENCE_SECONDS

Json = dict[str, Any]
Answer = Callable[[Json], list[Json]]

WAIT_SECONDS_MAX = PATIENCE_SECONDS


class FakeDaemon:
    """Answers each method as it was told to, and says what it is made to say."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s")
        self.received: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._answers: dict[str, Answer] = {}
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self.answer("initialize", {"userAgent": "codexd/0.1.0", "codexHome": "/h"})

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        for thread in self._threads:
            thread.join(WAIT_SECONDS_MAX)
        self._listener.close()

    def answer(self, method: str, result: object, *then: Json) -> None:
        """Answer a method with this result; `then` is said right behind the answer."""
        self._answers[method] = lambda request: [{"id": request["id"], "result": result}, *then]

    def refuse(
        self, method: str, message: str, code: int = -32600, *, reason: str = "no_way"
    ) -> None:
        """Answer a method with an error."""
        error = {"code": code, "message": message, "data": {"code": reason}}
        self._answers[method] = lambda request: [{"id": request["id"], "error": error}]

    def answer_by(self, method: str, answer: Answer) -> None:
        """Let a function say all that follows on a request."""
        self._answers[method] = answer

    def say(self, *messages: Json) -> None:
        """Say something to everybody who is connected."""
        for peer in self._peers:
            with contextlib.suppress(OSError):  # It has hung up by itself.
                peer.sendall(b"".join(msgspec.json.encode(said) + b"\n" for said in messages))

    def hang_up(self) -> None:
        """Cut every connection."""
        peers, self._peers = self._peers, []
        for peer in peers:
            with contextlib.suppress(OSError):  # It has hung up by itself.
                peer.shutdown(socket.SHUT_RDWR)

    def wait_for(self, method: str) -> Json:
        """The params of the next request of this method; those of others are dropped."""
        while True:
            message = self.received.get(timeout=WAIT_SECONDS_MAX)
            if message.get("method") == method:
                params: Json = message.get("params", {})
                return params

    def wait_answer(self) -> Json:
        """The next answer that a frontend gives; other messages are dropped."""
        while True:
            message = self.received.get(timeout=WAIT_SECONDS_MAX)
            if "method" not in message:
                return message

    def heard(self) -> list[Json]:
        """All that came and was not waited for."""
        heard: list[Json] = []
        while not self.received.empty():
            heard.append(self.received.get())
        return heard

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._peers.append(peer)
            self._start(lambda peer=peer: self._serve(peer))  # type: ignore[misc]

    def _serve(self, peer: socket.socket) -> None:
        # Whoever leaves without reading all that was said resets the connection.
        with peer, peer.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                for reply in self._replies(msgspec.json.decode(line, type=Json)):
                    peer.sendall(msgspec.json.encode(reply) + b"\n")

    def _replies(self, message: Json) -> list[Json]:
        self.received.put(message)
        if "id" not in message or "method" not in message:
            return []
        answer = self._answers.get(message["method"])
        return [_unknown(message)] if answer is None else answer(message)


def _unknown(message: Json) -> Json:
    error = {"code": -32601, "message": f"unknown method {message['method']!r}"}
    return {"id": message["id"], "error": error}
