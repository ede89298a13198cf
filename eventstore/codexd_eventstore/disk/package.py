"""The format of a package of streams: a plain tar file, which any tar can list.

    manifest.json           the other members, with sizes and checksums
    logs/<stream>.jsonl     a log, including its preface, up to the last record that is needed
    blobs/<sha256>          bytes that those logs name

Law: only this file knows the names within a package.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

import msgspec

from codexd_eventstore.disk.files import FileSystem
from codexd_eventstore.disk.layout import LOG_SUFFIX
from codexd_eventstore.store import Package, Refused

if TYPE_CHECKING:
    import tarfile

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
# A manifest has a hundred bytes for each blob; no single read of a package may be longer.
MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
# A stream has an ancestor for each fork before it; no person forks this often.
LOGS_MAX: Final = 1024
# A package has a member for each log and each blob, and each takes a kilobyte of memory while they are listed. A
# thread of years has some thousand images and outputs.
MEMBERS_MAX: Final = 65_536
# The size of a member's description: its header, and the long name of a stream.
HEADER_BYTES_MAX: Final = 16 * 1024

_BLOB: Final = re.compile(r"blobs/([0-9a-f]{64})")


def log_name(stream: str) -> str:
    """The name of a log within a package."""
    return f"logs/{stream}{LOG_SUFFIX}"


def blob_name(sha256: str) -> str:
    """The name of a blob within a package."""
    return f"blobs/{sha256}"


class Outlet(io.RawIOBase):
    """A file object for writing, on top of `FileSystem`."""

    def __init__(self, fs: FileSystem, fd: int) -> None:
        self._fs = fs
        self._fd = fd

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        whole = bytes(content)  # type: ignore[call-overload]
        self._fs.write(self._fd, whole)
        return len(whole)


class Inlet(io.RawIOBase):
    """A file object for reading, on top of `FileSystem`."""

    def __init__(
        self,
        fs: FileSystem,
        fd: int,
        start: int = 0,
        size: int | None = None,
        *,
        read_max: int = MANIFEST_BYTES_MAX,
    ) -> None:
        self._read_max = read_max  # at once
        self._fs = fs
        self._fd = fd
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Set the position; only from the start, since `tarfile` needs no more."""
        if whence != 0:
            raise OSError("only from the start")
        self._place = place
        return place

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes. Raises: Refused for more than a valid package needs."""
        if self._size is not None:
            size = min(size, self._size - self._place) if size >= 0 else self._size - self._place
        if not 0 <= size <= self._read_max:
            raise Refused(f"a part of it claims to have {size} bytes")
        content = self._fs.read(self._fd, self._start + self._place, size)
        self._place += len(content)
        return content


def members_of(inlet: Inlet) -> dict[str, tarfile.TarInfo]:
    """The members of a package by name. Raises: Refused for an unexpected member."""
    import tarfile  # seldom needed, and as long to import as ten files of ours

    members: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(fileobj=inlet, mode="r:") as tar:
            for member in tar:
                if len(members) == MEMBERS_MAX:
                    raise Refused(f"it has more than {MEMBERS_MAX} members")
                if tar.pax_headers:
                    raise Refused("it describes all of its members at once, which no package does")
                member.pax_headers = {}
                plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
                if not plain or member.name in members:
                    raise Refused(f"{member.name[:80]!r} in it is a link, a folder or doubled")
                members[member.name] = member
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise Refused(f"it cannot be read as a tar file ({error})") from error
    return members


def manifest_of(content: bytes, members: dict[str, tarfile.TarInfo]) -> Package:
    """The manifest; the members must be exactly those that it names. Raises: Refused."""
    try:
        package = msgspec.json.decode(content, type=Package)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"its {MANIFEST} cannot be read ({error})") from error
    if package.format != FORMAT:
        raise Refused(f"it has format {package.format}, and {FORMAT} can be read here")
    if not 0 < len(package.logs) <= LOGS_MAX or package.logs[-1].stream != package.stream:
        raise Refused(f"its {MANIFEST} names {len(package.logs)} logs, the last not of its stream")
    sizes = {log_name(log.stream): log.size_bytes for log in package.logs}
    sizes |= {blob_name(blob.sha256): blob.size_bytes for blob in package.blobs}
    if len(sizes) != len(package.logs) + len(package.blobs):
        raise Refused(f"its {MANIFEST} names something twice")
    found = {name: member.size for name, member in members.items() if name != MANIFEST}
    for name in sorted(sizes.keys() | found.keys()):
        if sizes.get(name) != found.get(name):
            raise Refused(
                f"{name[:300]!r} in it has {found.get(name, 'no')} bytes, and"
                f" {sizes.get(name, 'no')} by its {MANIFEST}"
            )
    for name in found:
        if name.startswith("blobs/") and not _BLOB.fullmatch(name):
            raise Refused(f"{name[:80]!r} in it is not the name of a blob")
    return package
