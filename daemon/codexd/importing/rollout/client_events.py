"""Converts the events of a rollout, which clients were notified of: turns, commands, reviews, counts of tokens. Pure.

Most events repeat an item, and the item is converted. In a rollout without such items the events are.
"""

from __future__ import annotations

import msgspec

from codexd.core.events.events import (
    ThreadRenamed,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.events.history import ReviewEntered, ReviewExited
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import ImageInput, TextInput, TurnError
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.importing.rollout.calls import TIMEOUT_MS_UNKNOWN, Ran, ran, review_text
from codexd.importing.rollout.facts import prompt_of
from codexd.importing.rollout.items import Items
from codexd.importing.rollout.kinds import CARRIES_NOTHING, ITEMS_OF_EVENTS
from codexd.importing.rollout.lines import Members, list_of, members_of, text_of
from codexd.importing.rollout.model_items import agent_item
from codexd.importing.rollout.reading import Reading


class ClientEvents:
    """The reader of events."""

    def __init__(self, reading: Reading, items: Items) -> None:
        self._reading, self._timeline, self._items = reading, reading.timeline, items
        self._error: TurnError | None = None

    def apply(self, event: Members) -> None:
        """Convert an event."""
        kind = text_of(event.get("type"))
        match kind:
            case "task_started" | "turn_started":
                self._turn_started(event)
            case "task_complete" | "turn_complete":
                self._turn_complete(event)
            case "turn_aborted":
                self._timeline.end_later(TurnInterrupted())
            case "error":
                self._error = _error(event)
            case "token_count":
                counted = self._reading.usage.of_count(event)
                if counted is not None:
                    self._timeline.count(counted)
            case "thread_settings_applied":
                self._reading.change(members_of(event.get("thread_settings")))
            case "thread_name_updated":
                name = text_of(event.get("thread_name")) or None
                self._timeline.emit_beside(ThreadRenamed(name))
            case "item_completed":
                self._screen_item(event)
            case "exec_command_end":
                self._ran(text_of(event.get("call_id")), event)
            case "entered_review_mode" | "exited_review_mode":
                self._review(event, entered=kind == "entered_review_mode")
            case _:
                self._of_client(kind, event)

    def _turn_started(self, event: Members) -> None:
        turn = self._timeline.turn
        if turn is not None and turn.kind == "review" and turn.begun and turn.ending is None:
            return  # A turn of the reviewer, within the review.
        self._items.end_early()
        self._timeline.end_unfinished()
        self._error = None
        turn_id = text_of(event.get("turn_id"))
        turn = self._timeline.open_turn(turn_id or self._timeline.made_id())
        window = event.get("model_context_window")
        turn.window = window if isinstance(window, int) and window > 0 else None

    def _turn_complete(self, event: Members) -> None:
        error = members_of(event.get("error"))
        failed = _error(error) if error else self._error
        if failed is not None and not text_of(event.get("last_agent_message")):
            self._timeline.end_later(TurnFailed(failed))
        else:
            self._timeline.end_later(TurnCompleted())
        self._error = None

    def _of_client(self, kind: str, event: Members) -> None:
        facts = self._reading.facts
        words = prompt_of(event)
        if words is not None and not facts.has_prompts:
            self._prompt(event, words)
        elif kind == "agent_message" and not facts.has_answers:
            self._items.apply(agent_item(text_of(event.get("message"))))
        elif kind in ITEMS_OF_EVENTS:
            if not facts.has_prompts and not facts.has_answers:
                self._without_item(kind)
        elif kind not in CARRIES_NOTHING:
            self._reading.unknown("an event", kind)

    def _without_item(self, kind: str) -> None:
        words = f"expected an item for the event {kind!r}, found none: it was not imported"
        self._reading.warn(words, kind=kind)

    def _prompt(self, event: Members, words: str) -> None:
        """A person's message that no item repeats."""
        item = members_of(event.get("item"))
        parts = [text_of(url) for url in list_of(event.get("images"))]
        parts += [
            text_of(members_of(part).get("image_url")) for part in list_of(item.get("content"))
        ]
        images = tuple(ImageInput(url) for url in parts if url)
        if words or images:
            text = (TextInput(words),) if words else ()
            self._items.said(self._reading.item_id(item), (*text, *images))

    def _screen_item(self, event: Members) -> None:
        if text_of(event.get("thread_id")) not in ("", self._reading.heading.source_id):
            return  # An item of a sub-thread, which has a rollout of its own.
        item, facts = members_of(event.get("item")), self._reading.facts
        kind = text_of(item.get("type"))
        if kind == "CommandExecution":
            self._ran(text_of(item.get("id")), item)
        elif kind in ("EnteredReviewMode", "ExitedReviewMode"):
            entered = kind == "EnteredReviewMode"
            self._review(item, entered=entered, turn=text_of(event.get("turn_id")))
        elif kind == "UserMessage" and not facts.has_prompts:
            self._prompt(event, prompt_of(event) or "")
        elif kind == "UserMessage":
            turn = self._timeline.turn
            if turn is not None and turn.inputs and not turn.begun and text_of(item.get("id")):
                turn.inputs[-1].item_id = ItemId(text_of(item.get("id")))
        elif kind == "AgentMessage" and not facts.has_answers:
            texts = [text_of(members_of(part).get("text")) for part in list_of(item.get("content"))]
            self._items.apply({**agent_item("".join(texts)), "id": item.get("id")})
        elif kind not in CARRIES_NOTHING:
            self._reading.unknown("an item of a screen", kind)

    def _ran(self, call_id: str, item: Members) -> None:
        """Apply the result of a command: of an open call, or of a person's own command."""
        found = ran(item)
        if found is None or not call_id:
            return
        facts = self._reading.facts
        if call_id in self._timeline.calls:
            self._timeline.begin_call(call_id, found)
        elif text_of(item.get("source")) == "user_shell":
            self._ran_by_person(call_id, found)
        elif not facts.has_prompts and not facts.has_answers:
            asked = msgspec.json.encode({"command": found.argv, "workdir": found.cwd}).decode()
            self._items.apply(
                {"type": "function_call", "name": "shell", "call_id": call_id, "arguments": asked}
            )
            self._timeline.begin_call(call_id, found)
            self._items.apply(
                {"type": "function_call_output", "call_id": call_id, "output": found.output}
            )

    def _ran_by_person(self, call_id: str, found: Ran) -> None:
        self._timeline.finish()
        self._timeline.began("shell")
        line = found.argv[-1]
        command = RunCommand(line, found.argv, found.cwd or "/", TIMEOUT_MS_UNKNOWN)
        result = ToolResult(
            found.status, found.output, found.output, found.exit_code, found.duration_ms
        )
        self._timeline.emit(ToolStarted(CallId(call_id), command))
        self._timeline.emit(ToolEnded(CallId(call_id), result))

    def _review(self, item: Members, *, entered: bool, turn: str = "") -> None:
        if entered:
            self._timeline.finish()
        if self._timeline.turn is None:
            self._timeline.open_turn(turn or None, "review")
        self._timeline.began("review")
        text = review_text(item, entered=entered)
        mark = ReviewEntered if entered else ReviewExited
        self._timeline.emit(mark(self._reading.item_id(item), text))


def _error(event: Members) -> TurnError:
    info = event.get("codex_error_info")
    return TurnError(
        text_of(event.get("message")) or "unknown", info if isinstance(info, str) else None
    )
