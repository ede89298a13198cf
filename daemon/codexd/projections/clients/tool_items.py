"""Tool calls -> items on a screen: how each item of the wire that shows a call begins, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from codexd.core.policy.action_kinds import ToolItemType, kind_of
from codexd.core.values.foreign_json import decode_foreign
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import (
    AgentCall,
    AgentState,
    ChangeKind,
    CommandExecution,
    CommandStatus,
    FileChange,
    FileUpdate,
    ImageView,
    McpCall,
    McpError,
    McpResult,
    ToolCall,
    ToolText,
    UnknownAction,
)
from codexd.core.values.thread_calls import ThreadCall
from codexd.core.values.tool_actions import (
    ApplyPatch,
    DynamicToolCall,
    ExecCommand,
    McpToolCall,
    PatchedFile,
    PersonCommand,
    RunCommand,
    ToolAction,
    ToolResult,
    ViewImage,
)
from codexd.projections.quoting import quoted

ToolItem = CommandExecution | FileChange | ImageView | McpCall | AgentCall | ToolCall


class OpenTool(msgspec.Struct, frozen=True, gc=False):
    """A tool call that has no answer yet."""

    call_id: CallId
    name: str = ""
    arguments: str = ""  # as the model wrote them
    action: ToolAction | None = None  # None: no approval was asked for, and it was not started
    item: ToolItem | None = None  # as it is now, if it has begun


class ItemMaker(Protocol):
    """How an item of one type shows a call."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        """As it waits to be allowed, or runs; None where it is shown when it is whole."""

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem | None:
        """As it is whole; None where no item shows it."""


class _Commands:
    """`commandExecution`: a command, with its output as it comes."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        action = tool.action
        assert isinstance(action, RunCommand)
        return CommandExecution(
            id=ItemId(tool.call_id),
            command=quoted(action.argv),
            cwd=action.cwd,
            process_id=action.session if isinstance(action, ExecCommand) else None,
            source=_source(action),
            status="inProgress",
            command_actions=(UnknownAction(action.command),),
            started_at_ms=at_ms,
        )

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        assert isinstance(tool.item, CommandExecution)
        status: CommandStatus = "failed" if result.status == "aborted" else result.status
        return replace(
            tool.item,
            status=status,
            # Of a refusal: what the person wants done instead, if the person said so.
            aggregated_output=(result.output or None)
            if result.status == "declined"
            else result.output,
            exit_code=result.exit_code,
            duration_ms=result.duration_ms,
            completed_at_ms=at_ms,
        )


def _source(action: RunCommand) -> Literal["agent", "userShell", "unifiedExecStartup"]:
    if isinstance(action, PersonCommand):
        return "userShell"
    return "unifiedExecStartup" if isinstance(action, ExecCommand) else "agent"


class _Patches:
    """`fileChange`: a patch, with a diff for each file."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        action = tool.action
        assert isinstance(action, ApplyPatch)
        return FileChange(
            id=ItemId(tool.call_id),
            changes=file_updates(action.files),
            status="inProgress",
            started_at_ms=at_ms,
        )

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        assert isinstance(tool.item, FileChange)
        status: CommandStatus = "failed" if result.status == "aborted" else result.status
        problem = result.model_text if status == "failed" else msgspec.UNSET
        return replace(tool.item, status=status, completed_at_ms=at_ms, problem=problem)


def file_updates(files: Sequence[PatchedFile]) -> tuple[FileUpdate, ...]:
    """Files of a patch as clients see them: a moved file is one change, at its earlier path."""
    moved = {file.moved_from for file in files}
    return tuple(
        [_update(file) for file in files if file.after is not None or file.path not in moved]
    )


def _update(file: PatchedFile) -> FileUpdate:
    if file.moved_from is not None:
        return FileUpdate(file.moved_from, ChangeKind("update", file.path), file.diff)
    return FileUpdate(file.path, ChangeKind(file.kind), file.diff)


class _Calls:
    """`dynamicToolCall`: any call, by the tool's name and its arguments."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        return ToolCall(
            id=ItemId(tool.call_id),
            **_called(tool),
            arguments=_shown(tool.arguments),
            status="inProgress",
            started_at_ms=at_ms,
        )

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        success = result.status == "completed"
        return ToolCall(
            id=ItemId(tool.call_id),
            **_called(tool),
            arguments=_shown(tool.arguments),
            status="completed" if success else "failed",
            success=success,
            content_items=_content(tool, result),
            duration_ms=result.duration_ms,
            started_at_ms=at_ms if tool.item is None else tool.item.started_at_ms,
            completed_at_ms=at_ms,
        )


