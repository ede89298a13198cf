"""What both ways to a provider give: the answer to a request, and the failures before it. The contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from codexd.models.http.connection import Connection

if TYPE_CHECKING:
    import httpx


class Outgoing(msgspec.Struct, frozen=True):
    """A request as it goes out, without the headers that frame it."""

    url: httpx.URL
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Answer(Protocol):
    """The answer to one request, once its head is here. Close it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, by their names in small letters."""

    @property
    def connection(self) -> Connection:
        """Chunks of the body may be taken from it, as long as it is in a body."""

    async def read(self) -> bytes:
        """The next bytes of the body; empty at its end. Raises: ConnectionBroken."""

    async def close(self) -> None:
        """Give the connection back where the body was read to its end, else close it."""


class Sender(Protocol):
    """Sends requests to one provider, and keeps connections for the next."""

    async def send(self, request: Outgoing) -> Answer:
        """Send a request and wait for the head of its answer.

        Raises:
            ConnectFailed: nothing was sent.
            ConnectionBroken: no answer began, or it is not HTTP.
        """

    async def aclose(self) -> None:
        """Close the kept connections."""
