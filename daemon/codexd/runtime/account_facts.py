"""Facts about the account in the daemon's own stream: logins, logouts, changes of config.toml, rate limits. I/O.

A failure to write or read one is logged, and ends nothing: no turn depends on them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from codexd.runtime.daemon_stream import DAEMON_STREAM, note
from codexd_eventstore.event_log import EventLog, NewEvent, NotFound, StoreError
from codexd_eventstore.reading import records_back

log = logging.getLogger(__name__)

RATE_LIMITS: Final = "rate_limits.observed"
# How far the newest fact of an account is looked for, from the end of the stream: far more than a month has.
RECALLED_RECORDS_MAX: Final = 20_000

T = TypeVar("T")


class _Line(msgspec.Struct, frozen=True):
    data: msgspec.Raw


class AccountFacts:
    """Writes and finds them."""

    def __init__(self, store: EventLog) -> None:
        self._store = store

    async def note(self, kind: str, fact: object) -> None:
        """Append a fact."""
        event = NewEvent(kind, msgspec.json.encode(fact))
        try:
            await note(
                self._store,
                event,
                key=f"{kind}:{os.urandom(16).hex()}",
                at_us=time.time_ns() // 1000,
            )
        except StoreError as error:
            log.warning("%s was not recorded: %s", kind, error)

    async def newest(self, kind: str, fact: type[T], wanted: Callable[[T], bool]) -> T | None:
        """The newest fact of a kind that is wanted."""
        looked = 0
        try:
            async for record in records_back(self._store, DAEMON_STREAM):
                looked += 1
                if looked > RECALLED_RECORDS_MAX:
                    return None
                if record.type == kind:
                    found = msgspec.json.decode(record.line, type=_Line).data
                    read = msgspec.json.decode(found, type=fact)
                    if wanted(read):
                        return read
        except NotFound:
            return None
        except (StoreError, msgspec.DecodeError) as error:
            log.warning("%s cannot be looked up: %s", kind, error)
        return None