def _called(tool: OpenTool) -> dict[str, Any]:
    """The names of the tool: a client's as the client has declared it."""
    if isinstance(tool.action, DynamicToolCall):
        return {"tool": tool.action.tool, "namespace": tool.action.namespace}
    return {"tool": tool.name}


_decode_texts = msgspec.json.Decoder(tuple[ToolText, ...]).decode


def _content(tool: OpenTool, result: ToolResult) -> tuple[ToolText, ...]:
    """The answer: of a client's tool part by part, as far as the client gave one."""
    if isinstance(tool.action, DynamicToolCall) and result.output:
        with suppress(msgspec.DecodeError):
            return _decode_texts(result.output)
    return (ToolText(result.model_text),)


class _Images:
    """`imageView`: an image that was looked at; where it could not be, the call with its reason."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        return None

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        if not isinstance(tool.action, ViewImage) or result.status != "completed":
            return _CALLS.end(tool, result, at_ms)
        return ImageView(
            id=ItemId(tool.call_id),
            path=tool.action.path,
            started_at_ms=at_ms,
            completed_at_ms=at_ms,
        )


class _Unseen:
    """No item: a notification of its own shows it."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        return None

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem | None:
        return None


class _McpCalls:
    """`mcpToolCall`: a call of a tool of an MCP server, with the result as the server gave it."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        action = tool.action
        assert isinstance(action, McpToolCall)
        return McpCall(
            id=ItemId(tool.call_id),
            server=action.server,
            tool=action.tool,
            status="inProgress",
            arguments=_shown(action.arguments),
            read_only_hint=action.hints.read_only,
            started_at_ms=at_ms,
        )

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        assert isinstance(tool.item, McpCall)
        given = _mcp_result(result)
        return replace(
            tool.item,
            status="completed" if result.status == "completed" else "failed",
            result=given,
            error=McpError(result.model_text) if given is None else None,
            duration_ms=result.duration_ms,
            completed_at_ms=at_ms,
        )


def _mcp_result(result: ToolResult) -> McpResult | None:
    """The server's result; None where it gave none."""
    if result.status not in ("completed", "failed"):
        return None
    try:
        return msgspec.json.decode(result.output, type=McpResult)
    except msgspec.DecodeError:
        return None


class _AgentsTold(msgspec.Struct, frozen=True):
    agents: Mapping[str, AgentState] = {}


class _AgentCalls:
    """`collabAgentToolCall`: a call on other threads, and how they stand at its end."""

    def begin(self, tool: OpenTool, at_ms: int) -> ToolItem | None:
        action = tool.action
        assert isinstance(action, ThreadCall)
        return AgentCall(
            id=ItemId(tool.call_id),
            tool="listAgents" if action.tool == "readAgent" else action.tool,
            status="inProgress",
            sender_thread_id=action.sender,
            receiver_thread_ids=action.threads,
            prompt=action.prompt or None,
            model=action.model,
            started_at_ms=at_ms,
        )

    def end(self, tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem:
        assert isinstance(tool.item, AgentCall)
        statuses = {"completed": "completed", "aborted": "interrupted"}
        try:
            told = msgspec.json.decode(result.output or "{}", type=_AgentsTold)
        except msgspec.DecodeError:
            told = _AgentsTold()
        return replace(
            tool.item,
            status=statuses.get(result.status, "failed"),
            agents_states=told.agents,
            completed_at_ms=at_ms,
        )


_CALLS = _Calls()
_MAKERS: dict[ToolItemType | None, ItemMaker] = {
    None: _Unseen(),
    "commandExecution": _Commands(),
    "fileChange": _Patches(),
    "imageView": _Images(),
    "mcpToolCall": _McpCalls(),
    "collabAgentToolCall": _AgentCalls(),
    "dynamicToolCall": _CALLS,
}


def begun(tool: OpenTool, action: ToolAction, at_ms: int) -> OpenTool:
    """The call after it was asked about or started."""
    tool = replace(tool, action=action)
    return replace(tool, item=_MAKERS[kind_of(action).item].begin(tool, at_ms))


def ended(tool: OpenTool, result: ToolResult, at_ms: int) -> ToolItem | None:
    """The item of a call that has its answer, if one shows it; a call that never started is shown as a call."""
    maker = _CALLS if tool.action is None else _MAKERS[kind_of(tool.action).item]
    return maker.end(tool, result, at_ms)


def _shown(arguments: str) -> msgspec.Raw:
    try:
        # The model's arguments may be no JSON; then they are shown as text.
        return msgspec.Raw(msgspec.json.encode(decode_foreign(arguments)))
    except msgspec.MsgspecError:
        return msgspec.Raw(msgspec.json.encode(arguments))
