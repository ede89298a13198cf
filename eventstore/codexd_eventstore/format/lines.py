r"""The format of a record: one line of JSON that ends in a checksum over itself and all lines before it.

    {"seq":7,"at":"2026-11-21T03:00:00.000000Z","type":"order.shipped","by":"ann","data":{…},"crc":"0a1b2c3d"}

Law: only this file knows how a line is written and what it takes for one to be whole.

The members stand in this order, and those that say nothing are left out: `seq`, `at`, `type`, `v` (not for 1),
`more` (on every event of an append but the last), `key` (on the first event of an append that has one),
`parent` (on a fork's first), `synced` (where the record in front of it was not known to be on disk when it was
framed: the last one that was), the caller's members, `data`, `seal` (where the store has a key; `seals.py`), `crc`. The checksum is crc32 of the bytes in front
of `,"crc"`, continued from the line before; the chain begins at crc32 of the stream's name, and a fork's at
its parent's. So a line that is torn, flipped, missing, doubled or swapped shows. A newline only ever ends a
record, because JSON writes those within strings as `\n`, and a NUL byte is never part of one.
"""

from __future__ import annotations

import itertools
import re
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from operator import itemgetter
from typing import Annotated, Final
from zlib import crc32

import msgspec

from codexd_eventstore.format.seals import SEAL_BYTES, Seal, seal_in
from codexd_eventstore.line_start import CRC_BYTES, time_of, type_place
from codexd_eventstore.store import RECORD_BYTES_MAX, NewEvent, Record, Refused

_END_BYTES: Final = CRC_BYTES + 1  # with the newline
_end_of: Final = itemgetter(slice(-_END_BYTES, None))
_without_end: Final = itemgetter(slice(-_END_BYTES))
_without_newline: Final = itemgetter(slice(-1))
# The years that `at` can write with four digits.
AT_US_MAX: Final = 253_402_300_799_999_999
# A key comes from a frontend; this is a few times a UUID.
KEY_CHARS_MAX: Final = 256
# An append is written in one piece and torn as a whole, so its number of events is bounded like that of a page.
APPEND_EVENTS_MAX: Final = 1024
# Records differ little outside of their data: by type, and by the caller's members, which a turn's records share.
KINDS_KEPT_MAX: Final = 256

_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,127}")
_FIRST: Final = re.compile(rb'\{"seq":(?P<seq>[0-9]{1,18}),"at":"[^"]{27}","type":"[^"\\]{0,128}+"')
_MARKS: Final = re.compile(
    rb'(?:,"v":[0-9]{1,18}+)?(?P<more>,"more":true)?(?:,"key":(?P<key>"(?:[^"\\]|\\.)*+"))?'
    rb'(?:,"parent":(?P<parent>\{[^}]*+\}))?(?:,"synced":(?P<synced>[0-9]{1,18}))?'
)
# The member before a record's type, at an offset that follows from its number.
_TYPE_BEGINS: Final = b'","type":"'
_OPENS, _CLOSES, _NEWLINE = b"{}\n"  # as integers
_RESERVED: Final = re.compile(rb'"(?:v|more|key|parent|synced|data|crc)"')
# The first letters of `v`, `more`, `key` and `parent`: a record without any of them has no flags.
_MARK_LETTERS: Final = b"vmkp"
# The flags of most records that have any: only this, and then another member.
_ONLY_MORE: Final = b',"more":true,"'


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The fork point in the parent, and the parent's checksum there, so that a fork can be checked alone."""

    stream: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    seq: Annotated[int, msgspec.Meta(ge=0)]
    crc: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}$")]

    @property
    def chain(self) -> int:
        """The number that the fork's own chain continues from."""
        return int(self.crc, 16)


class AppendFlags(msgspec.Struct, frozen=True, gc=False):
    """The members of a record about its append."""

    more: bool = False
    key: str | None = None


NO_MARKS: Final = AppendFlags()
_MORE: Final = AppendFlags(more=True)


def chain_start(stream: str) -> int:
    """The number that the chain of a stream without a parent begins with."""
    return crc32(stream.encode())


def crc_of(line: bytes) -> int:
    """The checksum that a whole line ends in."""
    return int(line[-10:-2], 16)


def origin_at(stream: str, seq: int, chain: int) -> Origin:
    """The origin to write into a fork's first record."""
    return Origin(stream, seq, f"{chain:08x}")


