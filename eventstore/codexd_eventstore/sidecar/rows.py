"""What is noted of a log, and what waits to be written of it."""

from __future__ import annotations

import msgspec

from codexd_eventstore.format.offsets import LogOffset


class OpenHint(msgspec.Struct, frozen=True, gc=False):
    """What is noted of one log."""

    head: int  # the checksum of how its file begins: tells it from another file of that name
    place: LogOffset  # where to read it from when it is opened
    durable: LogOffset  # up to where the disk was known to have it
    keys_to: int = -1  # the keys of all appends up to this `seq` are noted; -1: of none


class NotedKeys(msgspec.Struct, frozen=True):
    """The idempotency keys of a log's appends behind `after`, up to the durable point of a mark."""

    after: int | None  # None: they are all that the log has
    spans: tuple[tuple[str, int, int], ...]  # (key, first, last)


class SnapshotRow(msgspec.Struct, frozen=True):
    """A snapshot, and the checksum of the record that it ends with."""

    seq: int
    chain: int
    content: bytes


class SidecarBatch:
    """What is to be written next; a stream that is dropped is dropped before anything is set."""

    def __init__(self) -> None:
        self.drops: dict[str, bool] = {}  # by stream: whether with its checkpoints
        self.marks: dict[str, tuple[OpenHint, NotedKeys]] = {}
        self.snapshots: dict[tuple[str, str], SnapshotRow] = {}  # by stream and name
        self.checkpoints: dict[tuple[str, str], int] = {}  # by stream and consumer
        self.size = 0  # of the snapshots

    def __bool__(self) -> bool:
        return bool(self.drops or self.marks or self.snapshots or self.checkpoints)

    def drop(self, stream: str, *, checkpoints: bool) -> None:
        """Forget a stream, also what was to be noted of it."""
        self.drops[stream] = checkpoints or self.drops.get(stream, False)
        self.marks.pop(stream, None)
        for name in [name for name in self.snapshots if name[0] == stream]:
            del self.snapshots[name]
        if checkpoints:
            for pair in [pair for pair in self.checkpoints if pair[0] == stream]:
                del self.checkpoints[pair]

    def set_mark(self, stream: str, mark: OpenHint, keying: NotedKeys) -> None:
        """Note a mark; keys that wait to be noted are kept with it."""
        waiting = self.marks.get(stream)
        if waiting is not None and keying.after is not None:
            old_mark, old = waiting
            if old_mark.head == mark.head and keying.after <= old_mark.durable.seq:
                keying = NotedKeys(old.after, old.spans + keying.spans)
        self.marks[stream] = (mark, keying)
