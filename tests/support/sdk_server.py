"""An MCP server written with the official SDK, over stdio or HTTP: `python sdk_server.py [PORT]`.

Its tools do what a test needs: echo, images, progress, questions, another list, a crash.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel

server = MCPServer("sdk", version="1.2.3", instructions="For tests.")
READS = ToolAnnotations(read_only_hint=True)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@server.tool(annotations=READS, structured_output=False)
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool(annotations=ToolAnnotations(destructive_hint=True), structured_output=False)
def wipe(what: str) -> str:
    """Destroy something."""
    return f"wiped {what}"


@server.tool(annotations=READS)
def add(a: int, b: int) -> dict[str, int]:
    """Add numbers."""
    return {"sum": a + b}


@server.tool(annotations=READS, structured_output=False)
def picture() -> Image:
    """A picture."""
    return Image(data=PNG, format="png")


@server.tool(annotations=READS, structured_output=False)
def fail() -> CallToolResult:
    """Fail."""
    return CallToolResult(content=[TextContent(text="it broke")], is_error=True)


@server.tool(annotations=READS, structured_output=False)
async def slow(ctx: Context, file: str = "") -> str:
    """Say how far it is, and wait for ever."""
    await ctx.report_progress(1, 3, "one of three")
    try:
        await anyio.sleep_forever()
    finally:
        if file:
            Path(file).touch()  # noqa: ASYNC240
    return ""


_under_way: list[None] = []
_both = anyio.Event()


@server.tool(structured_output=False)
async def change_slowly() -> str:
    """Change something, for so long that another call could come; how many are under way, this one among them."""
    _under_way.append(None)
    try:
        if len(_under_way) == 2:
            _both.set()
        with anyio.move_on_after(0.3):  # for a call that comes only after this one
            await _both.wait()
        return f"{len(_under_way)} under way"
    finally:
        _under_way.pop()


class Answer(BaseModel):
    """What a person is asked."""

    name: str


@server.tool(annotations=READS, structured_output=False)
async def ask(ctx: Context) -> str:
    """Ask a person."""
    answer = await ctx.elicit("Who are you?", Answer)
    return f"{answer.action} {answer.data.name if answer.action == 'accept' else ''}".strip()


@server.tool(annotations=READS, structured_output=False)
async def learn(ctx: Context, name: str) -> str:
    """Have one tool more."""

    def learnt() -> str:
        """Another tool."""
        return "learnt"

    server.add_tool(learnt, name=name, annotations=READS, structured_output=False)
    await ctx.notify_tools_changed()  # to those who listen, as since 2026
    await ctx.session.send_tool_list_changed()
    return "done"


@server.tool(annotations=READS, structured_output=False)
def environment() -> str:
    """The names of its variables."""
    return " ".join(sorted(os.environ))


@server.tool(structured_output=False)
def crash() -> str:
    """End at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@server.resource("note://{name}")
def note(name: str) -> str:
    """A note."""
    return f"note of {name}"


@server.resource("file:///readme", mime_type="text/plain")
def readme() -> str:
    """What to read."""
    return "read me"


def main(arguments: list[str], variables: Mapping[str, str]) -> None:
    """Serve until the input ends."""
    if arguments:
        server.run("streamable-http", port=int(arguments[0]))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
