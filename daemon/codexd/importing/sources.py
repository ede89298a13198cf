"""The files of Codex's threads: found, recognised by content, and read line by line. I/O.

These files are never written. All of this runs in a worker thread, and holds one line at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec

from codexd.core.values.foreign_json import decode_foreign
from codexd.core.values.ids import InvalidId, parse_thread_id
from codexd.importing.document import (
    DOCUMENT_BYTES_MAX,
    HEAD_BYTES,
    BrokenDocument,
    is_document,
    lines_of,
)
from codexd.importing.rollout.lines import (
    LINE_BYTES_MAX,
    Members,
    line_of,
    members_of,
    text_of,
)
from codexd.machine.foreign_files import open_file, read_file
from codexd.machine.python_child import plain_environment

# The heading of a rollout is within its first lines; a rollout with a broken first line is recognised by its name.
HEAD_LINES_MAX = 40
# A longer file is no rollout: the longest real rollouts have some hundred MB. Unpacked bytes are counted: 11 KB of
# zstd can hold any amount.
ROLLOUT_BYTES_MAX = 2 * 1024 * 1024 * 1024
# How much of an overlong line is held while it is skipped.
_CHUNK_BYTES = 1024 * 1024
_TAR_MAGIC_AT = 257
_ID_IN_NAME = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:_[0-9a-f-]{36})?\.json"
)


class UnreadableSource(Exception):
    """A file cannot be imported; the message says what was expected and what was found."""


class RolloutFile(msgspec.Struct, frozen=True):
    """The heading of a rollout file."""

    path: Path
    source_id: str
    meta: Members
    archived: bool = False
    base_id: str | None = None  # the thread whose lines precede those of this file
    base_before: int | None = None  # the ordinal of the first line of the base that does not count

    @property
    def is_segment(self) -> bool:
        """Whether it continues its own thread from a line to which that was rolled back."""
        return self.base_id == self.source_id


def kind_of(path: Path) -> Literal["package", "rollout"]:
    """The kind of a file, by its content. Raises: UnreadableSource."""
    try:
        head = read_file(path, _TAR_MAGIC_AT + 5)
    except OSError as error:
        raise UnreadableSource(f"{path}: cannot be read: {error.strerror}") from error
    return "package" if head[_TAR_MAGIC_AT:].startswith(b"ustar") else "rollout"


def files_under(path: Path) -> list[Path]:
    """The file itself, or the importable files of a folder, the oldest names first."""
    if not os.path.isdir(path):
        return [path]
    return sorted(file for file in _below(path) if _may_be_imported(file.name))


def rollouts_of(folder: Path, source_id: str) -> list[Path]:
    """The files below a folder that are named after a thread of Codex."""
    return sorted(
        file for file in _below(folder) if source_id in file.name and ".jsonl" in file.name
    )


def _may_be_imported(name: str) -> bool:
    is_rollout = name.startswith("rollout-") and name.endswith((".jsonl", ".jsonl.zst", ".json"))
    return is_rollout or name.endswith(".codexd.tar")


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder. Links to folders are not followed, and unreadable folders are skipped."""
    left = [str(folder)]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as rows:
            for row in rows:
                if row.is_dir(follow_symlinks=False):
                    left.append(row.path)
                elif row.is_file():
                    yield Path(row.path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked if it is compressed. Raises: UnreadableSource."""
    try:
        with open_file(path) as file:
            if path.suffix == ".zst":
                with unpacked(path, file, shutil.which("zstd")) as content:
                    yield content
            else:
                with io.BufferedReader(file) as content:
                    yield content
    except OSError as error:
        raise UnreadableSource(f"{path}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def unpacked(path: Path, file: IO[bytes], program: str | None) -> Iterator[IO[bytes]]:
    """The content of an open zstd file, unpacked by the program zstd. Raises: UnreadableSource."""
    if program is None:
        raise UnreadableSource(
            f"{path}: expected a file that is not compressed, found one packed by zstd, and no program "
            f"`zstd` here: it was not imported. Unpack a copy with `zstd -d`, and import that"
        )
    command = [program, "-dcq"]
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, cwd="/", env=plain_environment()
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        process.stdout.close()
        if process.wait() != 0:
            raise UnreadableSource(
                f"{path}: expected a file that zstd unpacks, found one where it ends with "
                f"{process.returncode}: it was not imported"
            )


class RawLine(msgspec.Struct, frozen=True, gc=False):
    """A line of a file, before it is parsed."""

    number: int
    text: bytes  # without its newline; of an overlong line only the beginning
    size_bytes: int  # with its newline
    whole: bool = True  # whether it ends in a newline
    overlong: bool = False


def raw_lines(
    path: Path, digest: hashlib._Hash | None = None, *, past_overlong: bool = True
) -> Generator[RawLine]:
    """All lines of a file; `digest` is fed with the complete lines. Raises: UnreadableSource.

    Without `past_overlong`, an overlong line ends the reading, since its rest may have any length.
    """
    with _opened(path) as file:
        if is_document(read_file(path, HEAD_BYTES)):
            yield from _lines_of_document(path, file.read(DOCUMENT_BYTES_MAX + 1), digest)
            return
        number = read = 0
        while text := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            size, last = len(text), text
            read += size
            _check_length(path, read)
            if digest is not None and (text.endswith(b"\n") or size > LINE_BYTES_MAX):
                digest.update(text)
            while past_overlong and size > LINE_BYTES_MAX and not last.endswith(b"\n"):
                last = file.readline(_CHUNK_BYTES)
                if not last:
                    break
                size, read = size + len(last), read + len(last)
                _check_length(path, read)
                if digest is not None:
                    digest.update(last)
            overlong = size > LINE_BYTES_MAX
            kept = text[:_CHUNK_BYTES] if overlong else text.removesuffix(b"\n")
            yield RawLine(number, kept, size, last.endswith(b"\n"), overlong)
            if overlong and not past_overlong:
                return


def _lines_of_document(
    path: Path, content: bytes, digest: hashlib._Hash | None
) -> Iterator[RawLine]:
    try:
        lines = lines_of(content)
    except BrokenDocument as error:
        raise UnreadableSource(f"{path}: {error}: nothing was imported") from error
    for number, text in enumerate(lines, 1):
        if digest is not None:
            digest.update(text + b"\n")
        yield RawLine(number, text, len(text) + 1)


def _check_length(path: Path, read: int) -> None:
    if read > ROLLOUT_BYTES_MAX:
        raise UnreadableSource(
            f"{path}: expected a rollout of at most {ROLLOUT_BYTES_MAX} bytes, unpacked, found more: the rest was "
            f"not read"
        )


def peek(path: Path) -> RolloutFile:
    """The heading of a rollout. Raises: UnreadableSource."""
    meta, readable = None, False
    with contextlib.closing(raw_lines(path, past_overlong=False)) as lines:
        for raw in lines:
            if raw.number > HEAD_LINES_MAX or (meta is not None and _is_named(path, meta)):
                break
            if raw.overlong:  # Its rest is not read here; the name shows what it is.
                readable = readable or _ID_IN_NAME.search(path.name) is not None
                continue
            line = line_of(raw.number, raw.text)
            if line is None:
                continue
            readable = True
            if line.type == "session_meta" and (meta is None or _is_named(path, line.payload)):
                meta = line.payload
    if not readable:
        raise UnreadableSource(
            f"{path}: expected a rollout, which is JSON line by line, found no such line at its "
            f"beginning: nothing was imported"
        )
    return _source(path, meta or {})


def _is_named(path: Path, meta: Members) -> bool:
    """Whether a heading is the file's own, and not that of a thread whose lines were copied."""
    named = _ID_IN_NAME.search(path.name)
    return named is None or text_of(meta.get("id")) == named[1]


def _source(path: Path, meta: Members) -> RolloutFile:
    named = _ID_IN_NAME.search(path.name)
    # An agent's `session_id` is that of the thread that it works for.
    source_id = text_of(meta.get("id")) or (named[1] if named is not None else "")
    base = members_of(meta.get("history_base"))
    before = base.get("end_ordinal_exclusive", meta.get("forked_from_ordinal_exclusive"))
    base_id = text_of(base.get("thread_id"))
    if isinstance(before, int) and not base_id:
        base_id = text_of(meta.get("forked_from_id"))
    return RolloutFile(
        path,
        source_id or text_of(meta.get("session_id")) or path.stem,
        meta,
        "archived_sessions" in path.parts,
        base_id or None,
        before if isinstance(before, int) and base_id else None,
    )


def thread_id_for(source_id: str, *, other: bool = False) -> str:
    """The id of a thread here: its own, or a derived id if its own is invalid or in use."""
    if not other:
        with contextlib.suppress(InvalidId):
            return parse_thread_id(source_id)
    made = hashlib.sha256(f"codexd import {source_id}".encode()).hexdigest()
    # RFC 9562, section 5.8: version 8 is for ids of a custom format.
    return f"{made[:8]}-{made[8:12]}-8{made[13:16]}-8{made[17:20]}-{made[20:32]}"


def given_name(source: RolloutFile) -> str | None:
    """The name that a person gave the thread, from the index beside the sessions."""
    home = next(
        (p.parent for p in source.path.parents if p.name in ("sessions", "archived_sessions")), None
    )
    if home is None or not (home / "session_index.jsonl").is_file():
        return None
    name = None
    with contextlib.suppress(UnreadableSource):
        for raw in raw_lines(home / "session_index.jsonl"):
            if source.source_id.encode() in raw.text:
                try:
                    row = members_of(decode_foreign(raw.text))
                except ValueError:
                    continue
                if row.get("id") == source.source_id:
                    name = text_of(row.get("thread_name")) or None
    return name


def torn(raw: RawLine) -> bool:
    """Whether a line is the incomplete end of a file that was being written."""
    return not raw.whole and line_of(raw.number, raw.text) is None
