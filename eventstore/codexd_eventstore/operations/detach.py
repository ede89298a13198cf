"""Detaching a fork: it gets copies of the inherited records before its own, and needs no parent.

The copies keep the seals of the streams that they were written for; the store notes which streams these are.

Law: no checksum chain changes, unless an ancestor was rewritten after the fork; so the forks of a detached
stream stay valid. Either way its preface names the positions of its forks.
"""

from __future__ import annotations

from collections.abc import Iterator

from codexd_eventstore.format.lines import crc_of, rechained
from codexd_eventstore.format.preface import Preface, preface_line
from codexd_eventstore.log.log import Log
from codexd_eventstore.log.verify import known_crcs
from codexd_eventstore.log.walk import Walk
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.operations.rewrite import Cuts, Successor, merged, standstill


async def detach(engine: Engine, child: str, *, at_us: int) -> None:
    """Give a fork copies of what it inherited. Raises: Damaged, NotFound, StoreFailed."""
    async with standstill(engine, child) as log:
        if log.origin is not None:
            await blocking(engine.unsealed.inherit, child, log.lineage)
            await blocking(engine.inherited.inherit, child, log.lineage)
            await blocking(_detach, engine, log, at_us)
            engine.forks.forget(child)
            await engine.forget_notes(child, checkpoints=False)
    engine.hub.tell(child)


def _detach(engine: Engine, log: Log, at_us: int) -> None:
    copying = _Copying(engine, log)
    preface = Preface(log.start.preface.generation + 1, copying.root(), copying.cuts(), "detached")
    successor = Successor(engine.fs, engine.layout, log.stream)
    successor.write(preface_line(log.stream, preface, at_us), copying.lines())
    successor.take_place(log.path)


class _Copying:
    """The records of a stream, the inherited ones included, in one chain. Blocks."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self._engine = engine
        self._log = log
        # Each file with the records to take from it: after the first number, up to the second.
        self._spans: list[tuple[Walk, int, int]] = []
        after = 0
        for stream, last in (*log.lineage, (log.stream, log.version)):
            path = log.path if stream == log.stream else engine.open_logs.find(stream)[0]
            if last > after:
                self._spans.append((Walk(engine.fs, path, stream, last), after, last))
                after = last

    def root(self) -> str:
        """The name that the chain begins with."""
        first = self._spans[0][0]
        start = first.read_start()
        if start.origin is not None:
            return start.origin.stream  # it was forked before its parent's first record
        return start.preface.root or first.stream

    def cuts(self) -> Cuts:
        """Where forks left any of it, or may have."""
        cuts: dict[int, set[int]] = {}
        for walk, after, last in self._spans:
            for seq in walk.read_start().preface.cuts:
                if after < seq <= last:
                    cuts.setdefault(seq, set()).update(walk.start.cuts_at(seq))
        leaving = self._engine.forks.leaving(self._log.stream)
        for seq in {seq for seq, _ in leaving if seq}:
            known = known_crcs(self._engine.fs, self._engine.open_logs, self._log.stream, seq)
            cuts.setdefault(seq, set()).update(known & {crc for at, crc in leaving if at == seq})
        return merged({seq: crcs for seq, crcs in cuts.items() if crcs})

    def lines(self) -> Iterator[bytes]:
        chain = self._spans[0][0].read_start().chain(self._spans[0][0].stream)
        for walk, after, _ in self._spans:
            for record in walk.records():
                if record.seq > after:
                    line = rechained(record.line, chain)
                    chain = crc_of(line)
                    yield line
