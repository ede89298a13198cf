"""Decides which records of a damaged log are kept: which line is which record, and which numbers are lost.

Law: a number never changes and is never used twice. A line is kept if it is chained to the line before it. After a
lost record the chain of the next line is unknown; that line is kept if it is whole JSON with its number, and
the lost record before it says that it is unchecked.

The loss for one defect: doubled, swapped or joined lines lose nothing; a flipped bit in a number or a
checksum loses nothing; a flipped bit elsewhere loses its record; a missing line loses its record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

import msgspec

from codexd_eventstore.format.lines import crc_of
from codexd_eventstore.line_start import CRC_BYTES
from codexd_eventstore.salvage.recover_lines import Junk, Run, follows
from codexd_eventstore.store import Refused

# A misread number could leave a gap of any size; a real gap fits the bytes that were lost.
LOST_MAX: Final = 1_000_000


class Take(msgspec.Struct, frozen=True):
    """Records of a run, from number `first` to `last`."""

    run: Run
    first: int
    last: int


class Mend(msgspec.Struct, frozen=True):
    """A record whose line is repaired: it differs from the line in the file."""

    seq: int
    line: bytes
    start: int
    end: int


class Lost(msgspec.Struct, frozen=True):
    """Numbers of lost records."""

    first: int
    last: int
    size: int = 0  # the unreadable bytes in their place
    is_next_unchecked: bool = False


Part = Take | Mend | Lost


class SalvagePlan:
    """The plan for each number, in order."""

    def __init__(
        self,
        parts: Sequence[Run | Junk],
        line_at: Callable[[Run, int], bytes | None],
        *,
        base: int,
        chains: frozenset[int],
        is_firm: bool,
    ) -> None:
        """Args:
        line_at: a record's line within a run.
        chains: the possible chains before the first record; `is_firm`: it certainly has one of them.
        """
        self._runs = sorted(
            (part for part in parts if isinstance(part, Run)), key=lambda run: run.first
        )
        self._junk = [part for part in parts if isinstance(part, Junk)]
        self._line_at = line_at
        self._seq = base
        self._chains = set(chains)
        self._firm = is_firm
        self._end = 0  # the byte after the last taken record
        self.parts: list[Part] = []

    def make(self, floor: int) -> list[Part]:
        """The whole plan; `floor` is the last number that is known to have been used."""
        while self._runs:
            if not self._step():
                break
        self._cut_unfinished(floor)
        broken = sum(junk.is_line for junk in self._junk if junk.start >= self._end)
        if not broken and self.parts and self._is_open(self.parts[-1]):
            broken = 1  # the rest of an acknowledged append was lost after its last record
        self._lose(max(floor, self._seq + broken), None)
        return self.parts

    def _step(self) -> bool:
        """Take the next records, or give up the next numbers; returns whether there are more parts."""
        wanted = self._seq + 1
        self._runs = [run for run in self._runs if run.last >= wanted]
        here = [run for run in self._runs if run.first <= wanted]
        borne = next((run for run in here if self._bears(run, wanted)), None)
        if borne is not None:
            self._take(borne, wanted, is_checked=True)
        elif self._firm and (mend := self._mended(wanted)) is not None:
            self._add(mend, mend.seq, mend.start, mend.end)
            self._chains, self._firm = {crc_of(mend.line)}, True
        elif here and not self._firm:
            self._take(max(here, key=lambda run: run.last), wanted, is_checked=False)
        elif here:
            self._drop_first(here, wanted)
        elif self._runs:
            self._lose(self._runs[0].first - 1, self._runs[0].start)
        return bool(self._runs)

    def _bears(self, run: Run, seq: int) -> bool:
        """Whether a run's record is chained to the last taken record."""
        line = self._line_at(run, seq)
        return line is not None and any(follows(line, chain) for chain in self._chains)

    def _take(self, run: Run, first: int, *, is_checked: bool) -> None:
        if not is_checked and self.parts and isinstance(lost := self.parts[-1], Lost):
            self.parts[-1] = msgspec.structs.replace(lost, is_next_unchecked=True)
        self._add(Take(run, first, run.last), run.last, run.start, run.end)
        # A single unchecked line may have a wrong checksum itself.
        self._chains = set() if run.crc is None else {run.crc}
        self._firm = is_checked or run.last > first

    def _add(self, part: Part, seq: int, start: int, end: int) -> None:
        self.parts.append(part)
        self._seq, self._end = seq, max(self._end, end)

    def _mended(self, wanted: int) -> Mend | None:
        """The wanted record, if only its number or its checksum is wrong."""
        for run in self._runs:
            is_beside = run.start == self._end and run.first == run.last != wanted
            line = self._line_at(run, run.first) if is_beside or run.first == wanted else None
            if line is None:
                continue
            if is_beside:
                renumbered = b'{"seq":%d%b' % (wanted, line[line.index(b",") :])
                if any(follows(renumbered, chain) for chain in self._chains):
                    self._runs.remove(run)
                    return Mend(wanted, renumbered, run.start, run.end)
            if run.first == wanted:
                for chain in self._chains:
                    crc = crc32(line[:-CRC_BYTES], chain)
                    if any(self._is_next(other, wanted + 1, crc) for other in self._runs):
                        mended = b'%b,"crc":"%08x"}' % (line[:-CRC_BYTES], crc)
                        end = run.start + len(line) + 1
                        return Mend(wanted, mended, run.start, end)
        return None

    def _is_next(self, run: Run, seq: int, chain: int) -> bool:
        if not run.first <= seq <= run.last:
            return False
        line = self._line_at(run, seq)
        return line is not None and follows(line, chain)

    def _drop_first(self, here: list[Run], wanted: int) -> None:
        """The wanted record is broken; junk with its checksum may confirm the next record."""
        guesses = {crc_of(line) for run in here if (line := self._line_at(run, wanted)) is not None}
        start = min(run.start for run in here)
        line = self._line_at(here[0], wanted)
        size = 0 if line is None else len(line) + 1
        self._lose(wanted, None, size)
        self._chains |= guesses
        self._end = max(self._end, start + size)

    def _lose(self, last: int, start: int | None, size: int = 0) -> None:
        """Give up the numbers up to `last`; `start` is the byte where the next part begins."""
        if last <= self._seq:
            return
        if last - self._seq > LOST_MAX:
            raise Refused(
                f"record {self._seq + 1} and the next {last - self._seq - 1} would be lost, more than"
                f" {LOST_MAX}: nothing was changed"
            )
        if start is not None or not size:
            stop = start if start is not None else max([junk.end for junk in self._junk], default=0)
            size = max(0, stop - self._end)
        between = [
            j for j in self._junk if self._end <= j.start and (start is None or j.end <= start)
        ]
        guesses = {junk.crc for junk in between if junk.crc is not None}
        self._join(Lost(self._seq + 1, last, size))
        self._seq, self._chains, self._firm = last, guesses, False

    def _join(self, lost: Lost) -> None:
        """Merge adjacent gaps."""
        if self.parts and isinstance(before := self.parts[-1], Lost):
            self.parts[-1] = Lost(before.first, lost.last, before.size + lost.size)
        else:
            self.parts.append(lost)

    def _is_open(self, part: Part) -> bool:
        """Whether the append at the end of a part continues after it."""
        if isinstance(part, Take):
            return part.run.closed < part.last
        return (
            isinstance(part, Mend) and b',"more":true,' in part.line[: part.line.index(b',"data":')]
        )

    def _cut_unfinished(self, floor: int) -> None:
        """Leave out the start of an append whose end is missing, if it was never acknowledged."""
        while self.parts and self._seq > floor and isinstance(take := self.parts[-1], Take):
            closed = max(take.run.closed, floor)
            if closed >= take.last:
                return
            self.parts.pop()
            self._seq = max(closed, take.first - 1)
            if closed >= take.first:
                self.parts.append(Take(take.run, take.first, closed))
                return
