"""The text of a TOML file with other values: comments, order and spelling of all that stays are kept. Pure.

Law: the new text is parsed before it is used, and has exactly the values that it should have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codexd.config.editing.edits import NotWritten
from codexd.config.layers.flags import nested
from codexd.config.layers.toml_file import KeyPath, Table, headers_in, is_beside
from codexd.config.layers.toml_text import as_toml_1_0, toml_table

_BOM = "\ufeff"


def changed_text(text: str, before: Table, after: Table) -> str:
    """The text, whose values are `before`, with the values `after`. Raises: NotWritten."""
    if before == after:
        return text
    bare = text.removeprefix(_BOM)
    made = next(_attempts(bare, before, after), None)
    if made is None:
        raise NotWritten(
            "configValidationError",
            "config.toml is written in a way that no program can change safely; nothing was changed: "
            "`codexctl config edit` opens it in an editor",
        )
    if "\r\n" in bare:
        made = made.replace("\r\n", "\n").replace("\n", "\r\n")
    return text[: len(text) - len(bare)] + made


def _attempts(text: str, before: Table, after: Table) -> Iterator[str]:
    """Texts with the right values. New keys are put in by lines, or else by the library, which knows every spelling and
    puts them after comments that belong to what follows. A text of TOML 1.0 stays one.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    for headers in ({*headers_in(text).values(), ()}, set[KeyPath]()):
        try:
            document = tomlkit.parse(text)
            added = list(_change(document, before, after, headers))
            made = tomlkit.dumps(document)
            for path, value in added:
                made = (
                    _with_table(made, path, value)
                    if isinstance(value, dict)
                    else _with_key(made, path, value)
                )
            if (as_toml_1_0(made) == made or as_toml_1_0(text) != text) and toml_table(
                made
            ) == after:
                yield made
        except (
            TOMLKitError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
        ):
            continue


def _change(
    container: Any, before: Table, after: Table, headers: set[KeyPath], at: KeyPath = ()
) -> Iterator[tuple[KeyPath, Any]]:
    """Make the values of a table those of `after`, and touch no other; gives what is still to be added to the tables
    with headers.
    """
    import tomlkit
    from tomlkit.items import InlineTable

    for key in before:
        if key not in after:
            del container[key]
    for key, value in after.items():
        old, is_table = before.get(key), isinstance(value, dict)
        if isinstance(old, dict) and is_table:
            yield from _change(container[key], old, value, headers, (*at, key))
        elif key in before and old == value and type(old) is type(value):
            continue
        elif (
            headers
            and (is_table or (at in headers and key not in before))
            and not isinstance(container, InlineTable)
        ):
            if key in before:
                del container[key]
            yield (*at, key), value
        elif is_table:
            container[key] = _table(value, is_inline=isinstance(container, InlineTable))
        else:
            container[key] = tomlkit.item(value)


def _table(values: Table, *, is_inline: bool = False) -> Any:
    """A new table, whose header is left out where it has nothing but tables."""
    import tomlkit

    only_tables = bool(values) and all(isinstance(value, dict) for value in values.values())
    table: Any = tomlkit.inline_table() if is_inline else tomlkit.table(only_tables)
    for key, value in values.items():
        is_table = isinstance(value, dict)
        table[key] = _table(value, is_inline=is_inline) if is_table else tomlkit.item(value)
    return table


def _with_table(text: str, path: KeyPath, values: Table) -> str:
    """The text with a new table: after the last of its family, else at the end."""
    import tomlkit

    headers = headers_in(text)
    family = [line for line, found in headers.items() if found[0] == path[0]]
    following = [line for line in headers if family and line > family[-1]]
    above, below = _split(text, following[0] if following else None)
    gap = "" if not above.strip() else "\n" if above.endswith("\n") else "\n\n"
    own = tomlkit.dumps(_table(nested(path, values)))
    return f"{above}{gap}{own}{'' if not below or below.startswith(chr(10)) else chr(10)}{below}"


def _with_key(text: str, path: KeyPath, value: Any) -> str:
    """The text with a new key at the end of its table."""
    import tomlkit

    headers = headers_in(text)
    own = next((line for line, found in headers.items() if found == path[:-1]), -1)
    following = next((line for line in headers if line > own), None)
    above, below = _split(text, following)
    line = tomlkit.dumps({path[-1]: tomlkit.item(value)})
    gap = "" if not above or above.endswith("\n") else "\n"
    is_apart = not below or below.startswith("\n") or own >= 0
    return f"{above}{gap}{line}{'' if is_apart else chr(10)}{below}"


def _split(text: str, header: int | None) -> tuple[str, str]:
    """The text before and after the end of what stands above a header; the comments right above it belong to it."""
    lines = text.splitlines(keepends=True)
    end = len(lines) if header is None else header
    while header is not None and end and is_beside(lines[end - 1]):
        end -= 1
    return "".join(lines[:end]), "".join(lines[end:])
