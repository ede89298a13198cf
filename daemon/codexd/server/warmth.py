"""Gets ready what the first turn would wait for: the HTTP library, and a login shell's environment with the keeper."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

log = logging.getLogger(__name__)

# A client that is connected for so long is about to send a turn; `codexctl list` has gone by then.
STAYS_SECONDS: Final = 0.3


class Warmth:
    """What is got ready, and when."""

    def __init__(
        self,
        is_attended: Callable[[], bool],
        import_http: Callable[[], None],
        take_login: Callable[[], Awaitable[object]],
    ) -> None:
        """`is_attended`: whether a client is connected."""
        self._is_attended = is_attended
        self._import_http, self._take_login = import_http, take_login
        self._came, self._turn_near = trio.Event(), trio.Event()

    def client_came(self) -> None:
        """A client connects. If it stays, the login environment is taken."""
        self._came.set()

    def turn_is_near(self) -> None:
        """A client has started or resumed a thread: all is got ready."""
        self._turn_near.set()

    async def run(self) -> None:
        """Get ready what is needed, each once."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._login)
            await self._turn_near.wait()
            try:
                await trio.to_thread.run_sync(self._import_http)
            except (OSError, ImportError) as error:  # No descriptor is left: the turn waits, then.
                log.warning("the first turn will take longer: %s", error)

    async def _login(self) -> None:
        while not self._is_attended():
            await self._came.wait()
            self._came = trio.Event()
            with trio.move_on_after(STAYS_SECONDS):
                await self._turn_near.wait()
        try:
            await self._take_login()
        except OSError as error:  # No descriptor is left: the command waits, then.
            log.warning("the first command will take longer: %s", error)
