"""Seals: a mark on each record by which a store knows again what it has written itself. Pure.

A checksum says that a line is whole, and anybody can compute one. A seal is computed with a key that lies in the
store's own folder (`own_records.py`) and goes into no package, so whoever writes a record elsewhere cannot make one.

    {"seq":7,…,"data":{…},"seal":"0123456789abcdef","crc":"0a1b2c3d"}

It is over the name of the stream that the record was written for, and the bytes of the line in front of it, of which
the first are the record's number. So a record that is moved to another stream or number has a wrong seal. The
checksum is not under it: a log that is chained again keeps its seals. A folder that is moved with all that is in it
keeps its key, and therefore knows its records.

Law: only this file knows how a seal is made and where it stands.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from codexd_eventstore.line_start import CRC_BYTES
from codexd_eventstore.store import Record

KEY_BYTES: Final = 32
# More than are appended to at a time; each takes half a kilobyte.
_STREAMS_KEPT: Final = 256
# 64 bits: whoever wants to guess one has a try for each log that a person puts into the folder.
_DIGITS: Final = 16
_MEMBER: Final = b',"seal":"'
SEAL_BYTES: Final = len(_MEMBER) + _DIGITS + 1
_BODY: Final = slice(-CRC_BYTES - SEAL_BYTES)
_SEAL: Final = slice(-CRC_BYTES - SEAL_BYTES, -CRC_BYTES)


class Seals:
    """The key of a store."""

    def __init__(self, key: bytes) -> None:
        self._base = hashlib.blake2b(key=key, digest_size=_DIGITS // 2)
        # Making one takes as long as sealing a record, and every append needs one.
        self._kept = lru_cache(_STREAMS_KEPT)(self._of)

    def of(self, stream: str) -> Seal:
        """What is used for the records of one stream."""
        return self._kept(stream)

    def _of(self, stream: str) -> Seal:
        base = self._base.copy()
        # No name has the brace that every line begins with, so nothing else can be read as the two together.
        base.update(stream.encode())
        return Seal(base)


class Seal:
    """Makes the seals of one stream's records, and checks them."""

    def __init__(self, base: hashlib.blake2b) -> None:
        self._base = base

    def member(self, body: bytes) -> bytes:
        """The member that goes behind these bytes."""
        made = self._base.copy()
        made.update(body)
        return b'%b%b"' % (_MEMBER, hexlify(made.digest()))

    def holds(self, line: bytes) -> bool:
        """Whether a record's line was sealed for this stream with this key, and is what it was then."""
        # Whoever puts a record into a log is not told how long this took.
        return line[_SEAL] == self.member(line[_BODY])


class Writers:
    """By which seal each record of a stream is known: one that was inherited has that of the elder it was written for."""

    def __init__(self, seals: Seals, stream: str, lineage: Iterable[tuple[str, int]]) -> None:
        self._elders = [(last, seals.of(name)) for name, last in lineage]
        self._own = seals.of(stream)

    def at(self, seq: int) -> Seal:
        """The one for a record's number."""
        return next((seal for last, seal in self._elders if seq <= last), self._own)

    def holds(self, record: Record) -> bool:
        """Whether a record was written here, for this place."""
        return self.at(record.seq).holds(record.line)


def seal_in(line: bytes) -> bytes:
    """The member of a whole line that is a seal, whoever made it; nothing where it has none."""
    found = line[_SEAL]
    return found if found.startswith(_MEMBER) else b""
