"""Reads the layers of the configuration into one frozen `Config`.

Law: a file is used as a whole or not at all. All layers are merged first, and then converted once. Keys of codexd are
checked, and an error names file, line and key, what was expected and what was found. Keys that only Codex has are
ignored silently, so that both can share a file. An unknown key gives a warning that names the nearest known key.

    InvalidConfig    the user's file cannot be used
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from codexd.config.keys import (
    Config,
    FeaturesTable,
    FeedbackTable,
    LoginTable,
    PermissionProfileTable,
    PriceTable,
    ProfileNetworkTable,
    ProjectTable,
    RedactionTable,
    ThreadsTable,
    TitlesTable,
    ToolsTable,
    ToolSwitchTable,
    WorkspaceWriteTable,
    expectations,
)
from codexd.config.layers.known_keys import (
    Kind,
    codex_keys,
    expected,
    kind_of,
    nearest,
    unknown_keys,
    with_absolute_paths,
    wrong_values,
)
from codexd.config.layers.layer import Layer, UserSource, merged, setter_of, version_of
from codexd.config.layers.stack import ALONE, Sources, read_layers, user_layer
from codexd.config.layers.toml_file import (
    InvalidConfig,
    KeyPath,
    Table,
    dotted,
    parse_toml,
    value_at,
)
from codexd.config.mcp_table import (
    McpOAuthTable,
    McpServerTable,
    McpToolTable,
    WrongKey,
    check_server,
)
from codexd.config.otel_table import OtelTable
from codexd.machine.linear import NotLinear, linear_pattern
from codexd.models.provider_table import ProviderTable

__all__ = [
    "InvalidConfig",
    "ReadConfig",
    "all_keys",
    "convert",
    "parse_config",
    "read_config",
    "words_of",
]

FOUND_SHOWN_MAX = 80  # characters of a wrong value in an error: enough to recognise it
# Unknown keys that are reported: for each the file is searched for its line.
WARNINGS_MAX = 32


class ReadConfig(msgspec.Struct, frozen=True):
    """A config and its source."""

    config: Config
    file: str  # config.toml of the person
    version: str  # of that file's values: `sha256:…`
    keys: tuple[str, ...] = ()  # the dotted keys of codexd that are set
    warnings: tuple[str, ...] = ()  # each a sentence with file and line
    layers: tuple[Layer, ...] = ()  # the lowest first
    table: Table = {}  # of all layers that count


def read_config(
    file: Path,
    sources: Sources = ALONE,
    folder: str | None = None,
) -> ReadConfig:
    """The settings of a person's file and of all other layers; a missing file is an empty one.

    `folder`: with those of the project that the folder is in. Raises: InvalidConfig.
    """
    layers = read_layers(file, sources, all_keys(), folder)
    return convert(layers, strict=sources.strict)


def parse_config(content: bytes, file: str) -> ReadConfig:
    """The config in the bytes of one file; `file` is for messages. Raises: InvalidConfig."""
    read = parse_toml(content, file)
    table = with_absolute_paths(read.table, os.path.dirname(file), all_keys())
    return convert([Layer(UserSource(file), table, file, read.text)])


def convert(layers: Sequence[Layer], *, strict: bool = False) -> ReadConfig:
    """The settings of these layers, the lowest first. `strict`: an unknown key is an error. Raises: InvalidConfig."""
    return _Reader(layers, is_strict=strict).read()


# The library's message for a missing key.
_MISSING = re.compile(r"Object missing required field `(\w{1,200}+)`")
_TABLES_OF_STRINGS = ("env", "env_http_headers", "http_headers", "query_params")


S = TypeVar("S", bound=msgspec.Struct)

# The tables within a table; some are several, each under a name.
_TABLES: Final[Mapping[type[msgspec.Struct], Mapping[str, type[msgspec.Struct]]]] = {
    Config: {
        "features": FeaturesTable,
        "feedback": FeedbackTable,
        "login": LoginTable,
        "mcp_servers": McpServerTable,
        "model_providers": ProviderTable,
        "otel": OtelTable,
        "permissions": PermissionProfileTable,
        "prices": PriceTable,
        "projects": ProjectTable,
        "redaction": RedactionTable,
        "sandbox_workspace_write": WorkspaceWriteTable,
        "titles": TitlesTable,
        "threads": ThreadsTable,
        "tools": ToolsTable,
    },
    McpServerTable: {"oauth": McpOAuthTable, "tools": McpToolTable},
    PermissionProfileTable: {"network": ProfileNetworkTable},
    ToolsTable: {"update_plan": ToolSwitchTable},
}
_SEVERAL: Final = frozenset(
    {McpServerTable, McpToolTable, PermissionProfileTable, ProviderTable, PriceTable, ProjectTable}
)


@functools.cache
def all_keys() -> dict[str, Any]:
    """The kinds of all known keys: those of Codex, and those that only codexd has."""
    keys = _with_own(Config, codex_keys().keys)
    keys["profiles"] = {"*": {key: kind for key, kind in keys.items() if key != "profiles"}}
    return keys


def words_of(path: KeyPath) -> str | None:
    """The values that a key may have, in words; None for a key that nobody knows."""
    struct: type[msgspec.Struct] | None = Config
    rest = list(path)
    while struct is not None and rest and rest[0] in struct.__struct_fields__:
        key = rest.pop(0)
        inner = _TABLES.get(struct, {}).get(key)
        if not rest:
            return expectations(struct)[key]
        if inner in _SEVERAL:
            rest.pop(0)
            if not rest:
                return "a table"
        struct = inner
    kind = kind_of(all_keys(), path)
    return None if kind is None else expected(kind)


def _with_own(struct: type[msgspec.Struct], theirs: Kind) -> dict[str, Any]:
    keys = dict(theirs) if isinstance(theirs, dict) else {}
    for key in struct.__struct_fields__:
        inner, kind = _TABLES.get(struct, {}).get(key), keys.get(key, "any")
        if inner is None:  # Its type is checked by the struct; a path is made absolute before.
            keys[key] = kind if kind in ("path", "paths") else "any"
        elif inner in _SEVERAL:
            keys[key] = {"*": _with_own(inner, kind.get("*", {}) if isinstance(kind, dict) else {})}
        else:
            keys[key] = _with_own(inner, kind)
    return keys


class _Reader:
    """Reads some layers once."""

    def __init__(self, layers: Sequence[Layer], *, is_strict: bool) -> None:
        self._layers, self._is_strict = layers, is_strict
        self._user = user_layer(layers)
        self._warnings: list[str] = []
        self._keys: list[str] = []
        self._unknown = 0

    def read(self) -> ReadConfig:
        for layer in self._layers:
            if layer.disabled is None:
                self._look_for_mistakes(layer)
        table = whole = merged(self._layers)
        policy = whole.get("approval_policy")
        if isinstance(policy, dict) and "granular" in policy:
            table = {**whole, "approval_policy": "untrusted"}  # Codex asks more finely.
        config = self._table(table, (), Config)
        self._check_patterns(config.redaction.patterns)
        self._check_domains(config.features.proxy.domains)
        if self._unknown > WARNINGS_MAX:
            more = self._unknown - WARNINGS_MAX
            self._warnings.append(f"{self._user.file}: {more} more unknown keys were ignored.")
        return ReadConfig(
            config,
            self._user.file,
            version_of(self._user.table),
            tuple(self._keys),
            tuple(self._warnings),
            tuple(self._layers),
            whole,
        )

    def _look_for_mistakes(self, layer: Layer) -> None:
        """Warn of unknown keys, and of values that Codex refuses and codexd does not use."""
        self._warnings += layer.warnings
        for at, known in unknown_keys(layer.table, all_keys()):
            self._report_unknown(layer, at, known)
        for at, words in wrong_values(layer.table, all_keys()):
            if len(self._warnings) < WARNINGS_MAX:
                self._warnings.append(
                    f"{layer.place(at)}: `{dotted(at)}`: expected {words}, found "
                    f"{_shown(value_at(layer.table, at), at[-1])}; codexd does not use it, and Codex refuses it."
                )

    def _report_unknown(self, layer: Layer, at: KeyPath, known: Collection[str]) -> None:
        near = nearest(at[-1], known)
        if self._is_strict:
            hint = f", did you mean `{near}`?" if near else ""
            problem = f"unknown configuration field{hint}"
            raise InvalidConfig(layer.file or "-c", layer.line(at), dotted(at), problem)
        # Codex has many features, and they come and go.
        if at[0] == "features" and near is None:
            return
        self._unknown += 1
        if self._unknown <= WARNINGS_MAX:
            hint = f", did you mean `{near}`? It" if near else "; it"
            self._warnings.append(
                f"{layer.place(at)}: unknown key `{dotted(at)}`{hint} was ignored."
            )

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
        layer = setter_of(self._layers, at) or self._user
        return InvalidConfig(layer.file or "-c", layer.line(at), dotted(at), problem)

    def _tables(
        self, tables: object, at: tuple[str, ...], struct: type[S], within: type[msgspec.Struct]
    ) -> dict[str, S]:
        """The tables of one kind, by name, of a key of `within`."""
        if not isinstance(tables, dict):
            raise self._invalid(at, expectations(within)[at[-1]], tables)
        return {name: self._table(table, (*at, name), struct) for name, table in tables.items()}

    def _table(self, table: object, at: tuple[str, ...], struct: type[S]) -> S:
        if not isinstance(table, dict):
            raise self._invalid(at, "a table", table)
        known, nested = self._known(table, at, struct), dict[str, object]()
        for key, inner in _TABLES.get(struct, {}).items():
            if key in known:
                found, place = known.pop(key), (*at, key)
                nested[key] = (
                    self._tables(found, place, inner, struct)
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
                raise self._problem(where, problem) from wrong
        return read

    def _known(self, table: Table, at: tuple[str, ...], struct: type[msgspec.Struct]) -> Table:
        """The keys of a table that codexd uses."""
        known = {key: table[key] for key in table if key in struct.__struct_fields__}
        self._keys += [dotted((*at, key)) for key in known if key not in _TABLES.get(struct, {})]
        return known

    def _struct(self, table: Table, at: tuple[str, ...], struct: type[S]) -> S:
        try:
            return msgspec.convert(table, struct)
        except msgspec.ValidationError as error:
            missing = _MISSING.fullmatch(str(error))
            if missing is not None:
                key = missing[1]
                problem = f"expected {expectations(struct)[key]}, found nothing"
                raise self._problem((*at, key), problem) from error
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
