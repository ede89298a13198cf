"""The order of one connection's requests on one thread.

Law: requests of a connection that change a thread take effect one after another, in the order of arrival,
and a request that only reads sees all that came before it. A request that only reads delays no other, and requests
on different threads never wait for each other. `initialize` comes before everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio


class MethodResult(msgspec.Struct, frozen=True):
    """A result, and what is to happen at once after it is written: following a thread, say."""

    result: msgspec.Struct | msgspec.Raw
    then: Callable[[], None] | None = None
    done: str = "nothing was sent"  # what became of a request whose result is too large to be sent


class Call(msgspec.Struct, frozen=True):
    """A request whose method is known and whose params were read."""

    method: str
    params: msgspec.Struct | None  # None: the answer is the same for all
    thread_id: str | None = None  # the thread that it is about
    large: bool = False  # its answer grows with the thread
    precedes: bool = False  # later requests, on that thread or on all, wait for its effect


class OrderedRequest:
    """One request's place in the order."""

    def __init__(self, before: Sequence[trio.Event]) -> None:
        self._before = before
        self.done = trio.Event()

    async def reached(self) -> None:
        """Wait until all earlier requests have taken effect."""
        for event in self._before:
            await event.wait()


class Order:
    """The pending requests of one connection that change something; the newest of each thread."""

    def __init__(self) -> None:
        self._newest: dict[str | None, OrderedRequest] = {}

    def enter(self, thread_id: str | None, *, precedes: bool) -> OrderedRequest:
        """The place of a new request; None where it is about no single thread.

        `precedes`: those that come later wait until it has taken effect.
        """
        keys = (None,) if thread_id is None else (None, thread_id)
        ordered = OrderedRequest([self._newest[key].done for key in keys if key in self._newest])
        if precedes:
            self._newest[thread_id] = ordered
        return ordered

    def leave(self, thread_id: str | None, ordered: OrderedRequest) -> None:
        """The request was answered: start the next."""
        ordered.done.set()
        if self._newest.get(thread_id) is ordered:
            del self._newest[thread_id]
