"""A thread as one frontend follows it: attached to it, and a cursor. I/O through the connection."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from codexd.protocol.codexd_methods import ServerStatusResponse, ThreadLogReadResponse
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, RequestRefused, ThreadDeleted, UsageError
from codexd_frontends.client.messages import Message, RawPage, ThreadAnswer, ThreadNote, Turn
from codexd_frontends.client.session import Cursor

RECORD_PAGE = 500  # records an answer; a record has some hundred bytes, now and then many more
TURN_PAGE = 100  # turns an answer; keeps one line of the wire in the megabytes at most


class Followed:
    """A thread that this frontend is attached to."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.cursor = Cursor()
        self.was_active = False  # whether a turn ran when it was attached to

    def attach(self, daemon: Daemon, *, again: bool = False) -> Message:
        """Attach, or attach again at the cursor; `again`: all is wanted that follows the cursor, of a new thread too.

        Raises: Refused, ConnectionCut.
        """
        params: dict[str, object] = {"threadId": self.thread_id, "excludeTurns": True}
        if self.cursor.seq or again:
            params["after"] = self.cursor.as_params()
        daemon.connect_again = None  # Another connection would not follow it.
        message = daemon.call_raw("thread/resume", params)
        answer = read_answer(message)
        self.was_active = answer.thread.status.type == "active"
        if not self.cursor.seq and not again:
            self.cursor = Cursor(answer.seq)
        return message

    def take(self, message: Message) -> bool:
        """Whether a message is about this thread; if so, the cursor moves after it. Raises: ThreadDeleted."""
        note = msgspec.json.decode(message.params, type=ThreadNote | None)
        if note is None or note.thread_id != self.thread_id:
            return False
        if message.method == "thread/deleted":
            raise ThreadDeleted(f"thread {self.thread_id} was deleted, and a turn that ran in it")
        if not message.is_request:
            self.cursor = self.cursor.past(message)
        return True


def read_answer(message: Message) -> ThreadAnswer:
    """What `attach` got."""
    return msgspec.json.decode(message.result, type=ThreadAnswer)


def new_thread(daemon: Daemon, method: str, params: Mapping[str, object]) -> Followed:
    """The thread that a thread/start or thread/fork makes, from its first record on."""
    answer = daemon.call(method, params, ThreadAnswer)
    followed = Followed(answer.thread.id)
    followed.cursor = Cursor(max(answer.seq, 1))  # All after its first record is news.
    daemon.connect_again = None  # Another connection would not follow it.
    return followed


@contextlib.contextmanager
def begun_thread(daemon: Daemon, params: Mapping[str, object]) -> Iterator[Followed]:
    """A new thread for a first turn, to be started within; if that is refused, no empty thread is left."""
    params = {"idempotencyKey": str(uuid.uuid4()), **params}
    followed = new_thread(daemon, "thread/start", params)
    try:
        yield followed
    except (RequestRefused, UsageError):
        with contextlib.suppress(CommandError):
            daemon.call("thread/delete", {"threadId": followed.thread_id}, object)
        raise


class PastTurns(NamedTuple):
    """Turns with their items, encoded as they came, the oldest first."""

    turns: list[Raw]
    more: bool  # whether there are earlier ones


def past_turns(
    daemon: Daemon, thread_id: str, limit: int, *, before: str | None = None
) -> PastTurns:
    """The last `limit` turns; `before`: up to the cursor that `attach` got."""
    turns: list[Raw] = []
    cursor = before
    while len(turns) < limit:
        left = min(TURN_PAGE, limit - len(turns))
        params = turns_params(thread_id, cursor, "desc", limit=left)
        page = daemon.call("thread/turns/list", params, RawPage)
        turns += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
    return PastTurns(turns[::-1], cursor is not None)


def all_turns(daemon: Daemon, thread_id: str) -> Iterator[Raw]:
    """Every turn with its items, the oldest first; a page at a time is in memory."""
    params = turns_params(thread_id, None, "asc")
    for page in daemon.pages("thread/turns/list", params, RawPage):
        yield from page.data


def all_records(daemon: Daemon, thread_id: str, *, after: int = 0) -> Iterator[Raw]:
    """Every record after `after` as it is in the log, the oldest first."""
    params = {"threadId": thread_id, "after": after, "limit": RECORD_PAGE}
    for page in daemon.pages("thread/log/read", params, ThreadLogReadResponse, by="after"):
        yield from page.records


def turn_at(daemon: Daemon, thread_id: str, seq: int) -> Raw:
    """The turn that has a record. Raises: UsageError, where none has."""
    params = {**turns_params(thread_id, None, "desc", limit=1), "atSeq": seq}
    page = daemon.call("thread/turns/list", params, RawPage)
    if not page.data:
        raise UsageError(f"no turn of thread {thread_id} has begun by record {seq}")
    return page.data[0]


def turn_ids(daemon: Daemon, thread_id: str) -> Iterator[str]:
    """The ids of all turns, the newest first."""
    params = turns_params(thread_id, None, "desc", view="notLoaded")
    for page in daemon.pages("thread/turns/list", params, RawPage):
        yield from (msgspec.json.decode(raw, type=Turn).id for raw in page.data)


def turns_params(
    thread_id: str,
    cursor: str | None,
    direction: str,
    *,
    limit: int = TURN_PAGE,
    view: str = "full",
) -> dict[str, object]:
    """The params of thread/turns/list for a page."""
    return {
        "threadId": thread_id,
        "cursor": cursor,
        "limit": limit,
        "sortDirection": direction,
        "itemsView": view,
    }


def running_turn(turns: Sequence[Turn]) -> Turn | None:
    """The running turn, if there is one."""
    return turns[-1] if turns and turns[-1].status == "inProgress" else None


def running_turn_id(newest: RawPage) -> str | None:
    """The id of the running turn, by a page that has the newest turn."""
    running = running_turn([msgspec.json.decode(raw, type=Turn) for raw in newest.data])
    return None if running is None else running.id


def server_status(daemon: Daemon) -> ServerStatusResponse:
    """The daemon's identity and load."""
    return daemon.call("server/status", {}, ServerStatusResponse)
