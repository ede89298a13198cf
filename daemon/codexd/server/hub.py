"""All connections and all feeds: which connection follows which thread, and which questions are open."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import trio

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.clients import (
    CLIENTS_CHANGED,
    STOPPING,
    DaemonStoppingNotification,
    ThreadClientsChangedNotification,
)
from codexd.protocol.codexd_methods import AttachedClient, AttachedThread
from codexd.protocol.display.visible import visible_line
from codexd.protocol.dynamic_tools import TOOL_CALL
from codexd.protocol.notifications import ThreadStartedNotification, ThreadStatusChangedNotification
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.supervisor import Supervisor
from codexd.server.connection.connection import Connection, Handlers
from codexd.server.connection.peers import may_decide
from codexd.server.connection.shared import Shared
from codexd.server.feed.feed import Feed
from codexd.server.feed.follower import Follower
from codexd.server.feed.frames import Frame, Questions, parts_of
from codexd.server.feed.reviews import RunningReviews
from codexd.server.feed.thread_view import heading, status_of

FINISH_LOOK_SECONDS: Final = 0.005
# Turns of one connection that are to end with it; before so many later ones, a turn has ended.
TIED_TURNS_MAX: Final = 1_000
CLIENT_CHARACTERS_MAX: Final = 100  # a client's name, as the others see it


class Hub:
    """Connects feeds with connections. It decides nothing and keeps nothing that is not in the log."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.questions = Questions(now_ms(), self._state_of)
        self._connections: dict[Connection, None] = {}
        self._feeds: dict[ThreadId, Feed] = {}
        self.reviews = RunningReviews(self._feeds.get)
        self._now_ms = now_ms
        self._numbered = 0
        self._shared = Shared(self._attached)
        self._tied: dict[Connection, dict[str, Callable[[], Awaitable[None]]]] = {}
        self._is_finishing = False
        # Called when a client has attached to a thread, or left it.
        self.on_attached: list[Callable[[ThreadId], None]] = []

    @property
    def any(self) -> bool:
        return bool(self._connections)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def feed(self, thread_id: ThreadId) -> Feed:
        """The thread's feed; it outlives the thread's being loaded for as long as it is followed."""
        feed = self._feeds.get(thread_id)
        if feed is None:
            feed = Feed(thread_id, self, self.questions, self._now_ms)
            self._feeds[thread_id] = feed
        return feed

    def clients_of(self, thread_id: ThreadId) -> tuple[AttachedClient, ...]:
        """The clients that are attached to a thread, the one that has been for longest first."""
        found = [
            _attached_client(connection, follower)
            for connection in self._connections
            if (follower := connection.following.get(thread_id)) is not None
        ]
        return tuple(sorted(found, key=lambda client: client.attached_at_ms))

    def performers(self, thread_id: ThreadId) -> list[Connection]:
        """The connections that may be asked to perform a call in a thread."""
        return [
            connection
            for connection in self._connections
            if thread_id in connection.following
            and not connection.wants.observer
            and may_decide(connection.peer)
            and TOOL_CALL not in connection.reader.unwanted
        ]

    def attached(self) -> tuple[AttachedThread, ...]:
        """The threads that clients are attached to."""
        ids = {thread_id: None for known in self._connections for thread_id in known.following}
        return tuple(AttachedThread(thread_id, self.clients_of(thread_id)) for thread_id in ids)

    def _attached(self, thread_id: ThreadId) -> None:
        """A client has attached to a thread, or left it: tell those that want to know."""
        for notice in self.on_attached:
            notice(thread_id)
        told = [
            connection
            for connection in self._connections
            if connection.wants.clients and thread_id in connection.following
        ]
        if told:
            params = ThreadClientsChangedNotification(
                thread_id=thread_id, data=self.clients_of(thread_id)
            )
            self.send(Outgoing(CLIENTS_CHANGED, params), told)

    def stopping(self, reason: str, seconds_max: float) -> None:
        """The daemon is about to end: tell those that want to know."""
        params = DaemonStoppingNotification(reason=reason, seconds_max=seconds_max)
        told = [connection for connection in self._connections if connection.wants.stopping]
        self.send(Outgoing(STOPPING, params), told)

    def is_watched(self, thread_id: str) -> bool:
        """Whether a client follows the thread."""
        feed = self._feeds.get(ThreadId(thread_id))
        return feed is not None and feed.watched

    def _state_of(self, thread_id: ThreadId) -> ThreadState | None:
        feed = self._feeds.get(thread_id)
        thread = feed.thread if feed is not None else None
        return thread.state if thread is not None else None

    def forget(self, thread_id: ThreadId) -> None:
        feed = self._feeds.get(thread_id)
        if feed is not None and not feed.watched:
            del self._feeds[thread_id]

    def remove_followers(self, thread_id: ThreadId) -> None:
        """The thread was archived or deleted: its followers are removed."""
        for connection in self._connections:
            connection.leave(thread_id)
        self.forget(thread_id)

    async def serve(self, sock: socket.socket, handlers: Handlers) -> None:
        """Serve one connection to its end."""
        self._numbered += 1
        connection = Connection(sock, self._numbered, handlers, self._shared)
        self._connections[connection] = None
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            tied = self._tied.pop(connection, {})
        if not self._is_finishing:
            for end in tied.values():
                await end()

    def tie(self, connection: Connection, turn_id: str, end: Callable[[], Awaitable[None]]) -> None:
        """Have a turn end when this connection ends by itself: not when the daemon stops, since turns go on then."""
        turns = self._tied.setdefault(connection, {})
        turns[turn_id] = end
        if len(turns) > TIED_TURNS_MAX:
            del turns[next(iter(turns))]

    async def finish(self) -> None:
        """Answer the requests that were read, and end all connections."""
        self._is_finishing = True
        for connection in list(self._connections):
            connection.read_no_more()
        while self._connections:  # noqa: ASYNC110 - each ends by itself, within milliseconds
            await trio.sleep(FINISH_LOOK_SECONDS)

    def tell(self, frame: Frame, thread_id: ThreadId) -> None:
        for connection in self._connections:
            if thread_id not in connection.following:
                connection.tell(frame)

    def announce(self, said: Outgoing) -> None:
        """Send a notification to all connections."""
        self.send(said, self._connections)

    def announce_thread(self, thread: ThreadActor) -> None:
        """Tell all connections of a thread that none of them has started."""
        shown = heading(thread.thread_id, thread.summary, thread.state, thread.path)
        self.announce(Outgoing("thread/started", ThreadStartedNotification(shown)))

    def send(self, said: Outgoing, connections: Iterable[Connection]) -> None:
        """Send a notification to some connections."""
        frame = Frame(parts_of((said,), "", self._now_ms(), self.questions))
        for connection in connections:
            connection.tell(frame)

    def tell_one(self, connection: Connection, said: Outgoing) -> None:
        """Send a notification to one connection."""
        connection.tell(Frame(parts_of((said,), "", self._now_ms(), self.questions)))


def _attached_client(connection: Connection, follower: Follower) -> AttachedClient:
    client = connection.client
    assert client is not None  # Nobody attaches before the handshake.
    return AttachedClient(
        id=visible_line(connection.by, CLIENT_CHARACTERS_MAX),
        name=visible_line(client.name, CLIENT_CHARACTERS_MAX),
        version=visible_line(client.version, CLIENT_CHARACTERS_MAX),
        title=visible_line(client.title, CLIENT_CHARACTERS_MAX) if client.title else None,
        observer=connection.wants.observer,
        attached_at_ms=follower.since_ms,
    )


def loaded_statuses(supervisor: Supervisor, hub: Hub, now_ms: int) -> Iterable[Frame]:
    """The status of every loaded thread, as notifications."""
    for thread in supervisor.threads:
        if thread.state.reviews is not None:
            continue  # No list has it.
        asking = hub.reviews.is_asking(thread.thread_id)
        params = ThreadStatusChangedNotification(
            thread_id=thread.thread_id, status=status_of(thread.state, reviewer_asks=asking)
        )
        said = Outgoing("thread/status/changed", params)
        yield Frame(parts_of((said,), thread.thread_id, now_ms, hub.questions))
