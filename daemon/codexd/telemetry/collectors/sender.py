"""The port to a collector: requests go out, and each is taken or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from google.protobuf.message import Message

# Of what a collector says: a sentence.
REASON_CHARACTERS_MAX: Final = 200


class NotTaken(Exception):
    """A request was not taken by its collector; says why.

    refused: the request itself is at fault, and would be refused again.
    may_be_poison: nothing says whose fault it is.
    """

    def __init__(
        self,
        reason: str,
        *,
        refused: bool = False,
        may_be_poison: bool = False,
        after_s: float | None = None,
    ) -> None:
        super().__init__(reason[:REASON_CHARACTERS_MAX])
        self.refused, self.may_be_poison, self.after_s = refused, may_be_poison, after_s


class Sender(Protocol):
    """A way to a collector."""

    async def send(self, request: Message) -> tuple[int, str]:
        """Send a request; how many of its items the collector did not want, and why. Raises: NotTaken."""

    async def aclose(self) -> None:
        """Close its connection."""
