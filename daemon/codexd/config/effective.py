"""The settings in force as JSON, for clients: by their names in config.toml, without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from codexd.config.file import ReadConfig, all_keys
from codexd.config.layers import layer as of_layers
from codexd.config.layers.known_keys import codex_keys
from codexd.config.layers.layer import Layer, Source, merged_tables, version_of
from codexd.config.layers.toml_file import KeyPath, Table
from codexd.core.values.shown import REDACTED, shown_url, shown_variable

# Keys whose values may be secrets, wherever they stand; of a table, all values.
_SECRET: Final = frozenset(
    {
        "bearer_token",
        "env",
        "experimental_bearer_token",
        "headers",
        "http_headers",
        "patterns",
        "query_params",
    }
)
_URLS: Final = frozenset(
    [
        "base_url",
        "chatgpt_base_url",
        "endpoint",
        "issuer",
        "openai_base_url",
        "proxy_url",
        "socks_url",
        "url",
    ]
)
_VARIABLES: Final = frozenset(
    {
        "env_key",
        "bearer_token_env_var",
        "env_http_headers",
        "env_vars",
        "variables",
        "except_variables",
    }
)
# Words that stand in the names of variables with secrets.
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.IGNORECASE)


def effective(read: ReadConfig) -> bytes:
    """The settings in force as JSON, by their names in config.toml, with secrets left out.

    A key that is not set has the value that Codex shows, or codexd's default, where only codexd has the key.
    """
    unset, own = codex_keys().unset, msgspec.json.decode(msgspec.json.encode(read.config))
    whole = _filled(read.table, ()) | {key: own[key] for key in own if key not in unset}
    tools = whole.get("tools")
    if isinstance(tools, dict) and isinstance(tools.get("web_search"), bool):
        whole["tools"] = {
            **tools,
            "web_search": None,
        }  # Clients know the table, and not the older form.
    return msgspec.json.encode({**unset, **shown(whole)})


def _filled(table: Table, at: KeyPath) -> Table:
    """The tables with what Codex shows for their unset keys."""
    filled = {
        key: _filled(value, (*at, key)) if isinstance(value, dict) else value
        for key, value in table.items()
    }
    names, empty = all_keys(), codex_keys().empty
    path: list[str] = []
    for key in at:
        names = names if isinstance(names, dict) else {}
        path.append(key if key in names else "*")
        names = names.get(path[-1], {})
    return merged_tables(empty.get(".".join(path), {}), filled) if at else filled


def layers_shown(layers: Sequence[Layer]) -> list[LayerShown]:
    """The layers for clients, the highest first."""
    return [
        LayerShown(
            layer.source,
            version_of(layer.table),
            shown(layer.table),
            msgspec.UNSET if layer.disabled is None else layer.disabled,
        )
        for layer in reversed(layers)
    ]


class LayerShown(msgspec.Struct, frozen=True, rename="camel"):
    """A layer, as clients are told of it."""

    name: Source
    version: str
    config: Table
    disabled_reason: str | msgspec.UnsetType = msgspec.UNSET


def shown_at(table: Table, path: KeyPath) -> Any:
    """What is shown of the value at a path; None where there is none."""
    found: Any = shown(table)
    for key in path:
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


def shown(table: Mapping[str, Any]) -> Table:
    """A table of any layer without what may be a secret."""
    return {key: _shown(key, value) for key, value in table.items()}


def _shown(key: str, value: Any) -> Any:
    if key in _SECRET and key != "patterns" and not isinstance(value, dict):
        return value if value is None or isinstance(value, bool) else REDACTED
    if key in _SECRET:
        return dict.fromkeys(value, REDACTED) if isinstance(value, dict) else value
    if key in _VARIABLES:
        return _each(value, shown_variable)
    if key in _URLS and isinstance(value, str):
        return shown_url(value)
    if key == "set" and isinstance(value, dict):
        return {
            name: REDACTED if _SECRET_NAME.search(name) else text for name, text in value.items()
        }
    if isinstance(value, list):
        return [shown(inner) if isinstance(inner, dict) else inner for inner in value]
    return shown(value) if isinstance(value, dict) else value


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each(inner, change) for inner in value]
    return (
        {key: _each(inner, change) for key, inner in value.items()}
        if isinstance(value, dict)
        else value
    )


class _Origin(msgspec.Struct, frozen=True):
    name: Source
    version: str


def origins(read: ReadConfig) -> bytes:
    """The layer that decides each dotted key, as JSON, without keys at their default."""
    # Each layer's version is a hash of all its values: it is not made again for each of its keys.
    named = {id(layer): _Origin(layer.source, version_of(layer.table)) for layer in read.layers}
    found = of_layers.origins(read.layers)
    return msgspec.json.encode({".".join(path): named[id(layer)] for path, layer in found.items()})
