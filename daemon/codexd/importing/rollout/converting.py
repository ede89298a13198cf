"""A rollout's lines -> our events. Pure: a fold over the lines, in which nothing is looked up.

What the model saw is taken from the items, what a screen was told of a command beside it, and nothing
twice. A line that is not understood is complained of, and the next one is read.
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
    ImportWarning,
    Line,
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

# How much of a person's words a compaction of 2025 kept, where it does not say itself: 20 000 tokens there.
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
    """All of a rollout."""

    told: list[TimedEvent]
    complaints: list[ImportWarning]


def read_rollout(lines: Iterable[bytes], heading: Heading, daemon_version: str = "") -> Converted:
    """The events of all lines, an unfinished end closed. For rollouts that fit into memory."""
    converter = Converter(heading, daemon_version)
    told: list[TimedEvent] = []
    for number, text in enumerate(lines, 1):
        told += converter.feed(number, text)
    told += converter.close()
    return Converted(told, converter.complaints)


class Converter:
    """The fold."""

    def __init__(self, heading: Heading, daemon_version: str) -> None:
        self.complaints: list[ImportWarning] = []
        self._heading, self._version = heading, daemon_version
        self._teller = Timeline(heading.source_id)
        self._usage = UsageReader()
        self._words: deque[str] = deque()  # the newest of what people said, for old compactions
        self._words_bytes = 0
        self._error: TurnError | None = None
        self._began = False

    def go_on_from(self, settings: Settings) -> None:
        """The lines go on with a past that is another thread's: there is no beginning to tell."""
        self._began, self._teller.settings = True, settings

    def feed(self, number: int, text: bytes) -> list[TimedEvent]:
        """What a line says."""
        if not text.strip() or self._heading.has_taken_back(number):
            return []
        try:
            line = read_line(number, text)
        except UnreadableLine as error:
            self._complain(number, f"{error}: the line was not imported")
            return []
        return self.feed_line(line)

    def feed_line(self, line: Line) -> list[TimedEvent]:
        """What a line says that was read already."""
        self._teller.at(line)
        self._begin()
        match line.type:
            case "session_meta":
                pass  # The first one is the heading's; a copied past brings others along.
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
        return self._teller.take()

    def close(self) -> list[TimedEvent]:
        """The lines end here: nothing stays open."""
        self._begin()
        self._teller.end_unfinished()
        return self._teller.take()

    def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        event = started(self._heading, self._version)
        self._teller.settings = event.settings
        self._teller.tell(event)

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
            self._teller.model_item(self._item_id(item), "other", cleaned(item))
        elif kind != "ghost_snapshot":
            self._unknown("an item", "type", kind)

    def _shown(self, item: Members, kind: ItemKind) -> None:
        raw = cleaned(item)
        wrong = misshapen(raw)
        if wrong is None:
            self._teller.model_item(self._item_id(item), kind, raw)
        else:
            self._here(f"expected a {kind} that can be shown, found: {wrong}: it was not imported")

    def _message(self, item: Members) -> None:
        role = item.get("role")
        if role == "assistant":
            if self._teller.line.metadata.get("compaction_output") is True:
                self._teller.model_item(self._item_id(item), "other", cleaned(item))
            else:
                self._shown(item, "message")
            return
        parts = user_parts(item)
        if role == "developer":
            for part in parts:
                self._teller.tell(ContextAdded("developer", "developer", part.text))
        elif role != "user":
            self._verbatim(item)
        elif any(part.whose == "person" and part.content is not None for part in parts):
            self._said(item, parts)
        else:
            self._of_the_harness(item, parts)

    def _of_the_harness(self, item: Members, parts: list[Part]) -> None:
        """In the user's role, but nobody's words: what has no category of ours stays whole."""
        added = []
        for part in parts:
            if part.whose == "person" or part.whose == "other":
                self._verbatim(item)
                return
            added.append(ContextAdded(part.whose, "user", part.text))
        for event in added:
            self._teller.tell(event)

    def _verbatim(self, item: Members) -> None:
        """Words of the harness that only the model saw."""
        self._teller.tell(ItemCompleted(self._item_id(item), "other", cleaned(item)))

    def _said(self, item: Members, parts: list[Part]) -> None:
        content = said(parts)
        self._teller.said_by_person(self._item_id(item), content)
        words = "\n".join(part.text for part in content if isinstance(part, TextInput))
        self._words.append(words[-KEPT_WORDS_BYTES:])
        self._words_bytes += len(self._words[-1])
        while self._words_bytes > KEPT_WORDS_BYTES and len(self._words) > 1:
            self._words_bytes -= len(self._words.popleft())

    def _call(self, item: Members) -> None:
        call_id = text_of(item.get("call_id")) or text_of(item.get("id"))
        if not call_id or call_id in self._teller.calls:
            found = f"another one {call_id!r} is open" if call_id else "none"
            self._here(f"expected a call with an id of its own, found {found}: it was not imported")
            return
        if len(self._teller.calls) == OPEN_CALLS_MAX:
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
        self._teller.model_item(
            self._item_id(item), "call", raw, ToolCallRef(CallId(call_id), name, custom)
        )
        assert self._teller.settings is not None
        self._teller.calls[call_id] = OpenCall(command_of(item, self._teller.settings.cwd))

    def _answer(self, item: Members) -> None:
        call_id = text_of(item.get("call_id"))
        call = self._teller.calls.get(call_id)
        if call is None:
            self._here(
                f"expected the answer to an open call, found one to {call_id!r}: it was not imported"
            )
            return
        self._teller.end_call(call_id, result_of(item, call.ran))

    def _event(self, event: Members) -> None:
        kind = text_of(event.get("type"))
        match kind:
            case "task_started" | "turn_started":
                self._turn_started(event)
            case "task_complete" | "turn_complete":
                self._turn_complete(event)
            case "turn_aborted":
                if self._teller.turn is not None:
                    self._teller.end(TurnInterrupted())
            case "error":
                self._error = _error(event)
            case "token_count":
                self._used(self._usage.of_count(event))
            case "thread_settings_applied":
                self._change(members_of(event.get("thread_settings")))
            case "thread_name_updated":
                self._teller.tell(ThreadRenamed(text_of(event.get("thread_name")) or None))
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
        turn = self._teller.turn
        if turn is not None and turn.kind == "review" and turn.begun:
            return  # The reviewer's own turn, within the review.
        self._teller.end_unfinished()
        self._error = None
        turn_id = text_of(event.get("turn_id"))
        turn = self._teller.open_turn(turn_id or self._teller.made_id())
        window = event.get("model_context_window")
        turn.window = window if isinstance(window, int) and window > 0 else None

    def _turn_complete(self, event: Members) -> None:
        if self._teller.turn is None:
            return
        error = members_of(event.get("error"))
        failed = _error(error) if error else self._error
        if failed is not None and not text_of(event.get("last_agent_message")):
            self._teller.end(TurnFailed(failed))
        else:
            self._teller.end(TurnCompleted())
        self._error = None

    def _screen_item(self, event: Members) -> None:
        if text_of(event.get("thread_id")) not in ("", self._heading.source_id):
            return  # Of a thread that works for this one, and has a rollout of its own.
        item = members_of(event.get("item"))
        kind = text_of(item.get("type"))
        if kind == "CommandExecution":
            self._ran(text_of(item.get("id")), item)
        elif kind in ("EnteredReviewMode", "ExitedReviewMode"):
            self._review(
                item, entered=kind == "EnteredReviewMode", turn=text_of(event.get("turn_id"))
            )
        elif kind == "UserMessage":
            turn = self._teller.turn
            if turn is not None and turn.inputs and not turn.begun and text_of(item.get("id")):
                turn.inputs[-1].item_id = ItemId(text_of(item.get("id")))
        elif kind not in SCREEN_ITEMS:
            self._unknown("an item of a screen", "type", kind)

    def _ran(self, call_id: str, item: Members) -> None:
        """A screen was told how a command went: of a call that is open, or of a person's own command."""
        told = ran(item)
        if told is None:
            return
        if call_id in self._teller.calls:
            self._teller.begin_call(call_id, told)
        elif text_of(item.get("source")) == "user_shell" and call_id:
            self._teller.began("shell")
            line = told.argv[-1]
            command = RunCommand(line, told.argv, told.cwd or "/", TIMEOUT_MS_UNKNOWN)
            result = ToolResult(
                told.status, told.output, told.output, told.exit_code, told.duration_ms
            )
            self._teller.tell(ToolStarted(CallId(call_id), command))
            self._teller.tell(ToolEnded(CallId(call_id), result))

    def _review(self, item: Members, *, entered: bool, turn: str = "") -> None:
        if self._teller.turn is None:
            self._teller.open_turn(turn or None, "review")
        self._teller.began("review")
        text = review_text(item, entered=entered)
        mark = ReviewEntered if entered else ReviewExited
        self._teller.tell(mark(self._item_id(item), text))

    def _change(self, asked: Members) -> None:
        settings = self._teller.settings
        assert settings is not None
        change = change_of(asked).differing(settings)
        if change is not None:
            self._teller.settings = change.applied(settings)
            self._teller.tell(SettingsChanged(change))

    def _compacted(self, payload: Members) -> None:
        message = text_of(payload.get("message"))
        items = [
            item for item in list_of(payload.get("replacement_history")) if isinstance(item, dict)
        ]
        if not items:
            items = [_user_item(words) for words in (*self._words, message) if words]
        self._teller.began("compact")
        item_id = ItemId(self._teller.made_id())
        kept = tuple(cleaned(item) for item in items)
        self._teller.tell(HistoryCompacted(item_id, message, kept))

    def _used(self, ended: ModelCallEnded | None) -> None:
        if ended is not None:
            self._teller.end_model_call(ended)

    def _item_id(self, item: Members) -> ItemId:
        return ItemId(text_of(item.get("id")) or self._teller.made_id())

    def _unknown(self, what: str, member: str, found: str) -> None:
        self._here(f"expected {what} of a known {member}, found {found!r}: it was not imported")

    def _here(self, message: str) -> None:
        self._complain(self._teller.line.number, message)

    def _complain(self, number: int, message: str) -> None:
        self.complaints.append(ImportWarning(number, message))


def _error(event: Members) -> TurnError:
    info = event.get("codex_error_info")
    return TurnError(
        text_of(event.get("message")) or "unknown", info if isinstance(info, str) else None
    )


def _user_item(text: str) -> Members:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
