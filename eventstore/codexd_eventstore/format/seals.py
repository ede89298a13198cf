"""Seals: a member of each record by which a store recognises its own records. Pure.

A checksum says that a line is whole, and any program can compute it. A seal is computed with a key that is stored in
the store's own folder (`own_records.py`) and in no package, so no other program can make a valid seal.

    {"seq":7,…,"data":{…},"seal":"0123456789abcdef","crc":"0a1b2c3d"}

The seal covers the name of the stream that the record was written for, and the bytes of the line before it, which
begin with the record's number. So a record that is moved to another stream or number has a wrong seal. The
checksum is not covered: a log that is chained again keeps its seals. A folder that is moved as a whole
keeps its key, and therefore recognises its records.

Law: only this file knows how a seal is made and where it is in a line.
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
# More streams than are appended to at a time; each takes half a kilobyte.
_STREAMS_KEPT: Final = 256
# 64 bits: an attacker has one guess for each log that a person copies into the folder.
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
        """The seal of one stream's records."""
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
        """The member to append to these bytes."""
        made = self._base.copy()
        made.update(body)
        return b'%b%b"' % (_MEMBER, hexlify(made.digest()))

    def holds(self, line: bytes) -> bool:
        """Whether a record's line was sealed for this stream with this key, and is what it was then."""
        # No timing attack: the writer of a record cannot measure this comparison.
        return line[_SEAL] == self.member(line[_BODY])


class Writers:
    """The seal of each record of a stream: an inherited record has the seal of the ancestor it was written for."""

    def __init__(self, seals: Seals, stream: str, lineage: Iterable[tuple[str, int]]) -> None:
        self._elders = [(last, seals.of(name)) for name, last in lineage]
        self._own = seals.of(stream)

    def at(self, seq: int) -> Seal:
        """The seal for a record's number."""
        return next((seal for last, seal in self._elders if seq <= last), self._own)

    def holds(self, record: Record) -> bool:
        """Whether a record was written by this store, for this position."""
        return self.at(record.seq).holds(record.line)


def seal_in(line: bytes) -> bytes:
    """The seal member of a whole line, valid or not; b"" if it has none."""
    found = line[_SEAL]
    return found if found.startswith(_MEMBER) else b""
