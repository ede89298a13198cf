"""The sessions that run, of all threads; and which ids they may have."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from codexd.sessions.session import Session

# Of one thread. Models forget sessions; each costs a process and a few megabytes.
SESSIONS_MAX: Final = 64
# From so many on the model is warned.
SESSIONS_WARNED: Final = 60
# The most recently used are never ended to make room.
PROTECTED: Final = 8
# Short, since models copy them; Codex's range.
IDS: Final = range(1000, 100_000)
# Ids that were given out lately are not given again, though their session may not run yet, or not any more.
RECENT_IDS: Final = 10_000
MADE_ROOM: Final = "It was ended to make room: {} sessions of this conversation ran."


def _random_id() -> int:
    return IDS[secrets.randbelow(len(IDS))]


class Sessions:
    """The sessions of a daemon. What is in a thread's state is not repeated here."""

    def __init__(self, random_id: Callable[[], int] = _random_id) -> None:
        self._random_id = random_id
        self._running: dict[tuple[str, str], Session] = {}  # the most recently used last
        self._recent = deque[str](maxlen=RECENT_IDS)

    def new_id(self) -> str:
        """An id that no session has."""
        taken = {session_id for _, session_id in self._running} | set(self._recent)
        while (number := str(self._random_id())) in taken:
            pass
        self._recent.append(number)
        return number

    @contextmanager
    def holding(self, session: Session) -> Iterator[None]:
        """It runs for as long as the context lasts."""
        key = (session.thread_id, session.session_id)
        self._running[key] = session
        try:
            yield
        finally:
            del self._running[key]

    def find(self, thread_id: str, session_id: str) -> Session | None:
        """A session of a thread; it counts as used."""
        key = (thread_id, session_id)
        session = self._running.pop(key, None)
        if session is None:
            return None
        self._running[key] = session
        return None if session.is_end_told else session

    def of_thread(self, thread_id: str) -> list[Session]:
        """Those of a thread that run, the most recently used last."""
        return [
            session
            for (owner, _), session in self._running.items()
            if owner == thread_id and not session.ended.is_set()
        ]

    async def make_room(self, thread_id: str) -> None:
        """End the session that was not used for the longest time, if there are as many as there may be."""
        running = self.of_thread(thread_id)
        if len(running) >= SESSIONS_MAX:
            victims = running[: len(running) - PROTECTED]
            await victims[0].end(MADE_ROOM.format(len(running)))

    def warning(self, thread_id: str) -> str | None:
        """What the model is told while it has many."""
        count = len(self.of_thread(thread_id))
        if count < SESSIONS_WARNED:
            return None
        return (
            f"Warning: {count} sessions run, and at most {SESSIONS_MAX} may: use the ones you have, or end those "
            "that you do not need. Another one ends the one that was not used for the longest time."
        )
