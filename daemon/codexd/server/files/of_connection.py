"""What a connection watches and searches: it goes on after the answer of the request that began it, and ends with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from codexd.server.files.search import SearchSession

# More than there are requests under way, each of which begins at most one before `run` is woken.
_BEGUN_MAX: Final = 256

Work = Callable[[], Awaitable[None]]


class FilesOfConnection:
    """The tasks of a connection, by their names; `run` has them."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple[str, trio.CancelScope, Work]](
            _BEGUN_MAX
        )
        self.sessions: dict[str, SearchSession] = {}  # of fuzzyFileSearch, by the client's names
        self._scopes: Final[dict[str, trio.CancelScope]] = {}

    async def run(self) -> None:
        """Do what was begun, until cancelled."""
        async with trio.open_nursery() as nursery:
            async for name, scope, work in self._receive:
                nursery.start_soon(self._do, name, scope, work)

    def begin(self, name: str, work: Work) -> None:
        """Do this from now on; what has the same name is ended."""
        self.end(name)
        scope = self._scopes[name] = trio.CancelScope()
        self._send.send_nowait((name, scope, work))

    def end(self, name: str) -> None:
        """End the task or search of this name; one that is not there is no error."""
        if (scope := self._scopes.pop(name, None)) is not None:
            scope.cancel()

    def has(self, name: str) -> bool:
        """Whether something of this name goes on."""
        return name in self._scopes

    def count(self, kind: str) -> int:
        """How many have a name that begins so."""
        return sum(name.startswith(kind) for name in self._scopes)

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """A part of a request, which the next of the same name ends."""
        self.end(name)
        with trio.CancelScope() as scope:
            self._scopes[name] = scope
            try:
                yield
            finally:
                self._forget(name, scope)

    async def _do(self, name: str, scope: trio.CancelScope, work: Work) -> None:
        with scope:
            await work()
        self._forget(name, scope)

    def _forget(self, name: str, scope: trio.CancelScope) -> None:
        if self._scopes.get(name) is scope:
            del self._scopes[name]
