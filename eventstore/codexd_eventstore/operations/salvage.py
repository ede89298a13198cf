"""Making a damaged log readable again: a new generation with the intact records, and a record for each lost one.

Law: the damaged file is kept beside the log before anything is changed. Every number that was ever acknowledged
stays taken, by its record or by a `log.lost` one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

import msgspec

from codexd_eventstore.disk.files import reading
from codexd_eventstore.format.lines import (
    Origin,
    at_us_of,
    chain_start,
    crc_of,
    frame,
    origin_in,
    read_lines,
    rechained,
)
from codexd_eventstore.format.preface import (
    FIRST_BYTES,
    Preface,
    Start,
    preface_in,
    preface_line,
    start_of,
)
from codexd_eventstore.log.log import HEAD_BYTES, head_of
from codexd_eventstore.log.recovery_check import judge
from codexd_eventstore.log.scan import PIECE_BYTES, damaged, scan_log
from codexd_eventstore.log.torn_tail import keep_beside
from codexd_eventstore.log.verify import known_crcs
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.operations.rewrite import Successor, merged
from codexd_eventstore.salvage.recover_lines import BEGIN, Junk, Run, follows, parts_of
from codexd_eventstore.salvage.salvage_plan import Lost, Mend, Part, SalvagePlan, Take
from codexd_eventstore.sidecar.rows import OpenHint
from codexd_eventstore.store import (
    RECORD_BYTES_MAX,
    NewEvent,
    Record,
    Refused,
    Rewritten,
    StoreFailed,
)

LOST: Final = "log.lost"
# A log in more pieces than this is not a log any more.
PARTS_MAX: Final = 10_000
# Lines that were looked at lately while deciding: the same few are asked for again and again.
_LINES_KEPT: Final = 64


async def salvage(engine: Engine, stream: str, *, at_us: int) -> Rewritten:
    """Make a damaged log readable; a whole log stays as it is."""
    async with _silence(engine, stream):
        path = engine.open_logs.find_or_emptied(stream)
        hint = engine.notes.hint(stream)
        try:
            return await blocking(_salvage, engine, stream, path, hint, at_us)
        finally:
            await engine.forget_notes(stream, checkpoints=False)
            engine.forks.forget(stream)
            await blocking(engine.forks.learn, stream)
            engine.hub.tell(stream)


@asynccontextmanager
async def _silence(engine: Engine, stream: str) -> AsyncIterator[None]:
    """Hold a stream still that may not open any more."""
    async with engine.forks.frozen(stream), engine.open_logs.gate(stream):
        log = engine.open_logs.get(stream)
        if log is not None:
            engine.open_logs.remove(log)
            try:
                await engine.committer.settle(log)
            except StoreFailed:
                log.unsynced = False  # the append has raised it; what is in the file counts
            engine.committer.release(log)
        yield


def _salvage(
    engine: Engine, stream: str, path: str, hint: OpenHint | None, at_us: int
) -> Rewritten:
    fs = engine.fs
    scan = scan_log(fs, path, stream, hint=hint)
    judge(scan, hint)
    is_whole = scan.tail is None or scan.tail.damage is None
    orphaned = (
        scan.origin is not None and scan.base and not engine.open_logs.is_there(scan.origin.stream)
    )
    if is_whole and not orphaned:
        return Rewritten(stream, scan.start.preface.generation, scan.records, 0)
    with reading(fs, path) as fd:
        mending = _Mending(engine, stream, fd, hint, at_us)
        plan = mending.plan()
        kept = keep_beside(fs, fd, path, "damaged", time.time())
        preface = mending.preface()
        successor = Successor(fs, engine.layout, stream)
        lines = mending.lines(plan, kept.rpartition("/")[2])
        successor.write(preface_line(stream, preface, at_us), lines)
        successor.take_place(path)
    lost = sum(part.last - part.first + 1 for part in plan if isinstance(part, Lost))
    return Rewritten(stream, preface.generation, mending.count, lost, lost, kept)


class _Mending:
    """One damaged file on its way to a readable one. Blocks."""

    def __init__(
        self, engine: Engine, stream: str, fd: int, hint: OpenHint | None, at_us: int
    ) -> None:
        self._engine = engine
        self._stream = stream
        self._fd = fd
        self._hint = hint
        self._at_us = at_us
        self._start = _lenient_start(self._read, stream)
        self._origin = self._start.origin if self._is_borne_out() else None
        self._leaving = engine.forks.leaving(stream)
        self._writers = engine.writers(stream)
        self.count = 0  # how many records the new log has
        self._line_at = lru_cache(_LINES_KEPT)(self._find_line)

    def plan(self) -> list[Part]:
        """The plan for each number. Raises: Refused where nothing can be saved."""
        base = 0 if self._origin is None else self._origin.seq
        chain = self._start.chain(self._stream)
        after = self._start.base
        found: list[Run | Junk] = []
        for part in parts_of(self._read, self._start.size, chain, after):
            found.append(part)
            if len(found) > PARTS_MAX:
                raise Refused(f"stream {self._stream}: it is in over {PARTS_MAX} pieces")
        chains = frozenset({chain, chain_start(self._stream)})
        is_firm = not self._start.broken and base == after
        plan = SalvagePlan(found, self._line_at, base=base, chains=chains, is_firm=is_firm)
        engine = plan.make(self._floor(base))
        if not engine:
            raise Refused(
                f"stream {self._stream}: nothing in its file can be read, and nothing is known of it;"
                " it was left as it is, and can be deleted"
            )
        return engine

    def preface(self) -> Preface:
        """How the new log begins."""
        old = self._start.preface
        cuts = {seq: self._start.cuts_at(seq) for seq in old.cuts}
        # A fork's link to its parent's record is the best evidence of that record now.
        for seq, crc in self._leaving:
            cuts.setdefault(seq, set()).add(crc)
        base = 0 if self._origin is None else self._origin.seq
        kept = {seq: crcs for seq, crcs in cuts.items() if seq > base}
        root = None if self._origin is not None else old.root
        return Preface(old.generation + 1, root, merged(kept), "salvage")

    def lines(self, plan: list[Part], kept_in: str) -> Iterator[bytes]:
        """The new log's lines."""
        root = self.preface().root
        chain = chain_start(root or self._stream) if self._origin is None else self._origin.chain
        at_us = self._first_at_us(plan)
        origin = self._origin
        for part in plan:
            for line in self._of(part, chain, at_us, kept_in, origin):
                chain, origin = crc_of(line), None
                self.count += 1
                yield line
                at_us = max(at_us, _at_us(line))

    def _of(
        self, part: Part, chain: int, at_us: int, kept_in: str, origin: Origin | None
    ) -> Iterator[bytes]:
        if isinstance(part, Lost):
            for seq in range(part.first, part.last + 1):
                data: dict[str, object] = {"bytes": part.size if seq == part.first else 0}
                data["keptIn"] = kept_in
                if part.is_next_unchecked and seq == part.last:
                    data["nextUnchecked"] = True
                event = NewEvent(LOST, msgspec.json.encode(data))
                (record,) = frame(
                    [event],
                    after=seq - 1,
                    chain=chain,
                    at_us=at_us,
                    origin=origin,
                    seal=None if self._writers is None else self._writers.at(seq),
                )
                line = record.line
                chain, origin = crc_of(line), None
                yield line
        else:
            for line in self._standing(part):
                line = rechained(line, chain)
                chain = crc_of(line)
                yield line

    def _standing(self, part: Take | Mend) -> Iterator[bytes]:
        if isinstance(part, Mend):
            yield part.line
            return
        for seq, line in self._lines_of(part.run):
            if part.first <= seq <= part.last:
                yield line

    def _lines_of(self, run: Run) -> Iterator[tuple[int, bytes]]:
        """A run's lines, one by one. Raises: Damaged where it is not what it was."""
        place, rest, seq, before = run.start, b"", run.first, None
        while seq <= run.last:
            piece = self._read(place, min(PIECE_BYTES, run.end - place))
            place += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            if place >= run.end and rest:
                lines, rest = [*lines, rest], b""  # the very last line has no newline
            for line in lines:
                if before is not None and not follows(line, before):
                    why = "it changed while it was read"
                    raise damaged(self._stream, "its file", seq, why)
                yield seq, line
                seq, before = seq + 1, crc_of(line)
                if seq > run.last:
                    return
            if not piece:
                raise damaged(self._stream, "its file", seq, "it ended while it was read")

    def _find_line(self, run: Run, seq: int) -> bytes | None:
        for number, line in self._lines_of(run):
            if number == seq:
                return line
        return None

    def _first_at_us(self, plan: list[Part]) -> int:
        """No later than the first intact record: time never runs back in a log."""
        for part in plan:
            if not isinstance(part, Lost):
                return min(self._at_us, _at_us(next(self._standing(part))))
        return self._at_us

    def _floor(self, base: int) -> int:
        """The last number that is known to have been given."""
        floor = max([base, *(seq for seq, _ in self._leaving)])
        first_line = self._read(0, HEAD_BYTES).partition(b"\n")[0]
        # Another first line that is whole is another log; a broken one says nothing.
        is_other = not self._start.broken and self._is_first_whole()
        if self._hint is not None and (self._hint.head == head_of(first_line) or not is_other):
            floor = max(floor, self._hint.durable.seq)
        return floor

    def _is_first_whole(self) -> bool:
        first = self._read(self._start.size, RECORD_BYTES_MAX).partition(b"\n")
        chain = self._start.chain(self._stream)
        return bool(read_lines(b"".join(first[:2]), self._start.base, chain)[0])

    def _is_borne_out(self) -> bool:
        """Whether what it was forked from is there, and its own first line can be believed about it."""
        origin = self._start.origin
        if origin is None or (origin.seq and not self._engine.open_logs.is_there(origin.stream)):
            return False
        if self._is_first_whole() or not origin.seq:
            return True
        known = known_crcs(self._engine.fs, self._engine.open_logs, origin.stream, origin.seq)
        return origin.chain in known

    def _read(self, start: int, size: int) -> bytes:
        return self._engine.fs.read(self._fd, start, size)


def _lenient_start(read: Callable[[int, int], bytes], stream: str) -> Start:
    """How the file begins, as far as that can be guessed where it is broken."""
    start = start_of(read, stream)
    if start.broken:
        line, newline, _ = read(0, RECORD_BYTES_MAX).partition(b"\n")
        if (preface := preface_in(line)) is not None:
            start = Start(len(line) + len(newline), preface, broken=True)
    if start.origin is None and start.preface.root is None:
        beginning = read(start.size, FIRST_BYTES * 16)
        first = BEGIN.search(beginning)
        origin = None if first is None else origin_in(beginning[first.start() :])
        if first is not None and origin is not None and int(first[1]) == origin.seq + 1:
            start = msgspec.structs.replace(start, origin=origin)
    return start


def _at_us(line: bytes) -> int:
    seq = int(line[7 : line.index(b",")])
    return at_us_of(Record(seq, line))
