"""Items of a turn as tool calls of the editor: how each begins, and how it ends. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from codexd.protocol.display.visible import visible_text
from codexd_frontends.acp.translation.diffs import diffs_of
from codexd_frontends.acp.translation.wire import Update
from codexd_frontends.client.messages import Item
from codexd_frontends.screen.drawn import one_line

TITLE_CHARACTERS_MAX: Final = 200
# A call shows the end of a long output; the daemon has the whole, and `codexctl show --item` prints it.
OUTPUT_CHARACTERS_MAX: Final = 32_000
# What a model gives a tool, or gets from it, beside its text.
RAW_BYTES_MAX: Final = 100_000

_TICKS = re.compile(r"`{3,}")
_STATUS: Final = {"inProgress": "in_progress", "completed": "completed"}  # others: failed


def is_tool_call(item: Item) -> bool:
    """Whether an item is shown as a tool call."""
    return item.type in _TITLES


def begun(item: Item, *, shows_terminals: bool) -> Update:
    """The call with all that is known when it begins."""
    call: Update = {
        "sessionUpdate": "tool_call",
        "toolCallId": item.id,
        "title": title_of(item),
        "kind": _kind(item),
        "status": "in_progress",
        "rawInput": _input(item),
        "content": _content_before(item),
        "locations": _locations(item),
    }
    if item.type == "commandExecution" and shows_terminals:
        call["content"] = [{"type": "terminal", "terminalId": item.id}]
        call["_meta"] = {"terminal_info": {"terminal_id": item.id, "cwd": item.cwd}}
    return call


def ended(item: Item, *, shows_terminals: bool, output_shown: bool) -> list[Update]:
    """How it ended. `output_shown`: the terminal has the output of the command already."""
    end: Update = {
        "sessionUpdate": "tool_call_update",
        "toolCallId": item.id,
        "status": _STATUS.get(item.status or "completed", "failed"),
    }
    if item.type == "webSearch":  # What is looked for is known at the end.
        end |= {"title": title_of(item), "rawInput": _input(item)}
    if item.type != "commandExecution":
        after = _content_after(item)
        return [end | ({"content": after} if after else {})]
    end["rawOutput"] = {"exit_code": item.exit_code, "status": item.status}
    if not shows_terminals:
        return [end | {"content": output_content(item.aggregated_output or "")}]
    exit_status = {"terminal_id": item.id, "exit_code": item.exit_code, "signal": None}
    end["_meta"] = {"terminal_exit": exit_status}
    output = "" if output_shown else item.aggregated_output or ""
    return [*([terminal_output(item.id, output)] if output else []), end]


def whole(item: Item, *, shows_terminals: bool) -> list[Update]:
    """The call of a turn that is over."""
    return [
        begun(item, shows_terminals=shows_terminals),
        *ended(item, shows_terminals=shows_terminals, output_shown=False),
    ]


def terminal_output(item_id: str, output: str) -> Update:
    """More output for a terminal of the editor. What would drive the terminal is written out."""
    data = {"terminal_id": item_id, "data": visible_text(output.replace("\r\n", "\n"))}
    return {
        "sessionUpdate": "tool_call_update",
        "toolCallId": item_id,
        "_meta": {"terminal_output": data},
    }


def output_content(output: str) -> list[Update]:
    """The end of an output as text, for an editor without such terminals."""
    if not output:
        return []
    cut = output[-OUTPUT_CHARACTERS_MAX:]
    return [text_content(fenced(cut if cut == output else f"…\n{cut}"))]


def text_content(text: str) -> Update:
    """Text within a tool call."""
    return {"type": "content", "content": {"type": "text", "text": text}}


def fenced(text: str) -> str:
    """Text as a block of Markdown, which it cannot end."""
    longest = max(map(len, _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{visible_text(text).removesuffix(chr(10))}\n{fence}"


def title_of(item: Item) -> str:
    """A line for the call."""
    return one_line(_TITLES[item.type](item), TITLE_CHARACTERS_MAX)


def _files(item: Item) -> str:
    names = [change.kind.move_path or change.path for change in item.changes]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"Edit {names[0]}{more}" if names else "Edit files"


_TITLES: Final[Mapping[str, Callable[[Item], str]]] = {
    "commandExecution": lambda item: " ".join(item.shell_line.split("\n")) or "Run a command",
    "fileChange": _files,
    "mcpToolCall": lambda item: f"{item.server}: {item.tool}",
    "dynamicToolCall": lambda item: item.tool,
    "collabAgentToolCall": lambda item: " ".join([item.tool, *item.receiver_thread_ids]),
    "webSearch": lambda item: f"Search the web: {item.query}" if item.query else "Search the web",
    "imageView": lambda item: f"Look at {item.path}",
    "contextCompaction": lambda item: "Compact the conversation",
    "enteredReviewMode": lambda item: f"Review {item.review}",
}
_KINDS: Final = {
    "commandExecution": "execute",
    "webSearch": "fetch",
    "imageView": "read",
    "contextCompaction": "think",
    "enteredReviewMode": "think",
}


def _kind(item: Item) -> str:
    if item.type != "fileChange":
        return _KINDS.get(item.type, "other")
    kinds = {change.kind.type for change in item.changes}
    if kinds == {"delete"}:
        return "delete"
    only_moves = all(change.kind.move_path and not change.diff for change in item.changes)
    return "move" if item.changes and only_moves else "edit"


def _locations(item: Item) -> list[Update]:
    if item.type == "imageView":
        return [{"path": item.path}]
    return [{"path": change.kind.move_path or change.path} for change in item.changes]


def _input(item: Item) -> Any:
    match item.type:
        case "commandExecution":
            return {"command": item.shell_line, "cwd": item.cwd}
        case "mcpToolCall":
            return {"server": item.server, "tool": item.tool, "arguments": _json(item.arguments)}
        case "dynamicToolCall":
            return {"tool": item.tool, "arguments": _json(item.arguments)}
        case "collabAgentToolCall":
            return {"threads": item.receiver_thread_ids, "prompt": item.prompt}
        case "webSearch":
            return {"query": item.query}
        case _:
            return None


def _json(raw: Raw) -> Any:
    """The value, where it is not too long to be shown."""
    if not bytes(raw) or len(bytes(raw)) > RAW_BYTES_MAX:
        return None
    return msgspec.json.decode(raw)


def _content_before(item: Item) -> list[Update]:
    return diffs_of(item.changes) if item.type == "fileChange" else []


def _content_after(item: Item) -> list[Update]:
    """What a call has at its end; an empty list leaves what it had."""
    match item.type:
        case "fileChange":
            problem = [text_content(item.problem)] if item.problem else []
            return [*diffs_of(item.changes), *problem]
        case "mcpToolCall" if item.error is not None:
            return [text_content(fenced(item.error.message))]
        case "mcpToolCall" if item.result is not None:
            said = "\n".join(part.text for part in item.result.content if part.text is not None)
            return output_content(said)
        case "dynamicToolCall" if item.content_items:
            return output_content("\n".join(part.text for part in item.content_items))
        case _:
            return []
