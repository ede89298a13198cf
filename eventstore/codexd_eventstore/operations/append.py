"""Appending: the expected version, the idempotency key and the archive are checked before a record is framed.

Law: between the check and the committer's taking the records there is no `await`.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
from msgspec.structs import replace

from codexd_eventstore.format.lines import frame
from codexd_eventstore.log.log import Log, appended
from codexd_eventstore.log.read import read_range
from codexd_eventstore.operations.engine import Engine, check_alive
from codexd_eventstore.operations.lookup import find_key
from codexd_eventstore.store import Appended, Conflict, NewEvent, NotFound, Refused, StoreError


async def append(
    engine: Engine,
    stream: str,
    events: Sequence[NewEvent],
    *,
    expected_version: int,
    at_us: int,
    durable: bool,
    key: str | None = None,
) -> Appended:
    """See the contract; cancelled after it was accepted, it is appended all the same."""
    await trio.lowlevel.checkpoint_if_cancelled()
    events, redacted = await engine.redacting.ready(events)
    asked: tuple[Log, int] | None = None  # where the key was looked for and is not
    while True:
        log = engine.open_logs.get(stream)
        if log is None:
            await _open_or_add(engine, stream, expected_version)
            continue
        if key is not None:
            if (span := log.keys.get(key)) is not None:
                return await _first_answer(engine, log, span, durable)
            if (flight := log.in_flight(key)) is not None:
                await flight.wait()
                continue
            asking = (log, log.keys.after)
            if log.keys.after > log.base and asked != asking:
                if (span := await find_key(engine, log, key)) is not None:
                    return await _first_answer(engine, log, span, durable)
                asked = asking
                continue
        _check_appendable(log, expected_version)
        if (crowd := engine.committer.crowded(log)) is None:
            break
        await crowd.done.wait()  # its errors are raised to its own waiters
    answer = await _commit(engine, log, events, at_us=at_us, durable=durable, key=key)
    return replace(answer, redacted=True) if redacted else answer


async def _commit(
    engine: Engine,
    log: Log,
    events: Sequence[NewEvent],
    *,
    at_us: int,
    durable: bool,
    key: str | None,
) -> Appended:
    """Frame what was checked and hand it over; nothing may have been awaited since the checks."""
    at_us = max(at_us, log.accepted_at_us)
    try:
        records = frame(
            events,
            after=log.accepted_version,
            chain=log.accepted_chain,
            at_us=at_us,
            key=key,
            synced=log.synced_version,
            seal=engine.seal_of(log.stream),
        )
        batch = engine.committer.append(log, records, at_us=at_us, durable=durable, key=key)
    except StoreError:
        engine.rest(log)  # it may have been added for this append alone
        raise
    if batch is not None:
        await batch.wait()
    return appended(records)


def _check_appendable(log: Log, expected_version: int) -> None:
    check_alive(log)
    if log.archived:
        raise Refused(f"stream {log.stream} is archived: nothing was appended")
    if expected_version != log.accepted_version:
        if log.accepted_version == 0:
            raise NotFound(f"there is no stream {log.stream}: nothing was appended")
        raise Conflict(log.stream, expected_version, log.accepted_version)


async def _open_or_add(engine: Engine, stream: str, expected_version: int) -> None:
    async with engine.open_logs.gate(stream):
        try:
            await engine.open_logs.open_gated(stream)
        except NotFound:
            if expected_version != 0:
                raise
            engine.open_logs.add_new(stream)


async def _first_answer(engine: Engine, log: Log, span: tuple[int, int], durable: bool) -> Appended:
    if durable:
        await engine.committer.settle(log)
    records = await read_range(engine.open_logs, engine.fs, log, *span)
    return Appended(*span, tuple(records), repeated=True)
