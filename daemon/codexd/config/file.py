"""Reads config.toml into a frozen `Config`. Opens only the given file.

Law: a file is used as a whole or not at all. Keys of codexd are checked, and an error names file, line
and key, what was expected and what was found. Keys that only Codex has are ignored silently, so that both
can share a file. An unknown key gives a warning that names the nearest known key.

    InvalidConfig    the user's file cannot be used
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from codexd.config.keys import (
    FOREIGN_KEYS,
    FOREIGN_PROVIDER_KEYS,
    FOREIGN_TOOLS_KEYS,
    Config,
    FeaturesTable,
    PriceTable,
    ProjectTable,
    RedactionTable,
    TitlesTable,
    ToolsTable,
    WorkspaceWriteTable,
    expectations,
)
from codexd.config.mcp_table import (
    FOREIGN_SERVER_KEYS,
    McpOAuthTable,
    McpServerTable,
    McpToolTable,
    WrongKey,
    check_server,
)
from codexd.config.otel_table import FOREIGN_OTEL_KEYS, OtelTable
from codexd.machine.foreign_files import read_file
from codexd.machine.linear import NotLinear, linear_pattern
from codexd.machine.owners import NotOurs, refuse_unless_ours
from codexd.machine.patience import impatiently
from codexd.models.provider_table import ProviderTable

FOUND_SHOWN_MAX = 80  # characters of a wrong value in an error: enough to recognise it


class InvalidConfig(Exception):
    """A config file cannot be used, and was not."""

    def __init__(self, file: str, line: int | None, key: str | None, problem: str) -> None:
        subject = f"`{key}`: " if key else ""
        super().__init__(f"{_place(file, line)}: {subject}{problem}; nothing of the file was used")
        self.file = file
        self.line = line
        self.key = key  # dotted
        self.problem = problem


class ReadConfig(msgspec.Struct, frozen=True):
    """A config and its source."""

    config: Config
    file: str
    version: str  # of the file's bytes: `sha256:…`
    keys: tuple[str, ...] = ()  # the dotted keys of codexd that the file sets
    warnings: tuple[str, ...] = ()  # each a sentence with file and line


# A config has a few pages; a larger file is an error, and each request would have to read it.
CONFIG_BYTES_MAX = 256 * 1024

# Unknown keys that are reported: for each the file is searched for its line.
WARNINGS_MAX = 32
# Dots of one line, outside of strings: the library stores every prefix of a dotted key, so a key of 200,000 parts
# takes all memory. The longest known key has three.
KEY_DOTS_MAX = 64
# A string or a comment of TOML, complete or up to the end of the file; linear, since every repeat is possessive.
_TEXT = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?|'''
    r"""'''(?:[^']|'(?!''))*+(?:''')?|"""
    r""""(?:[^"\\\n]|\\.)*+"?|"""
    r"""'[^'\n]*+'?|#[^\n]*+""",
    re.DOTALL,
)

Table = dict[str, object]  # as tomllib gives it: checked here, and nowhere else


def read_config(file: Path) -> ReadConfig:
    """The config in a file; a missing file is an empty one. Raises: InvalidConfig."""
    try:
        content = impatiently(file, partial(_content, file))
    except FileNotFoundError:
        content = b""
    except NotOurs as error:
        raise InvalidConfig(str(file), None, None, str(error)) from error
    except OSError as error:
        raise InvalidConfig(str(file), None, None, f"cannot be read: {error.strerror}") from error
    if len(content) > CONFIG_BYTES_MAX:
        problem = f"expected at most {CONFIG_BYTES_MAX} bytes, found more"
        raise InvalidConfig(str(file), None, None, problem)
    return parse_config(content, str(file))


def _content(file: Path) -> bytes:
    """Raises: OSError, NotOurs."""
    content = read_file(file, CONFIG_BYTES_MAX + 1)
    # This file decides which server receives the conversations, and when no person is asked.
    refuse_unless_ours(file)
    refuse_unless_ours(file.parent)
    return content


def parse_config(content: bytes, file: str) -> ReadConfig:
    """The config in the bytes of a file; `file` is for messages. Raises: InvalidConfig."""
    import hashlib
    import tomllib

    try:
        text = content.decode("utf-8-sig")  # An editor of Windows puts a byte order mark in front.
        _check_keys(text, file)
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(file, line, None, "expected UTF-8, found other bytes") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise InvalidConfig(file, line, None, f"not TOML: {error}") from error
    except RecursionError as error:
        raise InvalidConfig(file, None, None, "not TOML: it is nested without end") from error
    version = "sha256:" + hashlib.sha256(content).hexdigest()
    return _Reader(file, text).read(tables, version)


