"""The tools by which models look at resources of MCP servers: list_mcp_resources and its kin, as Codex has them.

They are offered where a server has resources. What they do is to read, so nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, McpHints, McpToolCall, ToolAction, ToolResult
from codexd.mcp.connection import Call, ServerError, Session
from codexd.mcp.server import McpServer
from codexd.mcp.servers import Servers
from codexd.tools.registry import CallContext, CallSink

LIST, TEMPLATES, READ = "list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource"
_SERVER = {"type": "string", "description": "A server's name; without it, all servers are listed."}
_URI_CHARACTERS_MAX: Final = 8192


class _Arguments(msgspec.Struct, frozen=True):
    server: str | None = None
    uri: str | None = None


class _Contents(msgspec.Struct, frozen=True):
    contents: tuple[msgspec.Raw, ...] = ()


def _declared(
    name: str, description: str, properties: Mapping[str, object], required: tuple[str, ...] = ()
) -> bytes:
    return msgspec.json.encode(
        {
            "type": "function",
            "name": name,
            "description": description,
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            },
        }
    )


RESOURCE_TOOLS: Final[Mapping[str, bytes]] = {
    LIST: _declared(
        LIST,
        "Lists the resources that MCP servers offer: files, database schemas and other context. Prefer them to a "
        "web search where they have what you need.",
        {"server": _SERVER},
    ),
    TEMPLATES: _declared(
        TEMPLATES,
        "Lists the templates of resources that MCP servers offer: addresses with parameters to fill in.",
        {"server": _SERVER},
    ),
    READ: _declared(
        READ,
        "Reads a resource of an MCP server.",
        {
            "server": {"type": "string", "description": f"The server's name, as {LIST} has it."},
            "uri": {"type": "string", "description": f"The resource's address, as {LIST} has it."},
        },
        ("server", "uri"),
    ),
}


# What these calls have in place of the name of a server.
OWN: Final = "codexd"
OWN_CALLS: Final = frozenset((OWN, tool) for tool in RESOURCE_TOOLS)


class ResourceTool:
    """One of them."""

    features = frozenset({"mcp_servers"})

    def __init__(self, name: str) -> None:
        self.name = name

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        return RESOURCE_TOOLS[self.name] if thread.reviews is None else None

    def read_call(self, arguments: str, context: CallContext) -> McpToolCall | BadCall:
        try:
            asked = msgspec.json.decode(arguments.strip() or "{}", type=_Arguments)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return BadCall(
                f"The arguments of {self.name} could not be used: {error}. Nothing was read."
            )
        if self.name == READ and not (asked.server and asked.uri):
            return BadCall(f"{READ} needs `server` and `uri`. Nothing was read.")
        if asked.uri is not None and len(asked.uri) > _URI_CHARACTERS_MAX:
            return BadCall(
                f"`uri` has more than {_URI_CHARACTERS_MAX} characters. Nothing was read."
            )
        return McpToolCall(
            OWN,
            self.name,
            arguments.strip() or "{}",
            McpHints(read_only=True),
            "approve",
            parallel=True,
        )

    async def perform(self, action: ToolAction, context: CallContext, sink: CallSink) -> ToolResult:
        raise AssertionError("the calls of all servers are made by one tool")


async def read_resources(servers: Servers, action: McpToolCall, call: Call) -> bytes:
    """The result of one of the tools above, in the form of a server's. Raises: ServerError, SessionLost, TimedOut."""
    asked = msgspec.json.decode(action.arguments, type=_Arguments)
    if action.tool == READ:
        server = _named(servers, asked.server or "")
        session = await server.session()
        contents = await session.read_resource(asked.uri or "", call, server.table.tool_seconds)
        read = msgspec.json.decode(contents, type=_Contents)
        return _result({"server": server.name, "uri": asked.uri, "contents": read.contents})
    chosen = servers.all if asked.server is None else (_named(servers, asked.server),)
    found: list[dict[str, msgspec.Raw]] = []
    for server in chosen:
        if asked.server is None and (server.identity is None or not server.identity.has_resources):
            continue
        entries = await _listed(await server.session(), action.tool)
        name = msgspec.Raw(msgspec.json.encode(server.name))
        found += [{"server": name, **_members(entry)} for entry in entries]
    return _result({"resources" if action.tool == LIST else "resourceTemplates": found})


async def _listed(session: Session, tool: str) -> list[bytes]:
    return await (session.resources() if tool == LIST else session.resource_templates())


def _named(servers: Servers, name: str) -> McpServer:
    server = servers.find(name)
    if server is None or not server.table.enabled:
        known = ", ".join(server.name for server in servers.all) or "none"
        raise ServerError(f"expected the name of an MCP server ({known}), found {name[:80]!r}")
    return server


def _members(encoded: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])


def _result(value: object) -> bytes:
    text = msgspec.json.encode(value).decode()
    content = [{"type": "text", "text": text}]
    return msgspec.json.encode({"content": content, "structuredContent": value})
