"""Which calls of MCP servers a person must allow, and what becomes of a call when the daemon dies. Pure.

A server's hints decide, as in Codex; the mode that the person has set for the tool comes first. A call that is allowed
for the session allows further calls of the same tool of the same server, with any arguments.
"""

from __future__ import annotations

import msgspec

from codexd.core.policy.looked_up import LookedUp
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import McpToolCall

ALWAYS_ASKED = "Calls of this tool are to be asked about, by config.toml."
MAY_CHANGE = "The tool of this MCP server is not known to only read."
DESTROYS = "The MCP server says that this tool may destroy something."


def mcp_reason(settings: Settings, action: McpToolCall, _: LookedUp) -> str | None:
    """Why a person must allow a call; None if it may run."""
    hints = action.hints
    match action.mode:
        case "approve":
            return None
        case "prompt":
            return ALWAYS_ASKED
        case "writes":
            return None if hints.read_only else MAY_CHANGE
        case "auto":
            if hints.destructive:
                return DESTROYS
            harmless = hints.destructive is False and hints.open_world is False
            return None if hints.read_only or harmless else MAY_CHANGE


def mcp_line(action: McpToolCall) -> str:
    """The call as one line, for questions and searches."""
    return f"{action.server}.{action.tool}({action.arguments})"


def mcp_key(action: McpToolCall) -> str:
    """What "allow it for the session" allows: the tool, or where each call is asked about, this call."""
    if action.mode in ("prompt", "writes"):
        return msgspec.json.encode(action).decode()
    return msgspec.json.encode(("mcp", action.server, action.tool)).decode()


def may_repeat(action: McpToolCall) -> bool:
    """Whether the call may be made twice, so that it is made again after a crash."""
    return bool(action.hints.read_only or action.hints.idempotent) and not (
        action.hints.destructive and not action.hints.idempotent
    )


def needs_alone(action: McpToolCall) -> frozenset[str]:
    """The server, unless the call may be made beside others. No file has such a name."""
    return frozenset() if action.parallel else frozenset({f"mcp:{action.server}"})