def _check_keys(text: str, file: str) -> None:
    """Check that the library can parse all keys. Raises: InvalidConfig."""
    if text.count(".") <= KEY_DOTS_MAX:
        return
    # The line ends of a multi-line string are kept, so that lines keep their numbers.
    bare = _TEXT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(bare.split("\n"), start=1):
        if line.count(".") > KEY_DOTS_MAX:
            problem = f"expected keys of at most {KEY_DOTS_MAX} dots in a line, found more"
            raise InvalidConfig(file, number, None, problem)


# The library's message for a missing key.
_MISSING = re.compile(r"Object missing required field `(\w{1,200}+)`")
_TABLES_OF_STRINGS = ("env", "env_http_headers", "http_headers", "query_params")


S = TypeVar("S", bound=msgspec.Struct)

# The tables within a table; some are several, each under a name.
_TABLES: Final[Mapping[type[msgspec.Struct], Mapping[str, type[msgspec.Struct]]]] = {
    Config: {
        "features": FeaturesTable,
        "mcp_servers": McpServerTable,
        "model_providers": ProviderTable,
        "otel": OtelTable,
        "prices": PriceTable,
        "projects": ProjectTable,
        "redaction": RedactionTable,
        "sandbox_workspace_write": WorkspaceWriteTable,
        "titles": TitlesTable,
        "tools": ToolsTable,
    },
    McpServerTable: {"oauth": McpOAuthTable, "tools": McpToolTable},
}
_SEVERAL: Final = frozenset({McpServerTable, McpToolTable, ProviderTable, PriceTable, ProjectTable})
# The keys of a table that only Codex has.
_FOREIGN: Final[Mapping[type[msgspec.Struct], frozenset[str]]] = {
    Config: FOREIGN_KEYS,
    McpServerTable: FOREIGN_SERVER_KEYS,
    OtelTable: FOREIGN_OTEL_KEYS,
    ProviderTable: FOREIGN_PROVIDER_KEYS,
    ToolsTable: FOREIGN_TOOLS_KEYS,
}


