"""Rewriting in the engine without files, by the rules of the default engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from codexd_eventstore.disk.blobs import names_in
from codexd_eventstore.format.lines import crc_of, rechained, with_data
from codexd_eventstore.memory.streams import MemoryStream
from codexd_eventstore.store import Record, Rewritten


def detach(child: MemoryStream) -> None:
    """Make what a stream inherited its own."""
    child.records = _chained(child.records, child.beginning)
    child.origin, child.base = None, 0
    child.generation += 1


def scrub(
    held: MemoryStream, streams: Iterable[MemoryStream], edit: Callable[[Record], bytes | None]
) -> Rewritten:
    """Give records other data; descendants read what they inherited as it is now."""
    chain = held.beginning if held.origin is None else held.origin.chain
    own: list[Record] = []
    changed = 0
    for record in held.records[held.base :]:
        data = edit(record)
        line = rechained(record.line, chain)
        seal = None if held.writers is None else held.writers.at(record.seq)
        if data is not None and (edited := with_data(record, data, chain, seal)) != line:
            line, changed = edited, changed + 1
        chain = crc_of(line)
        own.append(Record(record.seq, line))
    if changed:
        held.records[held.base :] = own
        held.generation += 1
        _pass_on(held, list(streams))
    return Rewritten(held.name, held.generation, len(own), changed)


def named_by(records: Sequence[Record]) -> set[str]:
    """The texts in them that may be names of blobs."""
    return {name for record in records for name in names_in(record.line)}


def _pass_on(held: MemoryStream, streams: Sequence[MemoryStream]) -> None:
    for child in streams:
        if child.origin is not None and child.origin.stream == held.name:
            child.records[: child.base] = held.records[: child.base]
            _pass_on(child, streams)


def _chained(records: Sequence[Record], chain: int) -> list[Record]:
    """The same in one chain, which they may not be where an ancestor was scrubbed."""
    chained = []
    for record in records:
        line = rechained(record.line, chain)
        chain = crc_of(line)
        chained.append(Record(record.seq, line))
    return chained
