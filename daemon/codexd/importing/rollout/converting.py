"""Converts a rollout's lines to events. Pure: a fold over the lines, without lookups.

The model's history comes from the items; the results of commands also come from the events for clients.
Nothing is converted twice. A line that is not understood gives a warning, and the next line is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from codexd.core.events.events import (
    ContextAdded,
    ItemCompleted,
    ModelCallEnded,
    SettingsChanged,
    ThreadRenamed,
    ToolCallRef,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)
from codexd.core.events.history import HistoryCompacted, ReviewEntered, ReviewExited
from codexd.core.events.tools import ToolEnded, ToolStarted
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import TextInput, TurnError
from codexd.core.values.model_output import ItemKind
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.importing.rollout.calls import (
    TIMEOUT_MS_UNKNOWN,
    command_of,
    ran,
    result_of,
    review_text,
)
from codexd.importing.rollout.kinds import (
    ITS_OWN,
    SAID_ELSEWHERE,
    SCREEN_ITEMS,
    Part,
    cleaned,
    misshapen,
    said,
    user_parts,
)
from codexd.importing.rollout.lines import (
    Line,
    LineWarning,
    Members,
    UnreadableLine,
    list_of,
    members_of,
    read_line,
    text_of,
)
from codexd.importing.rollout.settings import Heading, change_of, started
from codexd.importing.rollout.timeline import OPEN_CALLS_MAX, OpenCall, TimedEvent, Timeline
from codexd.importing.rollout.usage import UsageReader

# How much of a person's messages a compaction of 2025 kept, unless its line says so: 20 000 tokens in Codex.
KEPT_WORDS_BYTES = 80_000

_CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
_ANSWERS = {"function_call_output", "custom_tool_call_output"}
_VERBATIM = {
    "web_search_call",
    "image_generation_call",
    "tool_search_call",
    "tool_search_output",
    "compaction",
    "compaction_summary",
    "context_compaction",
}


class Converted(msgspec.Struct, frozen=True):
    """The events and warnings of a whole rollout."""

    events: list[TimedEvent]
    complaints: list[LineWarning]


def read_rollout(lines: Iterable[bytes], heading: Heading, daemon_version: str = "") -> Converted:
    """The events of all lines; an open turn at the end is closed. For rollouts that fit into memory."""
    converter = Converter(heading, daemon_version)
    events: list[TimedEvent] = []
    for number, text in enumerate(lines, 1):
        events += converter.feed(number, text)
    events += converter.close()
    return Converted(events, converter.complaints)


class Converter:
    """The fold over the lines of one rollout."""

    def __init__(self, heading: Heading, daemon_version: str) -> None:
        self.complaints: list[LineWarning] = []
        self._heading, self._version = heading, daemon_version
        self._timeline = Timeline(heading.source_id)
        self._usage = UsageReader()
        self._words: deque[str] = deque()  # the person's newest messages, for old compactions
        self._words_bytes = 0
        self._error: TurnError | None = None
        self._began = False

    def go_on_from(self, settings: Settings) -> None:
        """The lines continue the records of another thread, so no `thread.started` is made."""
        self._began, self._timeline.settings = True, settings

    def feed(self, number: int, text: bytes) -> list[TimedEvent]:
        """The events of a line."""
        if not text.strip() or self._heading.has_taken_back(number):
            return []
        try:
            line = read_line(number, text)
        except UnreadableLine as error:
            self._complain(number, f"{error}: the line was not imported")
            return []
        return self.feed_line(line)

    def feed_line(self, line: Line) -> list[TimedEvent]:
        """The events of a parsed line."""
        self._timeline.at(line)
        self._begin()
        match line.type:
            case "session_meta":
                pass  # The heading has the first one; copied lines of a parent bring others.
            case "response_item":
                self._item(line.payload)
            case "event_msg":
                self._event(line.payload)
            case "turn_context":
                self._change(line.payload)
            case "compacted":
                self._compacted(line.payload)
            case "token_usage_record":
                self._used(self._usage.of_record(line.payload))
            case _:
                if line.type not in ITS_OWN:
                    self._unknown("a line", "type", line.type)
        return self._timeline.take()

    def close(self) -> list[TimedEvent]:
        """The events that close everything that is open at the end."""
        self._begin()
        self._timeline.end_unfinished()
        return self._timeline.take()

    def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        event = started(self._heading, self._version)
        self._timeline.settings = event.settings
        self._timeline.emit(event)

    def _item(self, item: Members) -> None:
        kind = text_of(item.get("type"))
        if kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._shown(item, "reasoning")
        elif kind in _CALLS:
            self._call(item)
        elif kind in _ANSWERS:
            self._answer(item)
        elif kind in _VERBATIM:
            self._timeline.model_item(self._item_id(item), "other", cleaned(item))
        elif kind != "ghost_snapshot":
            self._unknown("an item", "type", kind)

    def _shown(self, item: Members, kind: ItemKind) -> None:
        raw = cleaned(item)
        wrong = misshapen(raw)
        if wrong is None:
            self._timeline.model_item(self._item_id(item), kind, raw)
        else:
            self._here(f"expected a {kind} that can be shown, found: {wrong}: it was not imported")

    def _message(self, item: Members) -> None:
        role = item.get("role")
        if role == "assistant":
            if self._timeline.line.metadata.get("compaction_output") is True:
                self._timeline.model_item(self._item_id(item), "other", cleaned(item))
            else:
                self._shown(item, "message")
            return
        parts = user_parts(item)
        if role == "developer":
            for part in parts:
                self._timeline.emit(ContextAdded("developer", "developer", part.text))
        elif role != "user":
            self._verbatim(item)
        elif any(part.whose == "person" and part.content is not None for part in parts):
            self._said(item, parts)
        else:
            self._of_the_harness(item, parts)

    def _of_the_harness(self, item: Members, parts: list[Part]) -> None:
        """Messages in the user's role that Codex wrote; one without a known category stays unchanged."""
        added = []
        for part in parts:
            if part.whose == "person" or part.whose == "other":
                self._verbatim(item)
                return
            added.append(ContextAdded(part.whose, "user", part.text))
        for event in added:
            self._timeline.emit(event)

    def _verbatim(self, item: Members) -> None:
        """A message of Codex that only the model saw."""
        self._timeline.emit(ItemCompleted(self._item_id(item), "other", cleaned(item)))

    def _said(self, item: Members, parts: list[Part]) -> None:
        content = said(parts)
        self._timeline.said_by_person(self._item_id(item), content)
        words = "\n".join(part.text for part in content if isinstance(part, TextInput))
        self._words.append(words[-KEPT_WORDS_BYTES:])
        self._words_bytes += len(self._words[-1])
        while self._words_bytes > KEPT_WORDS_BYTES and len(self._words) > 1:
            self._words_bytes -= len(self._words.popleft())

    def _call(self, item: Members) -> None:
        call_id = text_of(item.get("call_id")) or text_of(item.get("id"))
        if not call_id or call_id in self._timeline.calls:
            found = f"another one {call_id!r} is open" if call_id else "none"
            self._here(f"expected a call with an id of its own, found {found}: it was not imported")
            return
        if len(self._timeline.calls) == OPEN_CALLS_MAX:
            found = f"expected at most {OPEN_CALLS_MAX} calls without an answer, found another one"
            self._here(f"{found}: it was not imported")
            return
        raw = cleaned(item)
        wrong = misshapen(raw)
        if wrong is not None:
            self._here(f"expected a call that can be shown, found: {wrong}: it was not imported")
            return
        name = text_of(item.get("name")) or text_of(item.get("type"))
        custom = item.get("type") == "custom_tool_call"
        self._timeline.model_item(
            self._item_id(item), "call", raw, ToolCallRef(CallId(call_id), name, custom)
        )
        assert self._timeline.settings is not None
        self._timeline.calls[call_id] = OpenCall(command_of(item, self._timeline.settings.cwd))

    def _answer(self, item: Members) -> None:
        call_id = text_of(item.get("call_id"))
        call = self._timeline.calls.get(call_id)
        if call is None:
            self._here(
                f"expected the answer to an open call, found one to {call_id!r}: it was not imported"
            )
            return
        self._timeline.end_call(call_id, result_of(item, call.ran))

    def _event(self, event: Members) -> None:
        kind = text_of(event.get("type"))
        match kind:
            case "task_started" | "turn_started":
                self._turn_started(event)
            case "task_complete" | "turn_complete":
                self._turn_complete(event)
            case "turn_aborted":
                if self._timeline.turn is not None:
                    self._timeline.end(TurnInterrupted())
            case "error":
                self._error = _error(event)
            case "token_count":
                self._used(self._usage.of_count(event))
            case "thread_settings_applied":
                self._change(members_of(event.get("thread_settings")))
            case "thread_name_updated":
                self._timeline.emit(ThreadRenamed(text_of(event.get("thread_name")) or None))
            case "item_completed":
                self._screen_item(event)
            case "exec_command_end":
                self._ran(text_of(event.get("call_id")), event)
            case "entered_review_mode" | "exited_review_mode":
                self._review(event, entered=kind == "entered_review_mode")
            case _:
                if kind not in SAID_ELSEWHERE:
                    self._unknown("an event", "type", kind)

    def _turn_started(self, event: Members) -> None:
        turn = self._timeline.turn
        if turn is not None and turn.kind == "review" and turn.begun:
            return  # A turn of the reviewer, within the review.
        self._timeline.end_unfinished()
        self._error = None
        turn_id = text_of(event.get("turn_id"))
        turn = self._timeline.open_turn(turn_id or self._timeline.made_id())
        window = event.get("model_context_window")
        turn.window = window if isinstance(window, int) and window > 0 else None

    def _turn_complete(self, event: Members) -> None:
        if self._timeline.turn is None:
            return
        error = members_of(event.get("error"))
        failed = _error(error) if error else self._error
        if failed is not None and not text_of(event.get("last_agent_message")):
            self._timeline.end(TurnFailed(failed))
        else:
            self._timeline.end(TurnCompleted())
        self._error = None

    def _screen_item(self, event: Members) -> None:
        if text_of(event.get("thread_id")) not in ("", self._heading.source_id):
            return  # An item of a sub-thread, which has a rollout of its own.
        item = members_of(event.get("item"))
        kind = text_of(item.get("type"))
        if kind == "CommandExecution":
            self._ran(text_of(item.get("id")), item)
        elif kind in ("EnteredReviewMode", "ExitedReviewMode"):
            self._review(
                item, entered=kind == "EnteredReviewMode", turn=text_of(event.get("turn_id"))
            )
        elif kind == "UserMessage":
            turn = self._timeline.turn
            if turn is not None and turn.inputs and not turn.begun and text_of(item.get("id")):
                turn.inputs[-1].item_id = ItemId(text_of(item.get("id")))
        elif kind not in SCREEN_ITEMS:
            self._unknown("an item of a screen", "type", kind)

    def _ran(self, call_id: str, item: Members) -> None:
        """Apply the result of a command: of an open call, or of a person's own command."""
        found = ran(item)
        if found is None:
            return
        if call_id in self._timeline.calls:
            self._timeline.begin_call(call_id, found)
        elif text_of(item.get("source")) == "user_shell" and call_id:
            self._timeline.began("shell")
            line = found.argv[-1]
            command = RunCommand(line, found.argv, found.cwd or "/", TIMEOUT_MS_UNKNOWN)
            result = ToolResult(
                found.status, found.output, found.output, found.exit_code, found.duration_ms
            )
            self._timeline.emit(ToolStarted(CallId(call_id), command))
            self._timeline.emit(ToolEnded(CallId(call_id), result))

    def _review(self, item: Members, *, entered: bool, turn: str = "") -> None:
        if self._timeline.turn is None:
            self._timeline.open_turn(turn or None, "review")
        self._timeline.began("review")
        text = review_text(item, entered=entered)
        mark = ReviewEntered if entered else ReviewExited
        self._timeline.emit(mark(self._item_id(item), text))

    def _change(self, asked: Members) -> None:
        settings = self._timeline.settings
        assert settings is not None
        change = change_of(asked).differing(settings)
        if change is not None:
            self._timeline.settings = change.applied(settings)
            self._timeline.emit(SettingsChanged(change))

    def _compacted(self, payload: Members) -> None:
        message = text_of(payload.get("message"))
        items = [
            item for item in list_of(payload.get("replacement_history")) if isinstance(item, dict)
        ]
        if not items:
            items = [_user_item(words) for words in (*self._words, message) if words]
        self._timeline.began("compact")
        item_id = ItemId(self._timeline.made_id())
        kept = tuple(cleaned(item) for item in items)
        self._timeline.emit(HistoryCompacted(item_id, message, kept))

    def _used(self, ended: ModelCallEnded | None) -> None:
        if ended is not None:
            self._timeline.end_model_call(ended)

    def _item_id(self, item: Members) -> ItemId:
        return ItemId(text_of(item.get("id")) or self._timeline.made_id())

    def _unknown(self, what: str, member: str, found: str) -> None:
        self._here(f"expected {what} of a known {member}, found {found!r}: it was not imported")

    def _here(self, message: str) -> None:
        self._complain(self._timeline.line.number, message)

    def _complain(self, number: int, message: str) -> None:
        self.complaints.append(LineWarning(number, message))


def _error(event: Members) -> TurnError:
    info = event.get("codex_error_info")
    return TurnError(
        text_of(event.get("message")) or "unknown", info if isinstance(info, str) else None
    )


def _user_item(text: str) -> Members:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