class _Reader:
    """Reads one file once."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._warnings: list[str] = []
        self._keys: list[str] = []
        self._unknown = 0

    def read(self, tables: Table, version: str) -> ReadConfig:
        policy = tables.get("approval_policy")
        if policy == "on-failure" or (isinstance(policy, dict) and "granular" in policy):
            tables = {**tables, "approval_policy": "untrusted"}  # Codex asks more finely.
        config = self._table(tables, (), Config)
        self._check_patterns(config.redaction.patterns)
        self._check_domains(config.features.proxy.domains)
        if self._unknown > WARNINGS_MAX:
            more = self._unknown - WARNINGS_MAX
            self._warnings.append(f"{self._file}: {more} more unknown keys were ignored.")
        return ReadConfig(config, self._file, version, tuple(self._keys), tuple(self._warnings))

    def _check_patterns(self, patterns: Mapping[str, str]) -> None:
        for name, regex in patterns.items():
            at = ("redaction", "patterns", name)
            try:
                nothing = linear_pattern(regex).match(b"") is not None
            except NotLinear as error:
                raise self._problem(at, f"found {_shown(regex, name)}: {error}") from error
            if nothing:
                raise self._invalid(at, "one that does not match an empty text", regex)

    def _check_domains(self, domains: Mapping[str, str]) -> None:
        if not domains:
            return
        from codexd.core.rules.network_rules import read_domains
        from codexd.core.values.hosts import BadHost

        for domain, permission in domains.items():
            at = ("features", "network_proxy", "domains", domain)
            try:
                everything = read_domains([domain]).everything
            except BadHost as error:
                raise self._problem(at, str(error)) from error
            if everything and permission == "deny":
                raise self._problem(at, "nothing would be left: set `enabled = false` instead")

    def _problem(self, at: tuple[str, ...], problem: str) -> InvalidConfig:
        return InvalidConfig(self._file, line_of(self._text, at), dotted(at), problem)

    def _tables(
        self, tables: object, at: tuple[str, ...], struct: type[S], expected: str
    ) -> dict[str, S]:
        """The tables of one kind, by name."""
        if not isinstance(tables, dict):
            raise self._invalid(at, expected, tables)
        return {name: self._table(table, (*at, name), struct) for name, table in tables.items()}

    def _table(self, table: object, at: tuple[str, ...], struct: type[S]) -> S:
        if not isinstance(table, dict):
            raise self._invalid(at, "a table", table)
        known, nested = self._known(table, at, struct), dict[str, object]()
        for key, inner in _TABLES.get(struct, {}).items():
            if key in known:
                found, place = known.pop(key), (*at, key)
                nested[key] = (
                    self._tables(found, place, inner, expectations(struct)[key])
                    if inner in _SEVERAL
                    else self._table(found, place, inner)
                )
        read = msgspec.structs.replace(self._struct(known, at, struct), **nested)
        if isinstance(read, McpServerTable):
            try:
                check_server(read)
            except WrongKey as wrong:
                unset = wrong.key not in table
                where = at if unset else (*at, wrong.key)
                found = "neither" if unset else _shown(table[wrong.key], wrong.key)
                problem = f"expected {wrong.expected}, found {found}"
                line = line_of(self._text, where)
                raise InvalidConfig(self._file, line, dotted(where), problem) from wrong
        return read

    def _known(self, table: Table, at: tuple[str, ...], struct: type[msgspec.Struct]) -> Table:
        """The keys of a table that codexd uses; warns of unknown keys."""
        keys = struct.__struct_fields__
        allowed = {*keys, *_FOREIGN.get(struct, ())}
        # Codex has many features, and they come and go.
        for key in () if struct is FeaturesTable else table:
            if key not in allowed:
                self._unknown += 1
                if self._unknown <= WARNINGS_MAX:
                    self._warn((*at, key), allowed)
        known = {key: value for key, value in table.items() if key in keys}
        self._keys += [dotted((*at, key)) for key in known if key not in _TABLES.get(struct, {})]
        return known

    def _warn(self, at: tuple[str, ...], allowed: Collection[str]) -> None:
        import difflib

        near = difflib.get_close_matches(at[-1], sorted(allowed), n=1)
        hint = f", did you mean `{near[0]}`? It" if near else "; it"
        place = _place(self._file, line_of(self._text, at))
        self._warnings.append(f"{place}: unknown key `{dotted(at)}`{hint} was ignored.")

    def _struct(self, table: Table, at: tuple[str, ...], struct: type[S]) -> S:
        try:
            return msgspec.convert(table, struct)
        except msgspec.ValidationError as error:
            missing = _MISSING.fullmatch(str(error))
            if missing is not None:
                key = missing[1]
                problem = f"expected {expectations(struct)[key]}, found nothing"
                place = line_of(self._text, at)
                raise InvalidConfig(self._file, place, dotted((*at, key)), problem) from error
            key = str(error).rpartition("`$.")[2].partition("[")[0].partition(".")[0].rstrip("`")
            raise self._invalid((*at, key), expectations(struct)[key], table[key]) from error

    def _invalid(self, at: tuple[str, ...], expected: str, found: object) -> InvalidConfig:
        return self._problem(at, f"expected {expected}, found {_shown(found, at[-1])}")


def _shown(found: object, key: str) -> str:
    """A wrong value in TOML syntax; a value that may hold a secret is not shown."""
    if isinstance(found, dict):
        return "a table with other values" if key in _TABLES_OF_STRINGS else "a table"
    if key in _TABLES_OF_STRINGS:
        return "something else"
    text = str(found).lower() if isinstance(found, bool) else repr(found)
    return text if len(text) <= FOUND_SHOWN_MAX else text[: FOUND_SHOWN_MAX - 1] + "…"


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


_BARE = re.compile(r"[A-Za-z0-9_-]++")
_SEGMENT = re.compile(
    r"""\s*+("(?P<double>(?:[^"\\]|\\.)*+)"|'(?P<single>[^']*+)'|(?P<bare>[A-Za-z0-9_-]++))\s*+"""
)
_TRIPLE = re.compile(r'"""|\'\'\'')


def dotted(segments: tuple[str, ...]) -> str:
    """A key path as TOML spells it, quoted where it must be."""
    return ".".join(s if _BARE.fullmatch(s) else msgspec.json.encode(s).decode() for s in segments)


def line_of(text: str, at: tuple[str, ...]) -> int | None:
    """The line that sets a key, or that of the nearest table around it. tomllib does not report lines."""
    best: tuple[int, int] | None = None
    for number, segments in settings_in(text):
        within = segments == at[: len(segments)]
        if within and (best is None or len(segments) > best[0]):
            best = len(segments), number
    return best[1] if best else None


def settings_in(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each line that names a table or sets a key, with its full key path."""
    table: tuple[str, ...] = ()
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


def _segments(line: str) -> tuple[str, ...]:
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
