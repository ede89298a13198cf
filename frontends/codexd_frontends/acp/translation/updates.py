"""The daemon's notifications of one thread as the editor's updates of a session: live, and of turns that are over. Pure.

Law: what is replayed is what was seen live, but for how text was cut into pieces. The prompts of this editor are
shown by the editor itself while they run, so they come only in a replay.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

import msgspec

from codexd.protocol.usage import ThreadTokenUsage, TokenUsageBreakdown
from codexd_frontends.acp.translation.blocks import content_of
from codexd_frontends.acp.translation.tool_calls import (
    begun,
    ended,
    is_tool_call,
    output_content,
    terminal_output,
    whole,
)
from codexd_frontends.acp.translation.wire import Update
from codexd_frontends.client import messages as m

# An editor without terminals gets the output of a running command again each time it has grown by so much.
GROWTH_CHARACTERS: Final = 4_000
_PLAN_STATUS: Final = {"inProgress": "in_progress", "completed": "completed"}  # others: pending


class _Part(m.DeltaNote, frozen=True, kw_only=True):
    """A delta of reasoning: which part of it grows."""

    summary_index: int | None = None
    content_index: int | None = None


class _Usage(m.UsageNote, frozen=True, kw_only=True):
    turn_id: str = ""


class _Shown:
    """What the editor has of an open item."""

    def __init__(self) -> None:
        self.characters = 0  # of a message
        self.part: tuple[str, int] | None = None  # of reasoning: its kind and its number
        self.output, self.output_sent = "", 0  # of a command


class Updates:
    """The state of one session's view."""

    def __init__(self, *, shows_terminals: bool) -> None:
        self._terminals = shows_terminals
        self._open: dict[str, _Shown] = {}
        self._own: set[str] = set()  # prompts of this editor, by their ids
        self.running: str | None = None  # the turn that runs
        self.usage = ThreadTokenUsage()
        self._before: tuple[str, TokenUsageBreakdown] | None = None  # a turn, and the usage before

    def new_prompt(self) -> str:
        """The id of a prompt of this editor."""
        client_id = str(uuid.uuid4())
        self._own.add(client_id)
        return client_id

    def note(self, message: m.Message) -> list[Update]:
        """What a notification changes on the screen."""
        show = _NOTES.get(message.method or "")
        return [] if show is None else show(self, message)

    def past(self, turn: m.Turn) -> list[Update]:
        """A turn of a snapshot; of one that runs, without the items that are open: these come by themselves."""
        if turn.status == "inProgress":
            self.running = turn.id
        updates = [
            update
            for item in turn.read_items()
            if not item.is_open(turn)
            for update in self._past(item)
        ]
        return updates + ([] if turn.plan is None else [_plan(turn.plan)])

    def used(self, turn_id: str) -> TokenUsageBreakdown | None:
        """The tokens of a turn, if any are known."""
        if self._before is None or self._before[0] != turn_id:
            return None
        now, before = self.usage.total, self._before[1]
        return TokenUsageBreakdown(
            **{
                name: max(0, getattr(now, name) - getattr(before, name))
                for name in now.__struct_fields__
            }
        )

    def _past(self, item: m.Item) -> list[Update]:
        match item.type:
            case "userMessage":
                return _user_chunks(item)
            case "agentMessage" | "plan":  # The findings of a review are such a message, too.
                return _chunks("agent_message_chunk", item.text, item.id)
            case "reasoning":
                return _chunks("agent_thought_chunk", "\n\n".join(_thoughts(item)), item.id)
            case _ if is_tool_call(item):
                return whole(item, shows_terminals=self._terminals)
            case _:
                return []

    def _started(self, message: m.Message) -> list[Update]:
        item = _items.decode(message.params).read_item()
        if item.id in self._open:
            return []  # It is shown: this is another connection.
        self._open[item.id] = _Shown()
        if item.type == "userMessage":
            return [] if item.client_id in self._own else _user_chunks(item)
        return [begun(item, shows_terminals=self._terminals)] if is_tool_call(item) else []

    def _completed(self, message: m.Message) -> list[Update]:
        item = _items.decode(message.params).read_item()
        shown = self._open.pop(item.id, None)
        if shown is None:
            own = item.type == "userMessage" and item.client_id in self._own
            return [] if own else self._past(item)
        match item.type:
            case "agentMessage" | "plan":
                return _chunks("agent_message_chunk", item.text[shown.characters :], item.id)
            case "reasoning" if shown.part is None:
                return self._past(item)
            case _ if is_tool_call(item):
                seen = shown.output_sent > 0
                return ended(item, shows_terminals=self._terminals, output_shown=seen)
            case _:
                return []

    def _said(self, message: m.Message) -> list[Update]:
        delta = _deltas.decode(message.params)
        self._shown(delta).characters += len(delta.delta)
        return _chunks("agent_message_chunk", delta.delta, delta.item_id)

    def _thought(self, message: m.Message) -> list[Update]:
        delta = _deltas.decode(message.params)
        shown = self._shown(delta)
        kind, index = "summary", delta.summary_index
        if index is None:
            kind, index = "content", delta.content_index or 0
        if kind == "content" and shown.part is not None and shown.part[0] == "summary":
            return []  # The summary is what is shown.
        is_next = shown.part not in (None, (kind, index))
        shown.part = (kind, index)
        text = f"\n\n{delta.delta}" if is_next else delta.delta
        return _chunks("agent_thought_chunk", text, delta.item_id)

    def _printed(self, message: m.Message) -> list[Update]:
        delta = _deltas.decode(message.params)
        shown = self._shown(delta)
        if self._terminals:
            shown.output_sent += len(delta.delta)
            return [terminal_output(delta.item_id, delta.delta)]
        shown.output = (shown.output + delta.delta)[-2 * GROWTH_CHARACTERS :]
        shown.output_sent += len(delta.delta)
        if shown.output_sent < GROWTH_CHARACTERS:
            return []
        shown.output_sent = 0
        content = output_content(shown.output)
        return [
            {
                "sessionUpdate": "tool_call_update",
                "toolCallId": delta.item_id,
                "content": content,
            }
        ]

    def _shown(self, delta: m.DeltaNote) -> _Shown:
        return self._open.setdefault(delta.item_id, _Shown())

    def _planned(self, message: m.Message) -> list[Update]:
        return [_plan(msgspec.json.decode(message.params, type=m.Plan))]

    def _usage(self, message: m.Message) -> list[Update]:
        note = msgspec.json.decode(message.params, type=_Usage)
        usage = note.token_usage
        if self._before is None or self._before[0] != note.turn_id:
            before = {
                name: max(0, getattr(usage.total, name) - getattr(usage.last, name))
                for name in usage.total.__struct_fields__
            }
            self._before = (note.turn_id, TokenUsageBreakdown(**before))
        self.usage = usage
        used = usage.last.total_tokens if usage.context_tokens is None else usage.context_tokens
        if usage.model_context_window is None:
            return []
        return [{"sessionUpdate": "usage_update", "used": used, "size": usage.model_context_window}]

    def _named(self, message: m.Message) -> list[Update]:
        name = msgspec.json.decode(message.params, type=m.NameNote).thread_name
        return [{"sessionUpdate": "session_info_update", "title": name}]

    def _warned(self, message: m.Message) -> list[Update]:
        warning = msgspec.json.decode(message.params, type=m.WarningNote).message
        return _chunks("agent_thought_chunk", f"\n\nWarning: {warning}\n\n", None)

    def _failed(self, message: m.Message) -> list[Update]:
        """A request to the model that is tried again; the last failure ends the turn."""
        note = msgspec.json.decode(message.params, type=m.ErrorNote)
        said = f"\n\nTrying again: {note.error.message}\n\n"
        return _chunks("agent_thought_chunk", said, None) if note.will_retry else []

    def _turn_started(self, message: m.Message) -> list[Update]:
        self.running = msgspec.json.decode(message.params, type=m.TurnNote).turn.id
        return []

    def _turn_completed(self, message: m.Message) -> list[Update]:
        self.running = None
        return []


