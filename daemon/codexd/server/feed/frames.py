"""Notifications as they are written: each encoded once, framed once for each way of reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from codexd.core.events.record import Recorded
from codexd.core.policy.action_kinds import request_for
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.projections.clients.deltas import EncodedMessage, Outgoing
from codexd.projections.clients.notifications import ApprovalAsked, ApprovalResolved, ServerMessage
from codexd.protocol.notifications import (
    NOTIFICATIONS,
    ServerRequestResolvedNotification,
    encode_notification,
    with_seq,
)
from codexd.protocol.requests import COMMAND_APPROVAL, AskedByCodexd
from codexd.protocol.user_input import UserInputOwn
from codexd.protocol.wire.framing import Framing
from codexd.protocol.wire.request_ids import RequestId
from codexd.protocol.wire.rpc import encode_request
from codexd.server.feed.asking import PARAMS, as_asked


class Reader(msgspec.Struct, frozen=True):
    """How a connection reads: its framing, whether with cursors, and which notifications it does not want."""

    framing: Framing
    lines: bool  # newline-delimited JSON; else WebSocket
    cursor: bool = False
    unwanted: frozenset[str] = frozenset()
    observes: bool = False  # it is asked nothing


class Frame:
    """The messages of one append or one run of deltas, in order."""

    def __init__(self, parts: Sequence[EncodedMessage]) -> None:
        self.parts = parts
        self._shared: dict[tuple[bool, bool, bool, frozenset[str]], bytes] = {}

    def framed(self, reader: Reader) -> bytes:
        # Readers of one kind share their bytes.
        kind = (reader.lines, reader.cursor, reader.observes, reader.unwanted)
        wire = self._shared.get(kind)
        if wire is None:
            wire = self._shared[kind] = self._framed(reader)
        return wire

    def to_all(self) -> Frame | None:
        """The part of it that every connection hears, if there is one.

        It carries no seq: its receivers do not follow the thread, and have no earlier event.
        """
        parts = [replace(part, seq=None) for part in self.parts if part.to_all]
        return Frame(parts) if parts else None

    def _framed(self, reader: Reader) -> bytes:
        frame, parts = reader.framing.frame, self.parts
        if reader.unwanted:
            parts = [part for part in parts if part.method not in reader.unwanted]
        if reader.observes:
            parts = [part for part in parts if part.method in NOTIFICATIONS]
        if not reader.cursor:
            return b"".join([frame(part.body) for part in parts])
        return b"".join(
            [
                frame(part.body if part.seq is None else with_seq(part.body, part.seq, part.offset))
                for part in parts
            ]
        )


# Questions whose number is kept after they are settled: a follower that lags by more than these was away,
# and shows none of these questions.
SETTLED_KEPT_MAX = 1024


class Open(NamedTuple):
    """A question that is open."""

    thread_id: str
    approval_id: str
    action_hash: str | None = None  # of the action that was shown; None: not shown yet
    method: str = COMMAND_APPROVAL  # by which it is asked


def _not_loaded(thread_id: ThreadId) -> ThreadState | None:
    return None


class Questions(msgspec.Struct):
    """The numbers under which open approvals are asked; one count for the whole server.

    It starts at the time of the daemon's start, so that an answer to a question of the previous daemon
    cannot match a question of this daemon.
    """

    last: int
    # The state has the action that would run.
    state_of: Callable[[ThreadId], ThreadState | None] = _not_loaded
    open: dict[int, Open] = {}  # by request id
    ids: dict[str, int] = {}  # approval -> request id
    settled: dict[str, int] = {}  # questions settled lately, for lagging followers
    # Open questions of MCP servers, and calls that clients are to perform, by request id: the thread, and the request.
    # They are in no log: each belongs to a call, and no call outlives the daemon.
    elicitations: dict[int, tuple[str, EncodedMessage]] = {}

    def next_number(self) -> int:
        """A request id for a question that is asked once."""
        self.last += 1
        return self.last

    def number(self, thread_id: str, approval_id: str) -> int:
        """The request id of an approval, the same each time it is asked."""
        known = self.ids.get(approval_id)
        if known is None:
            known = self.ids[approval_id] = self.next_number()
            self.open[known] = Open(thread_id, approval_id)
        return known

    def show(self, thread_id: str, approval_id: str, action_hash: str, method: str) -> int:
        """The request id of an approval that is asked with this action, by this method."""
        request_id = self.number(thread_id, approval_id)
        self.open[request_id] = Open(thread_id, approval_id, action_hash, method)
        return request_id

    def asked(self, request_id: RequestId | None) -> Open | None:
        """The question of an answer with this id, if it is still open."""
        return self.open.get(request_id) if isinstance(request_id, int) else None

    def settle(self, approval_id: str) -> int | None:
        """The question was answered or withdrawn; returns its request id."""
        request_id = self.ids.pop(approval_id, None)
        if request_id is not None:
            self.open.pop(request_id, None)
            self.settled[approval_id] = request_id
            if len(self.settled) > SETTLED_KEPT_MAX:
                del self.settled[next(iter(self.settled))]
        return request_id


def parts_of(
    messages: Sequence[ServerMessage],
    thread_id: str,
    at_ms: int,
    questions: Questions,
    *,
    seq: int | None = None,
    replay: bool = False,
) -> list[EncodedMessage]:
    """Encode the messages of the client projection.

    A replay asks no questions (the open questions are asked at its end); a settled question is withdrawn
    under its own number.

    Args:
        seq: the position of a follower that has everything up to this event.
    """
    parts: list[EncodedMessage] = []
    for message in messages:
        match message:
            case EncodedMessage():
                parts.append(EncodedMessage(message.method, message.body, message.offset, seq))
            case Outgoing():
                body = encode_notification(message.method, message.params, at_ms)
                parts.append(EncodedMessage(message.method, body, to_all=message.to_all, seq=seq))
            case ApprovalAsked():
                if not replay:
                    parts.append(question(message, thread_id, questions))
            case ApprovalResolved():
                request_id = None if replay else questions.settle(message.approval_id)
                # A reviewer's question is settled for its own followers before it is for these.
                request_id = request_id or questions.settled.get(message.approval_id)
                if request_id is not None:
                    params = ServerRequestResolvedNotification(
                        thread_id=thread_id,
                        request_id=request_id,
                        codexd=message.decided or msgspec.UNSET,
                    )
                    method = "serverRequest/resolved"
                    body = encode_notification(method, params, at_ms)
                    parts.append(EncodedMessage(method, body, seq=seq))
    return parts


def parts_of_event(
    messages: Sequence[ServerMessage],
    thread_id: str,
    recorded: Recorded,
    questions: Questions,
    *,
    replay: bool = False,
) -> list[EncodedMessage]:
    """Encode the notifications of an event. The last has the event's seq, the others the seq before.

    So a follower that is cut off between two of these messages resumes before the event, and misses none.
    """
    seq = recorded.seq
    parts = parts_of(messages, thread_id, recorded.at_ms, questions, seq=seq - 1, replay=replay)
    for n in range(len(parts) - 1, -1, -1):
        if parts[n].seq is not None:
            parts[n] = replace(parts[n], seq=seq)
            break
    return parts


def question(asks: ApprovalAsked, thread_id: str, questions: Questions) -> EncodedMessage:
    """The server request that asks whether an action may be performed."""
    waits = ThreadId(asks.asked_in or thread_id)
    method = request_for(asks.action)
    assert method is not None  # Nothing else is asked about.
    params = PARAMS[method](as_asked(asks, questions.state_of(waits)), thread_id)
    assert isinstance(params.codexd, AskedByCodexd | UserInputOwn)
    request_id = questions.show(waits, asks.approval_id, params.codexd.action_hash, method)
    return EncodedMessage(method, encode_request(request_id, method, params))


def unasked(questions: Questions, thread_id: str, asked: set[int]) -> list[EncodedMessage]:
    """The open questions of calls that a follower of the thread was not asked, which it is asked now."""
    new = {
        request_id: request
        for request_id, (waits, request) in questions.elicitations.items()
        if waits == thread_id and request_id not in asked
    }
    asked.update(new)
    return [*new.values()]
