"""The events of `codex exec --json`, made of the daemon's notifications. Pure.

Source: `exec_events.rs` of Codex, and what version 0.171 was recorded to say. Where Codex says `id` twice, of a search
of the web, there is one here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from codexd.protocol.usage import TokenUsageBreakdown
from codexd_frontends.client.messages import (
    ErrorNote,
    FileUpdate,
    ItemNote,
    McpError,
    Message,
    Plan,
    Received,
    TurnNote,
    TurnTrouble,
    UsageNote,
    WarningNote,
)

Event = dict[str, object]

_STATUSES = {"inProgress": "in_progress"}
_SEARCHES = {"openPage": "open_page", "findInPage": "find_in_page"}
# Items that have no event until they are whole.
_WHOLE = frozenset({"agentMessage", "reasoning"})


class _Item(Received, frozen=True, kw_only=True):
    type: str
    id: str
    text: str = ""
    summary: tuple[str, ...] = ()
    command: str = ""
    aggregated_output: str | None = None
    exit_code: int | None = None
    status: str = ""
    changes: tuple[FileUpdate, ...] = ()
    server: str = ""
    tool: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"null")
    result: _Result | None = None
    error: McpError | None = None
    query: str = ""
    action: dict[str, Any] | None = None
    sender_thread_id: str = ""  # collabAgentToolCall, as all that follow
    receiver_thread_ids: tuple[str, ...] = ()
    prompt: str | None = None
    agents_states: Mapping[str, _AgentState] = {}


class _AgentState(msgspec.Struct, frozen=True):
    status: str
    message: str | None = None


class _Result(Received, frozen=True, kw_only=True):
    content: msgspec.Raw = msgspec.Raw(b"[]")
    structured_content: msgspec.Raw = msgspec.Raw(b"null")


class _Notice(Received, frozen=True, kw_only=True):
    summary: str = ""
    details: str | None = None


class Events:
    """The events of one turn, in order."""

    def __init__(self) -> None:
        self._numbered = 0
        self._ids: dict[str, str] = {}  # of open items, by the daemon's
        self._plan: tuple[str, list[Event]] | None = None  # its id, and its steps
        self._total = TokenUsageBreakdown()
        self._error: str | None = None  # the last

    def of(self, message: Message) -> Iterator[Event]:
        """The events that a notification of the turn, or of the configuration, stands for."""
        match message.method:
            case "turn/started":
                yield {"type": "turn.started"}
            case "item/started":
                yield from self._item(message, "item.started")
            case "item/completed":
                yield from self._item(message, "item.completed")
            case "turn/plan/updated":
                yield self._planned(msgspec.json.decode(message.params, type=Plan))
            case "thread/tokenUsage/updated":
                self._total = msgspec.json.decode(message.params, type=UsageNote).token_usage.total
            case "error":
                self._error = _said(msgspec.json.decode(message.params, type=ErrorNote).error)
                yield {"type": "error", "message": self._error}
            case "warning":
                yield self.warning(msgspec.json.decode(message.params, type=WarningNote).message)
            case "configWarning" | "deprecationNotice":
                notice = msgspec.json.decode(message.params, type=_Notice)
                yield self.warning(_with(notice.summary, notice.details))
            case "turn/completed":
                yield from self._ended(msgspec.json.decode(message.params, type=TurnNote))

    def warning(self, text: str) -> Event:
        """A warning, which is an item."""
        return _event("item.completed", self._next_id(), "error", {"message": text})

    def _next_id(self) -> str:
        self._numbered += 1
        return f"item_{self._numbered - 1}"

    def _item(self, message: Message, kind: str) -> Iterator[Event]:
        raw = msgspec.json.decode(message.params, type=ItemNote).item
        item = msgspec.json.decode(raw, type=_Item)
        shown = _shown(item)
        if shown is None or (kind == "item.started" and item.type in _WHOLE):
            return
        if kind == "item.started":
            number = self._ids.get(item.id)
            if number is not None:  # A patch that has grown, for example.
                kind = "item.updated"
            else:
                number = self._ids[item.id] = self._next_id()
        else:
            number = self._ids.pop(item.id, None) or self._next_id()
        yield _event(kind, number, *shown)

    def _planned(self, plan: Plan) -> Event:
        steps: list[Event] = [
            {"text": step.step, "completed": step.status == "completed"} for step in plan.plan
        ]
        kind = "item.started" if self._plan is None else "item.updated"
        number = self._next_id() if self._plan is None else self._plan[0]
        self._plan = number, steps
        return _event(kind, number, "todo_list", {"items": steps})

    def _ended(self, note: TurnNote) -> Iterator[Event]:
        if self._plan is not None:
            number, steps = self._plan
            yield _event("item.completed", number, "todo_list", {"items": steps})
        match note.turn.status:
            case "completed":
                yield {"type": "turn.completed", "usage": _usage(self._total)}
            case "failed":
                told = None if note.turn.error is None else _said(note.turn.error)
                yield {
                    "type": "turn.failed",
                    "error": {"message": told or self._error or "turn failed"},
                }


def _shown(item: _Item) -> tuple[str, Mapping[str, object]] | None:
    """The kind of an item, and its members; None: it has no event."""
    status = _STATUSES.get(item.status, item.status)
    match item.type:
        case "agentMessage":
            return "agent_message", {"text": item.text}
        case "reasoning":
            text = "\n".join(item.summary)
            return ("reasoning", {"text": text}) if text.strip() else None
        case "commandExecution":
            return "command_execution", {
                "command": item.command,
                "aggregated_output": item.aggregated_output or "",
                "exit_code": item.exit_code,
                "status": status,
            }
        case "fileChange":
            changes = [{"path": one.path, "kind": one.kind.type} for one in item.changes]
            ended = "failed" if status == "declined" else status
            return "file_change", {"changes": changes, "status": ended}
        case "mcpToolCall":
            return "mcp_tool_call", _call(item, status)
        case "collabAgentToolCall":
            return "collab_tool_call", _agents(item, status)
        case "webSearch":
            return "web_search", {"query": item.query, "action": _search(item.action)}
        case _:
            return None


def _agents(item: _Item, status: str) -> Event:
    states = {
        thread: {"status": _snake(state.status), "message": state.message}
        for thread, state in item.agents_states.items()
    }
    return {
        "tool": _snake(item.tool),
        "sender_thread_id": item.sender_thread_id,
        "receiver_thread_ids": item.receiver_thread_ids,
        "prompt": item.prompt,
        "agents_states": states,
        "status": status,
    }


def _snake(word: str) -> str:
    """A word of the wire as events have it: `spawnAgent` is `spawn_agent`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)