_items = msgspec.json.Decoder(m.ItemNote)
_deltas = msgspec.json.Decoder(_Part)
_NOTES: Final[dict[str, Callable[[Updates, m.Message], list[Update]]]] = {
    "item/started": Updates._started,
    "item/completed": Updates._completed,
    "item/agentMessage/delta": Updates._said,
    "item/plan/delta": Updates._said,
    "item/reasoning/summaryTextDelta": Updates._thought,
    "item/reasoning/textDelta": Updates._thought,
    "item/commandExecution/outputDelta": Updates._printed,
    "turn/plan/updated": Updates._planned,
    "thread/tokenUsage/updated": Updates._usage,
    "thread/name/updated": Updates._named,
    "warning": Updates._warned,
    "error": Updates._failed,
    "turn/started": Updates._turn_started,
    "turn/completed": Updates._turn_completed,
}


def message(text: str) -> Update:
    """Words of this program's own in a session."""
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}


def _chunks(kind: str, text: str, item_id: str | None) -> list[Update]:
    if not text:
        return []
    chunk = {"sessionUpdate": kind, "content": {"type": "text", "text": text}}
    return [chunk | ({} if item_id is None else {"messageId": item_id})]


def _user_chunks(item: m.Item) -> list[Update]:
    blocks = [content_of(part) for part in m.user_inputs(item)]
    return [
        {"sessionUpdate": "user_message_chunk", "content": block, "messageId": item.id}
        for block in blocks
        if block is not None
    ]


def _thoughts(item: m.Item) -> tuple[str, ...]:
    """The summary, else the reasoning itself."""
    if item.summary:
        return item.summary
    return msgspec.json.decode(item.content, type=tuple[str, ...]) if bytes(item.content) else ()


def _plan(plan: m.Plan) -> Update:
    entries = [
        {
            "content": step.step,
            "priority": "medium",
            "status": _PLAN_STATUS.get(step.status, "pending"),
        }
        for step in plan.plan
    ]
    return {"sessionUpdate": "plan", "entries": entries}
