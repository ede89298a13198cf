"""Tools that a client declares for a thread and performs itself: Codex's dynamic tools.

A declaration is checked when it arrives, and is in the log as it was checked. By which names a model knows the tools
says `dynamic_names.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class DynamicFunction(
    msgspec.Struct, frozen=True, rename="camel", tag="function", kw_only=True, omit_defaults=True
):
    """A tool of a client."""

    name: str
    description: str
    input_schema: msgspec.Raw  # a JSON object: the schema of its arguments
    # Codex offers such a tool only to a model that searched for it; codexd has no such search, and offers it never.
    defer_loading: bool = False


class DynamicNamespace(msgspec.Struct, frozen=True, tag="namespace", kw_only=True):
    """Tools of a client that belong together."""

    name: str
    description: str
    tools: tuple[DynamicFunction, ...]


DynamicTool = DynamicFunction | DynamicNamespace


def functions_of(
    declared: tuple[DynamicTool, ...],
) -> Iterator[tuple[str | None, DynamicFunction]]:
    """All functions, each with its namespace."""
    for tool in declared:
        if isinstance(tool, DynamicNamespace):
            yield from ((tool.name, function) for function in tool.tools)
        else:
            yield None, tool
