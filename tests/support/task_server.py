"""An MCP server with the extension Tasks, written with the official SDK, over HTTP: `python task_server.py PORT`.

Its tool `work` answers with a task that is done when the file has a first line, and cancelled when it is asked for
that. The id of a task is the path of its file, so a task outlives the server as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolRequestParams, RequestParams
from pydantic import Field

TIMES = {"createdAt": "2026-11-28T00:00:00Z", "lastUpdatedAt": "2026-11-28T00:00:00Z"}
ASKED = {"mode": "form", "message": "Which word?", "requestedSchema": {
    "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"],
}}  # fmt: skip


class Of(RequestParams):
    """A task."""

    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class Tasks(Extension):
    """The extension."""

    identifier = "io.modelcontextprotocol/tasks"

    def methods(self) -> list[MethodBinding]:
        return [
            MethodBinding("tasks/get", Of, self._get),
            MethodBinding("tasks/cancel", Of, self._cancel),
            MethodBinding("tasks/update", Of, self._update),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Any, call_next: Any
    ) -> Any:
        if params.name != "work":
            return await call_next(ctx)
        return {"resultType": "task", **_task(str((params.arguments or {})["file"]), "working")}

    async def _get(self, _ctx: Any, params: Of) -> dict[str, Any]:
        path = Path(params.task_id)
        said = path.read_text() if path.exists() else ""  # noqa: ASYNC240
        found = _task(params.task_id, "working", statusMessage="at work")
        if said == "fail\n":
            found |= {"status": "failed", "error": {"code": -32603, "message": "it broke"}}
        elif said == "ask\n":
            asked = {"method": "elicitation/create", "params": ASKED}
            found |= {"status": "input_required", "inputRequests": {"q": asked}}
        elif said.endswith("\n"):
            text = {"type": "text", "text": said.strip()}
            found |= {"status": "completed", "result": {"content": [text], "isError": False}}
        return {"resultType": "complete", **found}

    async def _cancel(self, _ctx: Any, params: Of) -> dict[str, Any]:
        Path(f"{params.task_id}.cancelled").touch()  # noqa: ASYNC240
        return {"resultType": "complete"}

    async def _update(self, _ctx: Any, params: Of) -> dict[str, Any]:
        answer = params.input_responses["q"]
        Path(params.task_id).write_text(f"{answer['action']} {answer['content']['word']}\n")  # noqa: ASYNC240
        return {"resultType": "complete"}


def _task(task_id: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "taskId": task_id,
        "status": status,
        "ttlMs": None,
        "pollIntervalMs": 50,
        **TIMES,
    } | more


server = MCPServer("tasks", version="1", extensions=[Tasks()])


@server.tool(structured_output=False)
def work(file: str) -> str:
    """Work for long; done when the file says so."""
    return file


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]))
