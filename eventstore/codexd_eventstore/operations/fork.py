"""Forking: a child's first record names its parent, and nothing is copied.

Law: a child names only records that a power cut cannot take from its parent any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from codexd_eventstore.disk.layout import check_name
from codexd_eventstore.format.lines import frame, origin_at
from codexd_eventstore.log.log import appended, forked_lineage
from codexd_eventstore.log.read import fork_point
from codexd_eventstore.operations.engine import Engine, check_alive
from codexd_eventstore.store import Appended, Exists, NewEvent


async def fork(
    engine: Engine, parent: str, at_seq: int, child: str, events: Sequence[NewEvent], *, at_us: int
) -> Appended:
    """Make `child` share the records of `parent` up to `at_seq`, by reference, and append to it."""
    check_name(child, "stream")
    events, redacted = await engine.redacting.ready(events)
    open_logs = engine.open_logs
    async with engine.forks.forking(parent):
        source = await open_logs.open(parent)
        chain, parent_at_us = await fork_point(open_logs, engine.fs, source, at_seq)
        check_alive(source)
        await engine.committer.settle(source)
        at_us = max(at_us, parent_at_us)
        origin = origin_at(parent, at_seq, chain)
        records = frame(
            events,
            after=at_seq,
            chain=chain,
            at_us=at_us,
            origin=origin,
            seal=engine.seal_of(child),
        )
        async with open_logs.gate(child):
            if open_logs.get(child) is not None or open_logs.is_there(child):
                raise Exists(f"there is a stream {child} already: nothing was forked")
            log = open_logs.add_new(child, origin)
            log.lineage = forked_lineage(source.lineage, parent, at_seq)
            # Accepted before another task can find the stream without a record.
            batch = engine.committer.append(log, records, at_us=at_us, durable=True, key=None)
        if batch is not None:
            await batch.wait()
        engine.forks.add(child, origin)
    return appended(records, redacted=redacted)