@lru_cache(maxsize=8)
def _second(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()


def at_text(at_us: int) -> bytes:
    """A time as records write it. Raises: Refused outside of 1970 to 9999."""
    if not 0 <= at_us <= AT_US_MAX:
        raise Refused(f"the time {at_us} µs is not between 1970 and 9999: nothing was appended")
    seconds, micros = divmod(at_us, 1_000_000)
    return b"%b.%06dZ" % (_second(seconds), micros)


def at_us_of(record: Record) -> int:
    """The time that a record carries, in microseconds since 1970; 0 where it is no time."""
    return time_of(record.seq, record.line)


def frame(
    events: Sequence[NewEvent],
    *,
    after: int,
    chain: int,
    at_us: int,
    key: str | None = None,
    origin: Origin | None = None,
    synced: int | None = None,
    seal: Seal | None = None,
) -> list[Record]:
    """The records of one append after `after`. Raises: Refused, and then nothing has changed.

    `synced` is the last `seq` that is known to be on disk; None for all up to `after`.
    """
    if not 0 < len(events) <= APPEND_EVENTS_MAX:
        raise Refused(f"an append has 1 to {APPEND_EVENTS_MAX} events, not {len(events)}")
    at = at_text(at_us)
    special = b"" if key is None and origin is None else _first_members(key, origin)
    later = b""
    if synced is not None and synced < after:
        later = _synced(synced)
        special += later
    elif len(events) > 1:
        later = _synced(after)  # the first is not on disk before the second is framed
    last = after + len(events)
    records = []
    for seq, event in enumerate(events, after + 1):
        if seq < last:
            special = b',"more":true' + special
        type_, data = event.type, event.data
        kind, members = _around_marks(type_, event.v, event.members)
        body = b'{"seq":%d,"at":"%b%b%b%b%b' % (seq, at, kind, special, members, data)
        if not data or data[0] != _OPENS or data[-1] != _CLOSES or _NEWLINE in body:
            raise Refused(f"{type_}: its data is no JSON object in one line: nothing was appended")
        if seal is not None and not event.foreign:
            body += seal.member(body)
        chain = crc32(body, chain)
        line = body + b',"crc":"%08x"}' % chain
        if len(line) > RECORD_BYTES_MAX:
            raise Refused(f"{type_}: {len(line)} bytes are over {RECORD_BYTES_MAX}")
        records.append(Record(seq, line))
        special = later
    return records


@lru_cache(maxsize=KINDS_KEPT_MAX)
def _around_marks(type_: str, v: int, members: bytes) -> tuple[bytes, bytes]:
    """The members between a record's time and its data, before and after its flags. Raises: Refused."""
    if not _TYPE.fullmatch(type_):
        raise Refused(f"{type_!r} is not an event type: letters, digits and _ . / : - are allowed")
    if _RESERVED.match(members):
        raise Refused(f"{type_}: {members[:12]!r} is the store's own: nothing was appended")
    version = b"" if v == 1 else b',"v":%d' % v
    before = b"," if members else b""
    return b'","type":"%b"%b' % (type_.encode(), version), b'%b%b,"data":' % (before, members)


@lru_cache(maxsize=8)
def _synced(seq: int) -> bytes:
    return b',"synced":%d' % seq


def _first_members(key: str | None, origin: Origin | None) -> bytes:
    members = b""
    if key is not None:
        if not 0 < len(key) <= KEY_CHARS_MAX:
            raise Refused(f"a key has 1 to {KEY_CHARS_MAX} characters, not {len(key)}")
        members = b',"key":' + msgspec.json.encode(key)
    if origin is not None:
        members += b',"parent":' + msgspec.json.encode(origin)
    return members


def read_lines(piece: bytes, after: int, chain: int) -> tuple[list[Record], int, int]:
    """The whole records at the start of `piece`, in order, checked.

    Returns the records, their size in bytes with newlines, and the chain after them. Reading ends at the
    first line that is not whole, without an error: the caller knows how many there must be.
    """
    lines, size, chain = check_lines(piece, after, chain)
    return records_of(lines, after), size, chain


def check_lines(piece: bytes, after: int, chain: int) -> tuple[list[bytes], int, int]:
    """The same as lines, each with its newline, for callers that need no records."""
    lines, size = BytesIO(piece).readlines(), len(piece)
    if lines and not lines[-1].endswith(b"\n"):
        size -= len(lines.pop())
    if not lines:
        return lines, 0, chain
    before = chain
    chains = [chain := crc32(body, chain) for body in map(_without_end, lines)]
    # All ends are compared at once; which is wrong matters only if one is.
    if _ends(chains) != b"".join(map(_end_of, lines)):
        pairs = zip(lines, chains, strict=True)
        whole = next(at for at, (line, crc) in enumerate(pairs) if _end_of(line) != _ends([crc]))
        lines, chain = lines[:whole], chains[whole - 1] if whole else before
        size = sum(map(len, lines))
    if not _begin_rightly(lines, after):
        return _numbered(lines, after, before)
    return lines, size, chain


def _ends(chains: Sequence[int]) -> bytes:
    """The ends of the lines with these checksums, joined: made at once, which takes a third of the time."""
    digits = struct.pack(f">{len(chains)}I", *chains).hex(",", 4)
    between = '"}\n,"crc":"'
    return f',"crc":"{digits.replace(",", between)}"}}\n'.encode()


def records_of(lines: Sequence[bytes], after: int) -> list[Record]:
    """The records that checked lines hold, the first of which is number `after` + 1."""
    numbers = range(after + 1, after + 1 + len(lines))
    return list(map(Record, numbers, map(_without_newline, lines)))


def _bears(line: bytes, seq: int) -> bool:
    return line.startswith(b'{"seq":%d,"at":"' % seq)


def _begin_rightly(lines: list[bytes], after: int) -> bool:
    """Whether lines with valid checksums begin as records do, since another program may have written them."""
    # The chain fixes the order of the lines, so the first and the last number prove those between them.
    if lines and not (_bears(lines[0], after + 1) and _bears(lines[-1], after + len(lines))):
        return False
    start = 0
    while start < len(lines):
        digits = len(str(after + start + 1))
        stop = min(len(lines), 10**digits - 1 - after)
        end = type_place(digits)
        found = b"".join(map(itemgetter(slice(end - len(_TYPE_BEGINS), end)), lines[start:stop]))
        # All are compared at once, in a fifteenth of the time that checking a line takes.
        if found != _TYPE_BEGINS * (stop - start):
            return False
        start = stop
    return True


def _numbered(lines: list[bytes], after: int, chain: int) -> tuple[list[bytes], int, int]:
    """The lines at the start that are records with the expected numbers."""
    numbers = itertools.count(after)
    kept = list(itertools.takewhile(lambda line: _begin_rightly([line], next(numbers)), lines))
    if kept:
        chain = crc_of(kept[-1][:-1])
    return kept, sum(map(len, kept)), chain


def keys_in(lines: Sequence[bytes], after: int) -> list[tuple[int, str]]:
    """The keys in checked lines, each with the index of its line."""
    keys: list[tuple[int, str]] = []
    start = 0
    while start < len(lines):
        digits = len(str(after + start + 1))
        stop = min(len(lines), 10**digits - 1 - after)
        begin = type_place(digits)
        for at, line in enumerate(lines[start:stop], start):
            end = line.find(b'"', begin) + 1
            if line[end + 2] not in _MARK_LETTERS:
                continue
            if line[end : end + 14] != _ONLY_MORE or line[end + 14] in _MARK_LETTERS:
                key = _marks_at(line, end).key
                if key is not None:
                    keys.append((at, key))
        start = stop
    return keys


def marks_of(record: Record) -> AppendFlags:
    """The flags of a whole record."""
    line = record.line
    end = line.find(b'"', type_place(len(str(record.seq)))) + 1
    if line[end + 2] not in _MARK_LETTERS:
        return NO_MARKS
    if line[end : end + 14] == _ONLY_MORE and line[end + 14] not in _MARK_LETTERS:
        return _MORE
    return _marks_at(line, end)


def claim_of(line: bytes) -> tuple[int, int] | None:
    """A line's number, and the record up to which all was on disk when the line was framed.

    None for bytes that do not begin like a record.
    """
    first = _FIRST.match(line)
    found = first and _MARKS.match(line, first.end())
    if not first or not found:
        return None
    seq = int(first["seq"])
    return seq, seq - 1 if found["synced"] is None else int(found["synced"])


class _Data(msgspec.Struct, frozen=True):
    data: msgspec.Raw


def rechained(line: bytes, chain: int) -> bytes:
    """The same line after another chain: only its checksum differs."""
    body = line[:-CRC_BYTES]
    return b'%b,"crc":"%08x"}' % (body, crc32(body, chain))


def with_data(record: Record, data: bytes, chain: int, seal: Seal | None = None) -> bytes:
    """The line of a record with other data. Raises: Refused, and then nothing has changed.

    A record with a seal of this store is sealed again; another seal is dropped, since it is no longer valid.
    """
    try:
        msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = (
            f"record {record.seq}: its new data is not a JSON object ({error}): nothing was written"
        )
        raise Refused(why) from error
    try:
        old = msgspec.json.decode(record.line, type=_Data).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = f"record {record.seq} is not what a store writes ({error}): nothing was written"
        raise Refused(why) from error
    end = -CRC_BYTES - (SEAL_BYTES if seal_in(record.line) else 0)
    body = record.line[: end - len(bytes(old))] + data
    if seal is not None and seal.holds(record.line):
        body += seal.member(body)
    line = b'%b,"crc":"%08x"}' % (body, crc32(body, chain))
    if b"\n" in body or len(line) > RECORD_BYTES_MAX:
        raise Refused(
            f"record {record.seq}: its new data has a newline or makes it longer than"
            f" {RECORD_BYTES_MAX} bytes: nothing was written"
        )
    return line


def origin_in(start: bytes) -> Origin | None:
    """The origin that a file's first bytes name, unchecked; None for a stream without a parent."""
    first = _FIRST.match(start)
    found = first and _MARKS.match(start, first.end())
    if not found or found["parent"] is None:
        return None
    try:
        return msgspec.json.decode(found["parent"], type=Origin)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the first line is broken, which a check will find


def _marks_at(line: bytes, end: int) -> AppendFlags:
    found = _MARKS.match(line, end)
    if found is None:  # pragma: no cover - every part of the pattern is optional
        return NO_MARKS
    more, key = found["more"] is not None, None
    if found["key"] is not None:
        # A key that is no text was never accepted.
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            key = msgspec.json.decode(found["key"], type=str)
    return AppendFlags(more=more, key=key)
