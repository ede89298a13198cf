"""The way back of a browser from the page of a login: one small server on 127.0.0.1, open for that time only. I/O.

Law: only a request with the login's own `state` ends a login: any page of the web may send a browser here.
"""

from __future__ import annotations

import hmac
import html
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

import trio

# A request line with a code has some hundred bytes.
REQUEST_BYTES_MAX: Final = 16 * 1024
REQUEST_SECONDS_MAX: Final = 10.0

Query = Mapping[str, str]


class Callback:
    """Answers a browser at one path."""

    def __init__(self, path: str, take: Callable[[Query], Awaitable[str]]) -> None:
        """`take` is given the query of the first way back, with a code or an error; it returns the words of the page."""
        self._path, self._take = path, take
        self._is_over = False
        self.state: str | None = (
            None  # what the browser must bring back; None: nothing is awaited yet
        )

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one request."""
        try:
            with trio.fail_after(REQUEST_SECONDS_MAX):
                target = await _target(stream)
            status, text = await self._answer(target)
            with trio.fail_after(REQUEST_SECONDS_MAX):
                await stream.send_all(_page(status, text))
        except (trio.BrokenResourceError, trio.TooSlowError, ValueError):
            pass
        with trio.move_on_after(1, shield=True):
            await stream.aclose()

    async def _answer(self, target: str) -> tuple[str, str]:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        ours = self.state is not None and hmac.compare_digest(
            query.get("state", "").encode(), self.state.encode()
        )
        if parts.path != self._path or not ours or not ({"code", "error"} & query.keys()):
            return "404 Not Found", "There is nothing here."
        if self._is_over:
            return "200 OK", "This login is over."
        self._is_over = True
        return "200 OK", await self._take(query)


async def _target(stream: trio.SocketStream) -> str:
    """The target of a GET request. Raises: ValueError."""
    read = bytearray()
    while b"\r\n\r\n" not in read:
        chunk = await stream.receive_some(4096)
        read += chunk
        if not chunk or len(read) > REQUEST_BYTES_MAX:
            raise ValueError("no request")
    method, target, _ = bytes(read).split(b"\r\n", 1)[0].decode("ascii").split(" ")
    if method != "GET":
        raise ValueError("no GET")
    return target


def _page(status: str, text: str) -> bytes:
    body = f"<!doctype html><title>codexd</title><p>{html.escape(text)}</p>".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
