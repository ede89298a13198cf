"""Converts a rollout's lines to events. Pure: a fold over the lines, without lookups.

The model's history comes from the items; the results of commands also come from the events for clients.
Nothing is converted twice. A line that is not understood gives a warning, and the next line is read.
"""

from __future__ import annotations

from codexd.core.events.history import HistoryCompacted
from codexd.core.values.ids import ItemId
from codexd.core.values.settings import Settings
from codexd.importing.rollout.client_events import ClientEvents
from codexd.importing.rollout.facts import Facts
from codexd.importing.rollout.items import Items
from codexd.importing.rollout.kinds import CARRIES_NOTHING, cleaned
from codexd.importing.rollout.lines import (
    LineWarning,
    Members,
    UnreadableLine,
    list_of,
    read_line,
    text_of,
)
from codexd.importing.rollout.model_items import paired, user_item
from codexd.importing.rollout.reading import Reading
from codexd.importing.rollout.settings import Heading, started
from codexd.importing.rollout.timeline import TimedEvent


class Converter:
    """The fold over the lines of one rollout."""

    def __init__(self, heading: Heading, daemon_version: str) -> None:
        self._reading = Reading(heading)
        self._timeline, self._version = self._reading.timeline, daemon_version
        self._items = Items(self._reading)
        self._events = ClientEvents(self._reading, self._items)
        self._began = False

    @property
    def complaints(self) -> list[LineWarning]:
        """The warnings so far."""
        return self._reading.complaints

    def go_on_from(self, settings: Settings) -> None:
        """The lines continue the records of another thread, so no `thread.started` is made."""
        self._began, self._timeline.settings = True, settings

    def begin_file(self, facts: Facts) -> None:
        """The next lines are those of a file with these facts."""
        self._reading.facts = facts

    def feed(self, number: int, text: bytes) -> list[TimedEvent]:
        """The events of a line."""
        if not text.strip() or self._reading.heading.has_taken_back(number):
            return []
        try:
            line = read_line(number, text)
        except UnreadableLine as error:
            self._reading.warn(f"{error}: the line was not imported", line=number)
            return []
        self._timeline.at(line)
        self._begin()
        if line.mended is not None:
            self._reading.warn(f"expected text, found {line.mended}: these were not imported")
        match line.type:
            case "session_meta":
                pass  # The heading has the first; copied lines of a parent have others.
            case "response_item":
                self._items.apply(line.payload)
            case "event_msg":
                self._events.apply(line.payload)
            case "turn_context":
                self._reading.change(line.payload)
            case "compacted":
                self._compacted(line.payload)
            case "token_usage_record":
                counted = self._reading.usage.of_record(line.payload)
                if counted is not None:
                    self._timeline.count(counted)
            case "inter_agent_communication":
                self._items.from_agent(line.payload)
            case _:
                if line.type not in CARRIES_NOTHING:
                    self._reading.unknown("a line", line.type)
        return self._timeline.take()

    def close(self) -> list[TimedEvent]:
        """The events that close everything that is open at the end."""
        self._begin()
        self._items.end_early()
        self._timeline.close()
        return self._timeline.take()

    def _begin(self) -> None:
        if self._began:
            return
        self._began = True
        event = started(self._reading.heading, self._version)
        self._timeline.settings = event.settings
        self._timeline.emit(event)

    def _compacted(self, payload: Members) -> None:
        """Everything before this line is replaced for the model."""
        message = text_of(payload.get("message"))
        found = list_of(payload.get("replacement_history"))
        items = [item for item in found if isinstance(item, dict)]
        if not items:
            items = [user_item(words) for words in (*self._items.words, message) if words]
        self._timeline.finish()
        self._timeline.began("compact")
        item_id = ItemId(self._timeline.made_id())
        kept = tuple(cleaned(item) for item in paired(items))
        self._timeline.emit_beside(HistoryCompacted(item_id, message, kept))
