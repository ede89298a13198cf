"""The reference page on providers, made from the tables in the code: see docs_reference.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec

from codexd.models.builtin import BUILT_IN
from codexd.models.quirks import QUIRKS, UNKNOWN, Quirks

HEAD = """
# Providers

Each is used by its name: `model_provider = "ollama"`, or `modelProvider` in `thread/start`.
A table `[model_providers.NAME]` changes what it says, and one of another name adds a provider;
[Configuration](config.md#model_providersname) has its keys.

## Without a table
"""
QUIRKS_HEAD = """
## How a chat server differs

A table `[model_providers.NAME.quirks]` says what a server of the chat completions API accepts and refuses.
A server at a well-known address has the values of its row; `like = "mistral"` gives any other server the values of that row,
and the other keys take precedence.
The defaults are for an unknown server.
"""


def providers_page(made: str, notes: Mapping[str, str]) -> str:
    """docs/reference/providers.md"""
    title, _, rest = HEAD.strip().partition("\n\n")
    rows = [
        f"| `{name}` | {table['name']} | {_address(table)} | {table.get('wire_api', 'responses')} "
        f"| {_code(table.get('env_key'))} |"
        for name, table in BUILT_IN.items()
    ]
    return "\n".join(
        [
            f"{title}\n",
            made,
            f"{rest}\n",
            "| name | | where | API | key in |",
            "|---|---|---|---|---|",
            *rows,
            QUIRKS_HEAD,
            "| key | may be | default | |",
            "|---|---|---|---|",
            *_quirks(notes),
            "\nThe rows, where they differ from the defaults:\n",
            "| like | |",
            "|---|---|",
            *(f"| `{kind}` | {_differences(row)} |" for kind, row in QUIRKS.items()),
            "",
        ]
    )


def _address(table: Mapping[str, object]) -> str:
    return _code(table.get("base_url")) or "your resource's `base_url`"


def _code(value: object) -> str:
    return f"`{value}`" if value else ""


def _quirks(notes: Mapping[str, str]) -> list[str]:
    hints = get_type_hints(Quirks)
    rows = []
    for field in msgspec.structs.fields(Quirks):
        hint = hints[field.name]
        choices = (
            " or ".join(f'"{word}"' for word in get_args(hint))
            if get_origin(hint) is Literal
            else {bool: "true or false", str: "a string", int: "a number"}[hint]
        )
        rows.append(
            f"| `{field.name}` | {choices} | {_toml(field.default)} | {notes.get(field.name, '')} |"
        )
    return rows


def _differences(row: Quirks) -> str:
    usual = msgspec.structs.asdict(UNKNOWN)
    said = {
        name: value for name, value in msgspec.structs.asdict(row).items() if value != usual[name]
    }
    return ", ".join(
        f"`{name} = {msgspec.json.encode(value).decode()}`" for name, value in said.items()
    )


def _toml(value: object) -> str:
    return f"`{msgspec.json.encode(value).decode()}`"
