"""A thread as one frontend follows it: attached to it, and a cursor. I/O through the connection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from codexd_frontends.client import Daemon
from codexd_frontends.cursor import Cursor
from codexd_frontends.messages import (
    Message,
    RawPage,
    ServerStatus,
    ThreadAnswer,
    ThreadNote,
    Turn,
)

TURN_PAGE = 100  # turns an answer; keeps one line of the wire in the megabytes at most


class Followed:
    """A thread that this frontend is attached to."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.cursor = Cursor()

    def attach(self, daemon: Daemon, *, turns: int = 0) -> Message:
        """Attach and see the last `turns` turns, or attach again behind what was seen.

        Raises: Refused, ConnectionCut.
        """
        params: dict[str, object] = {"threadId": self.thread_id, "excludeTurns": True}
        if self.cursor.seq:
            params["after"] = self.cursor.as_params()
        elif turns:
            params["initialTurnsPage"] = {
                "limit": turns,
                "sortDirection": "desc",
                "itemsView": "full",
            }
        message = daemon.call_raw("thread/resume", params)
        if not self.cursor.seq:
            self.cursor = _behind(read_answer(message))
        return message

    def take(self, message: Message) -> bool:
        """Whether a message is about this thread; if so, the cursor is behind it now."""
        note = msgspec.json.decode(message.params, type=ThreadNote | None)
        if note is None or note.thread_id != self.thread_id:
            return False
        if not message.is_request:
            self.cursor = self.cursor.past(message)
        return True


def read_answer(message: Message) -> ThreadAnswer:
    """What `attach` got."""
    return msgspec.json.decode(message.result, type=ThreadAnswer)


def _behind(answer: ThreadAnswer) -> Cursor:
    """The cursor behind a snapshot."""
    page = answer.initial_turns_page
    running = running_turn(() if page is None else page.data[:1])
    open_items = [] if running is None else [i for i in running.read_items() if i.is_open(running)]
    return Cursor(answer.seq, {item.id: item.text_bytes for item in open_items})


def past_turns(daemon: Daemon, thread_id: str, limit: int | None) -> list[Raw]:
    """The last `limit` turns (None: all) with their items, encoded as they came, the oldest first."""
    turns: list[Raw] = []
    cursor: str | None = None
    while limit is None or len(turns) < limit:
        left = TURN_PAGE if limit is None else min(TURN_PAGE, limit - len(turns))
        page = daemon.call(
            "thread/turns/list",
            {
                "threadId": thread_id,
                "cursor": cursor,
                "limit": left,
                "sortDirection": "desc",
                "itemsView": "full",
            },
            RawPage,
        )
        turns += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
    return turns[::-1]


def running_turn(turns: Sequence[Turn]) -> Turn | None:
    """The turn that runs, if the last one does."""
    return turns[-1] if turns and turns[-1].status == "inProgress" else None


def server_status(daemon: Daemon) -> ServerStatus:
    """Who the daemon is, and how much it has to do."""
    return daemon.call("server/status", {}, ServerStatus)
