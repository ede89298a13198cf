"""How a model is offered the tools that a client has declared, and how its calls find them.

A model calls a tool by its namespace and name, or, where its API has no namespaces, by a flat name that has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from codexd.core.values.dynamic_tools import DynamicFunction, DynamicTool, functions_of
from codexd.core.values.provider_items import NAME_CHARACTERS_MAX, call_name

# Between the namespace and the name in a flat name.
FLAT_SEPARATOR: Final = "__"
# What a name that is too long ends with, so that two of them stay two.
_DIGEST_CHARACTERS: Final = 8


def flat_name(namespace: str | None, name: str) -> str:
    """The name of a function where an API has no namespaces: of 64 characters at most, as every API takes it."""
    whole = name if namespace is None else f"{namespace}{FLAT_SEPARATOR}{flat_name(None, name)}"
    if len(whole) <= NAME_CHARACTERS_MAX:
        return whole
    digest = sha256(whole.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{whole[: NAME_CHARACTERS_MAX - _DIGEST_CHARACTERS - 1]}_{digest}"


def find_function(
    declared: tuple[DynamicTool, ...], namespace: str | None, name: str
) -> tuple[str | None, DynamicFunction] | None:
    """The function that a model calls, by its namespace and name or by its flat name; None if none is declared so.

    A name that was cut to the length that APIs take finds its function, too.
    """
    found = None
    for of, function in functions_of(declared):
        if of == namespace and function.name == name:
            return of, function
        given = flat_name(of, function.name)
        cut = of == namespace and call_name(function.name) == name
        if found is None and (cut or (namespace is None and given == name)):
            found = of, function
    return found


def offered(declared: tuple[DynamicTool, ...]) -> Iterator[bytes]:
    """The declarations for a model, as encoded members of a Responses request's `tools`."""
    for tool in declared:
        if isinstance(tool, DynamicFunction):
            if not tool.defer_loading:
                yield msgspec.json.encode(_function(tool))
        elif functions := [_function(f) for f in tool.tools if not f.defer_loading]:
            members = {
                "type": "namespace",
                "name": tool.name,
                "description": tool.description,
                "tools": functions,
            }
            yield msgspec.json.encode(members)


def _function(tool: DynamicFunction) -> dict[str, object]:
    return {
        "type": "function",
        "name": flat_name(None, tool.name),
        "description": tool.description,
        "strict": False,
        "parameters": tool.input_schema,
    }


class _Head(msgspec.Struct, frozen=True):
    type: str = ""
    name: str = ""
    description: str = ""
    tools: tuple[msgspec.Raw, ...] = ()


_BEGINS_NAMESPACE: Final = b'{"type":"namespace"'
_decode_head = msgspec.json.Decoder(_Head).decode


def flattened(declarations: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The declarations of a request without namespaces: their functions, under flat names."""
    if not any(encoded.startswith(_BEGINS_NAMESPACE) for encoded in declarations):
        return declarations
    return tuple([flat for encoded in declarations for flat in _flat(encoded)])


def _flat(encoded: bytes) -> Iterator[bytes]:
    if not encoded.startswith(_BEGINS_NAMESPACE):
        yield encoded
        return
    namespace = _decode_head(encoded)
    for function in namespace.tools:
        members = msgspec.json.decode(function, type=dict[str, msgspec.Raw])
        name = flat_name(namespace.name, _decode_head(function).name)
        yield msgspec.json.encode({**members, "name": name})
