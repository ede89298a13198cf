"""The tools that a client declares at `thread/start`, checked: Codex's rules for names, and a bound for all of them."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from codexd.core.values.dynamic_tools import (
    DynamicFunction,
    DynamicNamespace,
    DynamicTool,
    functions_of,
)
from codexd.core.values.foreign_json import decode_foreign
from codexd.protocol.display.visible import visible_line

# All declarations of a thread: the model is given them with each request, where this much is some 64,000 tokens.
DECLARED_BYTES_MAX: Final = 256 * 1024
# The lengths of names and descriptions, as in Codex.
NAME_CHARACTERS_MAX: Final = 128
NAMESPACE_CHARACTERS_MAX: Final = 64
NAMESPACE_DESCRIPTION_CHARACTERS_MAX: Final = 1024
# Names of the namespaces of the model's own tools, which the Responses API keeps for itself.
RESERVED_NAMESPACES: Final = frozenset(
    [
        "api_tool",
        "browser",
        "computer",
        "container",
        "file_search",
        "functions",
        "image_gen",
        "multi_tool_use",
        "python",
        "python_user_visible",
        "submodel_delegator",
        "terminal",
        "tool_search",
        "web",
    ]
)
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_MCP: Final = "mcp"  # the tools of MCP servers have names that begin so


class InvalidDynamicTools(ValueError):
    """The declarations cannot be used. The message says what was expected and what was found."""


def checked_tools(declared: tuple[DynamicTool, ...] | None) -> tuple[DynamicTool, ...]:
    """The declarations as they are kept. Raises: InvalidDynamicTools."""
    tools = tuple([_checked(tool) for tool in declared or ()])
    spaces = [tool.name for tool in tools if isinstance(tool, DynamicNamespace)]
    _refuse_twice(spaces, "namespace")
    names = [
        name if of is None else f"{of}.{name}"
        for of, function in functions_of(tools)
        if (name := function.name)
    ]
    _refuse_twice(names, "tool")
    size = len(msgspec.json.encode(tools))
    if size > DECLARED_BYTES_MAX:
        raise InvalidDynamicTools(
            f"expected dynamic tools of {DECLARED_BYTES_MAX} bytes at most, since the model gets them with each "
            f"request, found {size} bytes"
        )
    return tools


def _refuse_twice(names: list[str], kind: str) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise InvalidDynamicTools(f"duplicate dynamic {kind}: expected `{name}` once")
        seen.add(name)


def _checked(tool: DynamicTool) -> DynamicTool:
    if isinstance(tool, DynamicFunction):
        if tool.defer_loading:
            raise InvalidDynamicTools(
                f"deferred dynamic tool `{_shown(tool.name)}`: expected it within a namespace, found it outside"
            )
        return _function(tool)
    _check_name(tool.name, "namespace", NAMESPACE_CHARACTERS_MAX)
    if tool.name in RESERVED_NAMESPACES:
        raise InvalidDynamicTools(
            f"dynamic tool namespace `{tool.name}` is reserved: expected another name"
        )
    if len(tool.description) > NAMESPACE_DESCRIPTION_CHARACTERS_MAX:
        raise InvalidDynamicTools(
            f"dynamic tool namespace `{tool.name}`: expected a description of "
            f"{NAMESPACE_DESCRIPTION_CHARACTERS_MAX} characters at most, found {len(tool.description)}"
        )
    if not tool.tools:
        raise InvalidDynamicTools(
            f"dynamic tool namespace `{tool.name}`: expected at least one tool, found none"
        )
    functions = tuple([_function(function) for function in tool.tools])
    return DynamicNamespace(name=tool.name, description=tool.description, tools=functions)


def _function(tool: DynamicFunction) -> DynamicFunction:
    _check_name(tool.name, "tool", NAME_CHARACTERS_MAX)
    return DynamicFunction(
        name=tool.name,
        description=tool.description,
        input_schema=_schema(tool),
        defer_loading=tool.defer_loading,
    )


def _check_name(name: str, kind: str, characters_max: int) -> None:
    if not name:
        raise InvalidDynamicTools(f"expected a name for each dynamic {kind}, found an empty one")
    if len(name) > characters_max:
        raise InvalidDynamicTools(
            f"dynamic {kind} `{_shown(name)}`: expected a name of {characters_max} characters at most, found "
            f"{len(name)}"
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidDynamicTools(
            f"dynamic {kind} `{_shown(name)}`: expected a name that matches ^[a-zA-Z0-9_-]+$"
        )
    if name == _MCP or name.startswith(f"{_MCP}__"):
        raise InvalidDynamicTools(
            f"dynamic {kind} name `{_shown(name)}` is reserved for MCP servers: expected another name"
        )


def _schema(tool: DynamicFunction) -> msgspec.Raw:
    """The schema on one line. Raises: InvalidDynamicTools."""
    encoded = bytes(tool.input_schema)
    if len(encoded) > DECLARED_BYTES_MAX:
        found: str = f"{len(encoded)} bytes"
    else:
        try:
            schema = decode_foreign(encoded)
            if isinstance(schema, dict) and schema.get("type") != "null":
                return msgspec.Raw(encoded.replace(b"\n", b" ").replace(b"\r", b" "))
            found = "another value"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            found = visible_line(str(error), 200)
    raise InvalidDynamicTools(
        f"dynamic tool `{_shown(tool.name)}`: expected inputSchema to be a JSON schema of an object of "
        f"{DECLARED_BYTES_MAX} bytes at most, found {found}"
    )


def _shown(name: str) -> str:
    return visible_line(name, 80)
