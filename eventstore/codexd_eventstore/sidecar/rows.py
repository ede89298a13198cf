"""The rows of the sidecar, and a batch of rows to write."""

from __future__ import annotations

import msgspec

from codexd_eventstore.format.offsets import LogOffset


class OpenHint(msgspec.Struct, frozen=True, gc=False):
    """The open hint of a log."""

    head: int  # the checksum of its first line: another file of its name has another
    offset: LogOffset  # where to start reading when it is opened
    durable: LogOffset  # the offset up to which it was known to be on disk
    keys_to: int = -1  # the keys of all appends up to this `seq` are stored; -1: none


class NotedKeys(msgspec.Struct, frozen=True):
    """The idempotency keys of a log's appends after `after`, up to the durable point of a hint."""

    after: int | None  # None: they are all keys of the log
    spans: tuple[tuple[str, int, int], ...]  # (key, first, last)


class SnapshotRow(msgspec.Struct, frozen=True):
    """A snapshot, and the checksum of its last record."""

    seq: int
    chain: int
    content: bytes


class SidecarBatch:
    """The rows to write next; drops are applied first."""

    def __init__(self) -> None:
        self.drops: dict[str, bool] = {}  # by stream: whether with its checkpoints
        self.hints: dict[str, tuple[OpenHint, NotedKeys]] = {}
        self.snapshots: dict[tuple[str, str], SnapshotRow] = {}  # by stream and name
        self.checkpoints: dict[tuple[str, str], int] = {}  # by stream and consumer
        self.size = 0  # of the snapshots

    def __bool__(self) -> bool:
        return bool(self.drops or self.hints or self.snapshots or self.checkpoints)

    def drop(self, stream: str, *, checkpoints: bool) -> None:
        """Forget a stream, including its rows in this batch."""
        self.drops[stream] = checkpoints or self.drops.get(stream, False)
        self.hints.pop(stream, None)
        for name in [name for name in self.snapshots if name[0] == stream]:
            del self.snapshots[name]
        if checkpoints:
            for pair in [pair for pair in self.checkpoints if pair[0] == stream]:
                del self.checkpoints[pair]

    def set_hint(self, stream: str, hint: OpenHint, keying: NotedKeys) -> None:
        """Set an open hint; waiting keys of the stream are kept."""
        waiting = self.hints.get(stream)
        if waiting is not None and keying.after is not None:
            old_hint, old = waiting
            if old_hint.head == hint.head and keying.after <= old_hint.durable.seq:
                keying = NotedKeys(old.after, old.spans + keying.spans)
        self.hints[stream] = (hint, keying)
