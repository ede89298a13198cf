"""Decodes a record of the log: the envelope, and the event within."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from codexd.core.events.events import EVENTS, Event, InvalidEvent, Unknown, decode_event

Data = TypeVar("Data")


class _Line(msgspec.Struct, Generic[Data], frozen=True, gc=False):
    seq: int
    at: str
    type: str
    data: Data
    v: int = 1
    by: str | None = None
    turn: str | None = None
    key: str | None = None


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The envelope of a record whose event is not decoded, for copying it into another log."""

    type: str
    v: int
    data: bytes
    at_us: int  # Unix time in microseconds
    members: bytes  # as `encode_members` makes them: who caused it and its turn


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event with its envelope."""

    seq: int
    at_ms: int  # Unix time in ms; order is by seq, never by this
    event: Event | Unknown
    by: str | None = None  # the origin, as "kind:connection"; None is the daemon
    turn: str | None = None
    key: str | None = None  # the idempotency key of the request
    foreign: bool = False  # not written here; only set when a thread is loaded


_LINE = msgspec.json.Decoder(_Line[msgspec.Raw])
_LINE_OF: dict[bytes, msgspec.json.Decoder[_Line[Event]]] = {}  # by tag, each made at its first use
_members = msgspec.json.Encoder().encode

# ValueError: InvalidEvent, an invalid time, or invalid UTF-8; RecursionError: too deeply nested.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

_TYPE = b'"type":"'
# The type follows `seq` and `at`, which cannot contain it.
_TYPE_WITHIN_BYTES = 120


def make_decoders() -> None:
    """Make the decoders of all events. Call it before a second thread decodes records.

    msgspec 0.22 publishes its data on a struct before it is complete, since structs may be recursive.
    A thread that decodes while another thread makes a decoder may read a null pointer, and the
    process crashes. Complete data is never written again.
    """
    for tag, kind in EVENTS.items():
        _LINE_OF.setdefault(tag.encode(), msgspec.json.Decoder(_Line[kind]))  # type: ignore[valid-type]


def decode_record(line: bytes) -> Recorded:
    """Read a line of a thread's log. Raises: InvalidEvent, naming the record."""
    start = line.find(_TYPE, 0, _TYPE_WITHIN_BYTES) + len(_TYPE)
    tag = line[start : line.find(b'"', start)]
    decoder = _LINE_OF.get(tag)
    if decoder is None:
        kind = EVENTS.get(tag.decode(errors="replace"))
        if kind is None:
            return _decode_slowly(line)
        decoder = _LINE_OF[tag] = msgspec.json.Decoder(_Line[kind])  # type: ignore[valid-type]
    try:
        record = decoder.decode(line)
        event = record.data
        if record.v == event.v:
            at_ms = parse_at_ms(record.at)
            return Recorded(record.seq, at_ms, event, record.by, record.turn, record.key)
    except _UNREADABLE:
        pass  # Another version, or unreadable: decided below.
    return _decode_slowly(line)


def decode_envelope(line: bytes) -> Envelope:
    """Parse a line of a thread's log, of any type. Raises: InvalidEvent.

    Its idempotency key is left out, since a key belongs to one log.
    """
    try:
        record = _LINE.decode(line)
        at_us = parse_at_ms(record.at) * 1000 + int(record.at[23:26])
    except _UNREADABLE as error:
        raise InvalidEvent(f"record {line[:40]!r}…: {error}") from error
    members = encode_members(record.by, record.turn)
    return Envelope(record.type, record.v, bytes(record.data), at_us, members)


def _decode_slowly(line: bytes) -> Recorded:
    """Read a line of an unknown type or of another version: the envelope first, then the event."""
    try:
        record = _LINE.decode(line)
        event = decode_event(record.type, record.v, record.data)
        at_ms = parse_at_ms(record.at)
    except _UNREADABLE as error:
        raise InvalidEvent(f"record {line[:40]!r}…: {error}") from error
    return Recorded(record.seq, at_ms, event, record.by, record.turn, record.key)


_minutes: dict[str, int] = {}  # "2026-11-21T03:05" -> its first ms; a turn lies within a few


def parse_at_ms(at: str) -> int:
    """Unix ms of a record's time, which always reads `YYYY-MM-DDThh:mm:ss.ffffffZ`."""
    minute = _minutes.get(at[:16])
    if minute is None:
        if len(_minutes) >= _MINUTES_KEPT_MAX:
            _minutes.clear()
        day = _first_ms(int(at[:4]), int(at[5:7]), int(at[8:10]))
        minute = _minutes[at[:16]] = day + int(at[11:13]) * 3_600_000 + int(at[14:16]) * 60_000
    return minute + int(at[17:19] + at[20:23])


# Minutes whose first ms is cached: those of a long day's work, in some 100 KB.
_MINUTES_KEPT_MAX = 1000


def _first_ms(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March, in ms."""
    year -= month <= 2
    century_days = year * 365 + year // 4 - year // 100 + year // 400
    days = century_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468
    return days * 86_400_000


def encode_members(by: str | None, turn: str | None) -> bytes:
    """The envelope's members for the store to insert into the record."""
    by_text = b'"by":' + _members(by) if by is not None else b""
    turn_text = b'"turn":' + _members(turn) if turn is not None else b""
    return by_text + (b"," if by_text and turn_text else b"") + turn_text
