"""Notifications as they are written: each encoded once, framed once for each way of reading them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from codexd.core.items import UnknownAction
from codexd.core.record import Recorded
from codexd.projections.texts import Said, SaidDelta
from codexd.projections.wire import Asks, Saying, Settled
from codexd.protocol.framing import Framing
from codexd.protocol.notifications import (
    ServerRequestResolvedNotification,
    encode_notification,
    with_seq,
)
from codexd.protocol.requests import COMMAND_APPROVAL, CommandApprovalParams
from codexd.protocol.rpc import RequestId, encode_request


class Reader(msgspec.Struct, frozen=True):
    """How a connection reads: its framing, whether with cursors, and what it does not want to hear."""

    framing: Framing
    lines: bool  # newline-delimited JSON; else WebSocket
    cursor: bool = False
    unwanted: frozenset[str] = frozenset()

    @property
    def kind(self) -> tuple[bool, bool] | None:
        """Readers of one kind share their bytes; None: this one's are its own."""
        return None if self.unwanted else (self.lines, self.cursor)


class Part(msgspec.Struct, frozen=True, gc=False):
    """One message of a frame."""

    method: str
    body: bytes
    offset: int | None = None
    to_all: bool = False
    seq: int | None = (
        None  # all up to this event was told with it; None: it says nothing of a place
    )


class Frame:
    """What one append, or one run of deltas, says: messages in order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._shared: dict[tuple[bool, bool], bytes] = {}

    def framed(self, reader: Reader) -> bytes:
        """The bytes for a reader."""
        kind = reader.kind
        if kind is None:
            return self._framed(reader)
        wire = self._shared.get(kind)
        if wire is None:
            wire = self._shared[kind] = self._framed(reader)
        return wire

    def to_all(self) -> Frame | None:
        """The part of it that every connection hears, if there is one.

        It carries no place: who hears it does not follow the thread, and has not been told what came before.
        """
        parts = [replace(part, seq=None) for part in self.parts if part.to_all]
        return Frame(parts) if parts else None

    def _framed(self, reader: Reader) -> bytes:
        frame = reader.framing.frame
        if not reader.cursor:
            return b"".join(
                [frame(part.body) for part in self.parts if part.method not in reader.unwanted]
            )
        return b"".join(
            [
                frame(part.body if part.seq is None else with_seq(part.body, part.seq, part.offset))
                for part in self.parts
                if part.method not in reader.unwanted
            ]
        )


# Questions whose number is kept after they are settled: a follower that is behind by more than these was
# away, and shows none of them.
SETTLED_KEPT_MAX = 1024


class Questions(msgspec.Struct):
    """The numbers under which open approvals are asked; one count for the whole server.

    It starts at the time of the daemon's start, so that an answer to a question of the daemon before
    cannot be taken for one to a question of this one.
    """

    last: int
    open: dict[int, tuple[str, str]] = {}  # request id -> thread, approval
    ids: dict[str, int] = {}  # approval -> request id
    settled: dict[str, int] = {}  # those settled of late, for whoever is behind

    def number(self, thread_id: str, approval_id: str) -> int:
        """The request id of an approval, the same each time it is asked."""
        known = self.ids.get(approval_id)
        if known is None:
            self.last += 1
            known = self.ids[approval_id] = self.last
            self.open[known] = (thread_id, approval_id)
        return known

    def asked(self, request_id: RequestId | None) -> tuple[str, str] | None:
        """The thread and the approval that an answer under this id is about, if it is still open."""
        return self.open.get(request_id) if isinstance(request_id, int) else None

    def settle(self, approval_id: str) -> int | None:
        """The question is answered, or is one no more; its request id."""
        request_id = self.ids.pop(approval_id, None)
        if request_id is not None:
            self.open.pop(request_id, None)
            self.settled[approval_id] = request_id
            if len(self.settled) > SETTLED_KEPT_MAX:
                del self.settled[next(iter(self.settled))]
        return request_id


def parts_of(
    sayings: Sequence[Saying],
    thread_id: str,
    at_ms: int,
    questions: Questions,
    *,
    seq: int | None = None,
    replay: bool = False,
) -> list[Part]:
    """Encode what the wire projection says.

    In a replay questions are not asked (those that are still open are, at its end), and one that is
    settled is taken away under the number that it had.

    Args:
        seq: the place of a follower to whom all up to this event was told.
    """
    parts: list[Part] = []
    for saying in sayings:
        match saying:
            case SaidDelta():
                parts.append(Part(saying.method, saying.body, saying.offset, seq=seq))
            case Said():
                body = encode_notification(saying.method, saying.params, at_ms)
                parts.append(Part(saying.method, body, to_all=saying.to_all, seq=seq))
            case Asks():
                if not replay:
                    parts.append(question(saying, thread_id, questions))
            case Settled():
                request_id = None if replay else questions.settle(saying.approval_id)
                # A reviewer's question is settled for its own followers before it is for these.
                request_id = request_id or questions.settled.get(saying.approval_id)
                if request_id is not None:
                    params = ServerRequestResolvedNotification(
                        thread_id=thread_id, request_id=request_id
                    )
                    method = "serverRequest/resolved"
                    body = encode_notification(method, params, at_ms)
                    parts.append(Part(method, body, seq=seq))
    return parts


def parts_of_event(
    sayings: Sequence[Saying],
    thread_id: str,
    recorded: Recorded,
    questions: Questions,
    *,
    replay: bool = False,
) -> list[Part]:
    """Encode what an event says. Its last notification has its seq, those before it have the seq before.

    So a follower that is cut off between them comes back to the event, and misses none of them.
    """
    seq = recorded.seq
    parts = parts_of(sayings, thread_id, recorded.at_ms, questions, seq=seq - 1, replay=replay)
    for n in range(len(parts) - 1, -1, -1):
        if parts[n].seq is not None:
            parts[n] = replace(parts[n], seq=seq)
            break
    return parts


def question(asks: Asks, thread_id: str, questions: Questions) -> Part:
    """The server request that asks whether a command may run."""
    params = CommandApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.call_id,
        started_at_ms=asks.at_ms,
        reason=asks.reason,
        command=asks.shown_command,
        cwd=asks.cwd,
        command_actions=(UnknownAction(asks.command),),
    )
    request_id = questions.number(asks.asked_in or thread_id, asks.approval_id)
    return Part(COMMAND_APPROVAL, encode_request(request_id, COMMAND_APPROVAL, params))
