"""What the readers of items and of events share while they go through a rollout. Pure."""

from __future__ import annotations

from codexd.core.events.events import SettingsChanged
from codexd.core.values.ids import ItemId
from codexd.importing.rollout.facts import Facts
from codexd.importing.rollout.lines import LineWarning, Members, text_of
from codexd.importing.rollout.settings import Heading, change_of
from codexd.importing.rollout.timeline import Timeline
from codexd.importing.rollout.usage import UsageReader


class Reading:
    """The events and warnings so far."""

    def __init__(self, heading: Heading) -> None:
        self.heading = heading
        self.facts = Facts()
        self.timeline = Timeline(heading.source_id, heading.at_us, heading.until_us)
        self.usage = UsageReader(inherits=heading.forked_from is not None)
        self.complaints: list[LineWarning] = []

    def item_id(self, item: Members) -> ItemId:
        """The id of an item, or one that is the same at each reading."""
        return ItemId(text_of(item.get("id")) or self.timeline.made_id())

    def change(self, asked: Members) -> None:
        """The settings of the next turn."""
        settings = self.timeline.settings
        assert settings is not None
        change = change_of(asked).differing(settings)
        if change is not None:
            self.timeline.settings = change.applied(settings)
            self.timeline.emit_beside(SettingsChanged(change))

    def unknown(self, what: str, found: str) -> None:
        """A line, an item or an event of an unknown type."""
        message = f"expected {what} of a known type, found {found!r}: it was not imported"
        self.warn(message, kind=f"{what} {found}")

    def warn(self, message: str, *, kind: str | None = None, line: int | None = None) -> None:
        """A part of this line, or of an earlier one, is not imported."""
        self.complaints.append(LineWarning(line or self.timeline.line.number, message, kind))
