"""What a connection needs of whoever answers its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec

from codexd.protocol.rpc import Answer, Request
from codexd.server.frames import Frame

if TYPE_CHECKING:
    from codexd.server.connection import Connection


class Answered(msgspec.Struct, frozen=True):
    """A result, and what is to happen at once after it is written: following a thread, say."""

    result: msgspec.Struct | msgspec.Raw
    then: Callable[[], None] | None = None


class Handlers(Protocol):
    """Answers requests, and takes answers to the daemon's own questions."""

    def check_known(self, method: str) -> None:
        """Raises: RpcError, for a method that nobody answers."""

    async def answer(self, connection: Connection, request: Request) -> Answered:
        """Raises: RpcError."""

    async def decide(self, connection: Connection, answer: Answer) -> None:
        """A client answered a question."""

    def standing(self) -> Iterable[Frame]:
        """How all loaded threads stand, for a client that missed news."""
