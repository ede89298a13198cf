"""Seals: a mark on each record by which a store knows again what it has written itself. Pure.

A checksum says that a line is whole, and anybody can compute one. A seal is computed with a key that lies in the
store's own folder (`own_records.py`) and goes into no package, so whoever writes a record elsewhere cannot make one.

    {"seq":7,…,"data":{…},"seal":"0123456789abcdef","crc":"0a1b2c3d"}

It is over the bytes of the line in front of it. The checksum is not under it: a log that is chained again keeps its
seals. A folder that is moved with all that is in it keeps its key, and therefore knows its records.

Law: only this file knows how a seal is made and where it stands.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from typing import Final

from codexd_eventstore.beginning import CRC_BYTES

KEY_BYTES: Final = 32
# 64 bits: whoever wants to guess one has a try for each log that a person puts into the folder.
_DIGITS: Final = 16
_MEMBER: Final = b',"seal":"'
SEAL_BYTES: Final = len(_MEMBER) + _DIGITS + 1
_BODY: Final = slice(-CRC_BYTES - SEAL_BYTES)
_SEAL: Final = slice(-CRC_BYTES - SEAL_BYTES, -CRC_BYTES)


class Seals:
    """Makes seals with one key, and checks them."""

    def __init__(self, key: bytes) -> None:
        self._base = hashlib.blake2b(key=key, digest_size=_DIGITS // 2)

    def member(self, body: bytes) -> bytes:
        """The member that goes behind these bytes."""
        made = self._base.copy()
        made.update(body)
        return b'%b%b"' % (_MEMBER, hexlify(made.digest()))

    def holds(self, line: bytes) -> bool:
        """Whether a record's line was sealed with this key, and is what it was then."""
        # Whoever puts a record into a log is not told how long this took.
        return line[_SEAL] == self.member(line[_BODY])


def seal_in(line: bytes) -> bytes:
    """The member of a whole line that is a seal, whoever made it; nothing where it has none."""
    found = line[_SEAL]
    return found if found.startswith(_MEMBER) else b""
