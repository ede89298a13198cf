"""Receipts: what became of each run of a hook, as facts in the daemon's own stream. I/O."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.hooks.hook import Hook
from codexd.runtime.daemon_stream import DAEMON_STREAM, note, noted
from codexd_eventstore.event_log import EventLog, NewEvent, NotFound, Record
from codexd_eventstore.reading import records_back

RAN: Final = "hook.ran"
# Receipts on a page.
PAGE_RECEIPTS_MAX: Final = 200
# Records of the daemon's stream that are looked through for a page: some tens of milliseconds.
LOOKED_THROUGH_MAX: Final = 20_000

Outcome = Literal[
    "done",  # the command ended with 0
    "failed",  # it did not, and is tried again
    "dead",  # it did not, and is not tried again: a dead letter
    "watched",  # not run: a client followed the thread
    "answered",  # not run: the question was answered already
]


class Receipt(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What became of one run of a hook for one event."""

    hook: str
    generation: int
    thread_id: str
    seq: int  # of the event
    event: str
    attempt: int
    outcome: Outcome
    duration_ms: int = 0
    exit_code: int | None = None  # None: it was not started, or did not end in time
    problem: str = ""  # why it was not started, or the end of what it printed when it failed

    @property
    def key(self) -> str:
        """Under which it is recorded, once."""
        return receipt_key(self.hook, self.generation, self.thread_id, self.seq, self.attempt)

    @property
    def letter(self) -> tuple[str, int, str, int]:
        """The run's hook and event, without the attempt."""
        return (self.hook, self.generation, self.thread_id, self.seq)


def receipt_key(hook: str, generation: int, thread_id: str, seq: int, attempt: int) -> str:
    """The key of a receipt in the daemon's stream."""
    return f"hook:{hook}:{generation}:{thread_id}:{seq}:{attempt}"


class _Line(msgspec.Struct, frozen=True):
    at: str
    data: Receipt


class Page(msgspec.Struct, frozen=True):
    """Receipts, newest first, each with the time of its record, and where the next page begins."""

    receipts: tuple[tuple[str, Receipt], ...]
    next_before: int | None


async def record_receipt(log: EventLog, receipt: Receipt, at_us: int) -> None:
    """Append a receipt, unless it is recorded already. Raises: StoreError."""
    event = NewEvent(RAN, msgspec.json.encode(receipt))
    await note(log, event, key=receipt.key, at_us=at_us)


async def receipt_of(
    log: EventLog, hook: Hook, thread_id: str, seq: int, attempt: int
) -> Receipt | None:
    """The receipt of an attempt; None if it was not made, or not to its end. Raises: StoreError."""
    key = receipt_key(hook.name, hook.generation, thread_id, seq, attempt)
    record = await noted(log, key)
    return None if record is None else _read(record)[1]


async def receipts_back(
    log: EventLog,
    *,
    hook: str | None = None,
    thread_id: str | None = None,
    before: int | None = None,
) -> Page:
    """The newest receipts before a record of the daemon's stream. Raises: StoreError."""
    found: list[tuple[str, Receipt]] = []
    at, looked = before, 0
    try:
        await log.head(DAEMON_STREAM)
    except NotFound:
        return Page((), None)
    async for record in records_back(log, DAEMON_STREAM, before=before):
        if len(found) == PAGE_RECEIPTS_MAX or looked == LOOKED_THROUGH_MAX:
            return Page(tuple(found), at)
        at, looked = record.seq, looked + 1
        if record.type != RAN:
            continue
        when, receipt = _read(record)
        if hook in (None, receipt.hook) and thread_id in (None, receipt.thread_id):
            found.append((when, receipt))
    return Page(tuple(found), None)


async def dead_letters(log: EventLog, hook: Hook) -> list[tuple[str, Receipt]]:
    """The events of a hook that were given up and have not succeeded since, oldest first. Raises: StoreError."""
    settled: set[tuple[str, int, str, int]] = set()
    dead: list[tuple[str, Receipt]] = []
    before: int | None = None
    while True:
        page = await receipts_back(log, hook=hook.name, before=before)
        for at, receipt in page.receipts:
            if receipt.generation != hook.generation or receipt.letter in settled:
                continue
            settled.add(receipt.letter)
            if receipt.outcome == "dead":
                dead.append((at, receipt))
        if page.next_before is None:
            return dead[::-1]
        before = page.next_before


def _read(record: Record) -> tuple[str, Receipt]:
    line = msgspec.json.decode(record.line, type=_Line)
    return line.at, line.data
