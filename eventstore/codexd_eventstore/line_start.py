"""How the line of a record begins: `{"seq":7,"at":"2026-11-21T03:00:00.000000Z","type":"order.shipped"`.

Law: the time is always equally long, so the type's position follows from the number and nothing is searched for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

# The bytes of `2026-11-21T03:00:00.000000Z`: fixed, so that what follows it is found by counting.
AT_BYTES: Final = 27
# The bytes of `,"crc":"xxxxxxxx"}`, the end of every record.
CRC_BYTES: Final = 18
# Event types are few; this only bounds what a caller that makes them up could fill.
TYPES_KEPT_MAX: Final = 1024

# The bytes of `{"seq":`, `,"at":"` and `","type":"`.
_AROUND_BYTES: Final = 7 + 7 + 10


class _Types(dict[bytes, str]):
    """The types that were read: each is one string, for any number of records."""

    def __missing__(self, type_: bytes) -> str:
        text = type_.decode(errors="replace")
        if len(self) < TYPES_KEPT_MAX:
            self[type_] = text
        return text


_TYPES: Final = _Types()


def type_place(digits: int) -> int:
    """Where the type begins in a line whose number has this many digits."""
    return _AROUND_BYTES + AT_BYTES + digits


def type_of(seq: int, line: bytes) -> str:
    """The type that the line of a record bears."""
    begin = type_place(len(str(seq)))
    return _TYPES[line[begin : line.find(b'"', begin)]]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(seq: int, line: bytes) -> int:
    """The time that the line of a record bears, in microseconds since 1970; 0 where it is no time."""
    end = type_place(len(str(seq))) - 10
    try:
        moment = datetime.fromisoformat(line[end - AT_BYTES : end].decode())
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        return 0
