"""Reads a file of TOML as a table, and finds the lines of its keys. Opens only the given file.

InvalidConfig    a file of the configuration cannot be used
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd.config.layers.toml_text import toml_table, without_texts
from codexd.machine.foreign_files import read_file
from codexd.machine.owners import NotOurs, refuse_unless_ours
from codexd.machine.patience import impatiently

# A config has a few pages; a larger file is an error, and each request would have to read it.
CONFIG_BYTES_MAX: Final = 256 * 1024
# Dots of one line, outside of strings: the library stores every prefix of a dotted key, so a key of 200,000 parts
# takes all memory. The longest known key has six.
KEY_DOTS_MAX: Final = 64

Table = dict[str, Any]  # as tomllib gives it: checked by the reader of keys, and nowhere else
KeyPath = tuple[str, ...]


class InvalidConfig(Exception):
    """A config file cannot be used, and was not."""

    def __init__(self, file: str, line: int | None, key: str | None, problem: str) -> None:
        subject = f"`{key}`: " if key else ""
        super().__init__(f"{place(file, line)}: {subject}{problem}; nothing of the file was used")
        self.file = file
        self.line = line
        self.key = key  # dotted
        self.problem = problem


class TomlFile(msgspec.Struct, frozen=True):
    """A file that was read."""

    file: str  # its path, for messages
    text: str
    table: Table


def read_toml(file: Path, check: Callable[[Path], None]) -> TomlFile | None:
    """A file of TOML; None where there is none. `check` may refuse to believe it. Raises: InvalidConfig."""
    try:
        content = impatiently(file, partial(_content, file, check))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotOurs as error:
        raise InvalidConfig(str(file), None, None, str(error)) from error
    except OSError as error:
        raise InvalidConfig(str(file), None, None, f"cannot be read: {error.strerror}") from error
    if len(content) > CONFIG_BYTES_MAX:
        problem = f"expected at most {CONFIG_BYTES_MAX} bytes, found more"
        raise InvalidConfig(str(file), None, None, problem)
    return parse_toml(content, str(file))


def _content(file: Path, check: Callable[[Path], None]) -> bytes:
    """Raises: OSError, NotOurs."""
    content = read_file(file, CONFIG_BYTES_MAX + 1)
    check(file)
    return content


def refuse_unless_believed(file: Path) -> None:
    """The check of a file that decides which server receives the conversations, and when no person is asked.

    Raises: NotOurs.
    """
    refuse_unless_ours(file)
    refuse_unless_ours(file.parent)


def parse_toml(content: bytes, file: str) -> TomlFile:
    """The table in the bytes of a file; `file` is for messages. Raises: InvalidConfig."""
    import tomllib

    try:
        text = content.decode("utf-8-sig")  # An editor of Windows puts a byte order mark in front.
        _check_keys(text, file)
        return TomlFile(file, text, toml_table(text))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(file, line, None, "expected UTF-8, found other bytes") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        at_line = int(found[1]) if found else text.count("\n") + 1
        raise InvalidConfig(file, at_line, None, f"not TOML: {error}") from error
    except RecursionError as error:
        raise InvalidConfig(file, None, None, "not TOML: it is nested without end") from error


def _check_keys(text: str, file: str) -> None:
    """Check that the library can parse all keys. Raises: InvalidConfig."""
    if text.count(".") <= KEY_DOTS_MAX:
        return
    for number, line in enumerate(without_texts(text).split("\n"), start=1):
        if line.count(".") > KEY_DOTS_MAX:
            problem = f"expected keys of at most {KEY_DOTS_MAX} dots in a line, found more"
            raise InvalidConfig(file, number, None, problem)


def place(file: str, line: int | None) -> str:
    """A file, or a line of it, for messages."""
    return file if line is None else f"{file}:{line}"


def value_at(table: Mapping[str, Any], path: KeyPath) -> Any:
    """The value at a path, or `msgspec.UNSET`."""
    found: Any = table
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return msgspec.UNSET
        found = found[key]
    return found


_BARE = re.compile(r"[A-Za-z0-9_-]++")
_SEGMENT = re.compile(
    r"""\s*+("(?P<double>(?:[^"\\]|\\.)*+)"|'(?P<single>[^']*+)'|(?P<bare>[A-Za-z0-9_-]++))\s*+"""
)
_TRIPLE = re.compile(r'"""|\'\'\'')


def dotted(segments: KeyPath) -> str:
    """A key path as TOML spells it, quoted where it must be."""
    return ".".join(s if _BARE.fullmatch(s) else msgspec.json.encode(s).decode() for s in segments)


def line_of(text: str, at: KeyPath) -> int | None:
    """The line that sets a key, or that of the nearest table around it. tomllib does not report lines."""
    best: tuple[int, int] | None = None
    for number, segments in settings_in(text):
        within = segments == at[: len(segments)]
        if within and (best is None or len(segments) > best[0]):
            best = len(segments), number
    return best[1] if best else None


def settings_in(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Each line that names a table or sets a key, with its full key path."""
    table: KeyPath = ()
    fence = ""  # the quotes of the current multi-line string
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence:
            header = line.lstrip().startswith("[")
            segments = _segments(line.lstrip().lstrip("[") if header else line)
            table = segments if header and segments else table
            if segments:
                yield number, segments if header else table + segments
        for mark in _TRIPLE.findall(line):
            fence = "" if fence == mark else fence or mark


def headers_in(text: str) -> dict[int, KeyPath]:
    """The tables with headers, by the lines of those, from 0."""
    lines = text.splitlines()
    return {
        number - 1: path
        for number, path in settings_in(text)
        if lines[number - 1].lstrip().startswith("[")
    }


def is_beside(line: str) -> bool:
    """Whether a line sets nothing: right above a header it belongs to that table."""
    return not line.strip() or line.lstrip().startswith("#")


def _segments(line: str) -> KeyPath:
    """The dotted key at the beginning of a line, if the line is a header or an assignment."""
    found: list[str] = []
    at = 0
    while segment := _SEGMENT.match(line, at):
        found.append(segment["bare"] or segment["single"] or segment["double"] or "")
        at = segment.end()
        if line[at : at + 1] != ".":
            return tuple(found) if line[at : at + 1] in ("=", "]") else ()
        at += 1
    return ()