def _call(item: _Item, status: str) -> Event:
    result = item.result
    return {
        "server": item.server,
        "tool": item.tool,
        "arguments": item.arguments,
        "result": None
        if result is None
        else {"content": result.content, "structured_content": result.structured_content},
        "error": None if item.error is None else {"message": item.error.message},
        "status": status,
    }


def _search(action: dict[str, Any] | None) -> Event:
    said = {"type": "other"} if action is None else action
    kind = str(said.get("type"))
    members = {name: value for name, value in said.items() if value is not None}
    return members | {"type": _SEARCHES.get(kind, kind)}


def _usage(total: TokenUsageBreakdown) -> Event:
    """All responses of the thread up to now, and not those of the turn alone."""
    return {
        "input_tokens": total.input_tokens,
        "cached_input_tokens": total.cached_input_tokens,
        "cache_write_input_tokens": total.cache_write_input_tokens,
        "output_tokens": total.output_tokens,
        "reasoning_output_tokens": total.reasoning_output_tokens,
    }


def _event(kind: str, number: str, item: str, members: Mapping[str, object]) -> Event:
    return {"type": kind, "item": {"id": number, "type": item, **members}}


def _said(trouble: TurnTrouble) -> str:
    return _with(trouble.message, trouble.additional_details)


def _with(message: str, details: str | None) -> str:
    return f"{message} ({details})" if details else message
