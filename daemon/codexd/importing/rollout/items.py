"""Converts the items of a rollout: messages, reasoning, calls and their answers. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from codexd.core.events.events import ContextAdded, ItemCompleted, ToolCallRef
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import TextInput, UserInput
from codexd.core.values.model_output import ItemKind
from codexd.importing.rollout.calls import command_of, result_of
from codexd.importing.rollout.kinds import (
    CARRIES_NOTHING,
    Part,
    cleaned,
    misshapen,
    said,
    user_parts,
)
from codexd.importing.rollout.lines import Line, Members, text_of
from codexd.importing.rollout.model_items import (
    ANSWERS,
    CALLS,
    SEARCH,
    SEARCH_ANSWER,
    from_agent,
    is_encrypted,
    with_call_id,
)
from codexd.importing.rollout.reading import Reading
from codexd.importing.rollout.timeline import OPEN_CALLS_MAX, OpenCall

# How much of a person's messages a compaction of 2025 kept, unless its line says so: 20 000 tokens in Codex.
KEPT_WORDS_BYTES: Final = 80_000
# Answers that come before their calls, searches without an answer, and calls that were answered: each is held in memory.
EARLY_MAX: Final = 64
ANSWERED_MAX: Final = 1024

_VERBATIM = {
    "web_search_call",
    "image_generation_call",
    "compaction",
    "compaction_summary",
    "context_compaction",
}


class Items:
    """The reader of items."""

    def __init__(self, reading: Reading) -> None:
        self._reading, self._timeline = reading, reading.timeline
        self.words: deque[str] = deque()  # the person's newest messages, for old compactions
        self._words_bytes = 0
        self._early: dict[str, tuple[Members, Line]] = {}  # answers whose call has not come
        self._answered: dict[str, None] = {}  # the newest calls that have their answer
        self._searches: dict[str, tuple[Members, Line]] = {}  # searches for tools without an answer

    def apply(self, item: Members) -> None:
        """Convert an item."""
        kind = text_of(item.get("type"))
        if kind == "message":
            self._message(item)
        elif kind == "reasoning":
            self._of_model(item, "reasoning")
        elif kind in CALLS:
            self._call(item)
        elif kind in ANSWERS:
            self._answer(item)
        elif kind in (SEARCH, SEARCH_ANSWER) and text_of(item.get("call_id")):
            self._search(item, kind)
        elif kind in _VERBATIM or kind in (SEARCH, SEARCH_ANSWER):
            self._of_model(item, "other")
        elif kind == "agent_message":
            self.from_agent(item)
        elif kind not in CARRIES_NOTHING:
            self._reading.unknown("an item", kind)

    def from_agent(self, payload: Members) -> None:
        """What one agent wrote to another: the model has it as a message."""
        item = from_agent(payload)
        if item is None or is_encrypted(payload):
            words = "expected an agent's message, found an encrypted one: what is encrypted was not imported"
            self._reading.warn(words, kind="agent_message")
        if item is not None:
            self._verbatim(item, self._reading.item_id(payload))

    def said(
        self, item_id: ItemId, content: tuple[UserInput, ...], *, within: bool = False
    ) -> None:
        """A person's message."""
        if not within:
            self.end_early()
        self._timeline.said_by_person(item_id, content, within=within)
        words = "\n".join(part.text for part in content if isinstance(part, TextInput))
        self.words.append(words[-KEPT_WORDS_BYTES:])
        self._words_bytes += len(self.words[-1])
        while self._words_bytes > KEPT_WORDS_BYTES and len(self.words) > 1:
            self._words_bytes -= len(self.words.popleft())

    def end_early(self) -> None:
        """A turn begins, or the lines end: what has waited for its other half has none."""
        for call_id, (_, line) in self._early.items():
            self._warn_of_answer(call_id, line.number)
        for call_id, (_, line) in self._searches.items():
            found = f"expected the answer to the search for tools {call_id!r}, found none"
            self._reading.warn(f"{found}: the search was not imported", line=line.number)
        self._early.clear()
        self._searches.clear()

    def _of_model(self, item: Members, kind: ItemKind, call: ToolCallRef | None = None) -> bool:
        """An item of the model; False if it cannot be shown."""
        raw = cleaned(item)
        wrong = misshapen(raw) if kind != "other" else None
        if wrong is not None:
            self._reading.warn(
                f"expected a {kind} that can be shown, found: {wrong}: it was not imported"
            )
            return False
        self._reading.usage.said_more()
        self._timeline.model_item(self._reading.item_id(item), kind, raw, call)
        return True

    def _message(self, item: Members) -> None:
        role = item.get("role")
        if role == "assistant":
            compacts = self._timeline.line.metadata.get("compaction_output") is True
            self._of_model(item, "other" if compacts else "message")
        elif role == "developer":
            for part in user_parts(item):
                self._timeline.emit_beside(ContextAdded("developer", "developer", part.text))
        elif role != "user":
            self._verbatim(item)
        else:
            self._of_user(item)

    def _of_user(self, item: Members) -> None:
        facts, number = self._reading.facts, self._timeline.line.number
        parts = facts.parts_of(number, item)
        if any(part.whose == "person" and part.content is not None for part in parts):
            self.said(self._reading.item_id(item), said(parts), within=facts.is_within(number))
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
            self._timeline.emit_beside(event)

    def _verbatim(self, item: Members, item_id: ItemId | None = None) -> None:
        """A message of Codex that only the model saw."""
        named = item_id or self._reading.item_id(item)
        self._timeline.emit_beside(ItemCompleted(named, "other", cleaned(item)))

    def _call(self, item: Members) -> None:
        found, calls = with_call_id(item), self._timeline.calls
        call_id = found["call_id"] if found is not None else ""
        if found is None or call_id in calls:
            words = f"another one {call_id!r} is open" if call_id else "none"
            self._reading.warn(
                f"expected a call with an id of its own, found {words}: it was not imported"
            )
            return
        if len(calls) == OPEN_CALLS_MAX:
            words = f"expected at most {OPEN_CALLS_MAX} calls without an answer, found another one"
            self._reading.warn(f"{words}: it was not imported")
            return
        name = text_of(item.get("name")) or text_of(item.get("type"))
        custom = item.get("type") == "custom_tool_call"
        if not self._of_model(found, "call", ToolCallRef(CallId(call_id), name, custom)):
            return
        assert self._timeline.settings is not None
        calls[call_id] = OpenCall(command_of(item, self._timeline.settings.cwd))
        self._answered.pop(call_id, None)
        early, _ = self._early.pop(call_id, (None, None))
        if early is not None:
            self._answer(early)

    def _answer(self, item: Members) -> None:
        call_id = text_of(item.get("call_id"))
        call = self._timeline.calls.get(call_id)
        if call is not None:
            self._timeline.end_call(call_id, result_of(item, call.ran))
            self._answered[call_id] = None
            if len(self._answered) > ANSWERED_MAX:
                del self._answered[next(iter(self._answered))]
        elif (
            not call_id
            or call_id in self._answered
            or call_id in self._early
            or len(self._early) == EARLY_MAX
        ):
            self._warn_of_answer(call_id, self._timeline.line.number)
        else:
            self._early[call_id] = item, self._timeline.line

    def _warn_of_answer(self, call_id: str, line: int) -> None:
        second = ", which has its answer" if call_id in self._answered else ""
        self._reading.warn(
            f"expected the answer to an open call, found one to {call_id!r}{second}: it was not imported",
            line=line,
        )

    def _search(self, item: Members, kind: str) -> None:
        """A search for tools is imported with its answer: no provider takes one without."""
        call_id = text_of(item.get("call_id"))
        if kind == SEARCH and len(self._searches) < EARLY_MAX:
            self._searches[call_id] = item, self._timeline.line
            return
        search, _ = self._searches.pop(call_id, (None, None))
        if search is None:
            self._warn_of_answer(call_id, self._timeline.line.number)
            return
        self._of_model(search, "other")
        self._of_model(item, "other")
