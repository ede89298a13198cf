"""The beginning of a log's file: a rewritten log has a preface line before record 1.

    {"seq":0,"at":"…","type":"log.rewritten","data":{"generation":2,"root":"…","cuts":{"17":["0a1b2c3d"]},"why":"…"},"crc":"…"}

Law: only this file knows how a preface is written. A log that was never rewritten has none, and is generation 1.

Its checksum is chained from the stream's own name, and the records' chain does not go through it. `root`: that
chain begins with another name, because records were copied byte for byte from streams that are gone. `cuts`:
checksums that a record had in earlier generations, at which forks have left; a fork's `parent.crc` may be one
of them. Both are left out where they say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final
from zlib import crc32

import msgspec

from codexd_eventstore.format.lines import Origin, at_text, chain_start, origin_in
from codexd_eventstore.line_start import CRC_BYTES
from codexd_eventstore.store import RECORD_BYTES_MAX

# The members before the caller's own end well before this.
FIRST_BYTES: Final = 4096
TYPE: Final = "log.rewritten"

# No record has a number that begins with 0, so a file that begins so is not torn at its first append.
_START: Final = b'{"seq":0'
_Crc = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}$")]


class Preface(msgspec.Struct, frozen=True, omit_defaults=True):
    """The preface of a rewritten log; the default values are those of a log that was never rewritten."""

    generation: Annotated[int, msgspec.Meta(ge=1)] = 1
    root: str | None = None  # the name that the chain of the records begins with, if it is another
    cuts: Mapping[int, tuple[_Crc, ...]] = {}  # by seq
    why: str = ""


FIRST: Final = Preface()


class Start(msgspec.Struct, frozen=True):
    """How a file begins."""

    size: int = 0  # of the preface with its newline; record 1 begins there
    preface: Preface = FIRST
    origin: Origin | None = None  # where it was forked, by its first record, unchecked
    broken: bool = False  # the preface cannot be read: the other members mean nothing

    @property
    def base(self) -> int:
        """The `seq` before its first record."""
        return 0 if self.origin is None else self.origin.seq

    def cuts_at(self, seq: int) -> set[int]:
        """The checksums that a record had in earlier generations and at which forks may have left."""
        return {int(crc, 16) for crc in self.preface.cuts.get(seq, ())}

    def chain(self, stream: str) -> int:
        """The number that the chain of its records begins with."""
        if self.origin is not None:
            return self.origin.chain
        return chain_start(stream if self.preface.root is None else self.preface.root)


class _Line(msgspec.Struct, frozen=True):
    data: Preface


def preface_line(stream: str, preface: Preface, at_us: int) -> bytes:
    """The line without its newline."""
    at, data = at_text(at_us), msgspec.json.encode(preface)
    body = b'%b,"at":"%b","type":"%b","data":%b' % (_START, at, TYPE.encode(), data)
    return b'%b,"crc":"%08x"}' % (body, crc32(body, chain_start(stream)))


def start_of(read: Callable[[int, int], bytes], stream: str) -> Start:
    """The beginning of a file, by a function that reads `size` bytes from a position."""
    first = read(0, FIRST_BYTES)
    if not first.startswith(_START):
        return Start(origin=origin_in(first))
    while b"\n" not in first:
        more = read(len(first), RECORD_BYTES_MAX)
        if not more or len(first) > RECORD_BYTES_MAX:
            return Start(broken=True)
        first += more
    line = first.partition(b"\n")[0]
    preface = _checked(line, stream)
    if preface is None:
        return Start(broken=True)
    size = len(line) + 1
    # With a root the first record has no parent, even if later records name one.
    origin = origin_in(read(size, FIRST_BYTES)) if preface.root is None else None
    return Start(size, preface, origin)


def _checked(line: bytes, stream: str) -> Preface | None:
    crc = crc32(line[:-CRC_BYTES], chain_start(stream))
    return preface_in(line) if line.endswith(b',"crc":"%08x"}' % crc) else None


def preface_in(line: bytes) -> Preface | None:
    """The preface of a line, with any checksum; None if it cannot be read."""
    try:
        return msgspec.json.decode(line, type=_Line).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
