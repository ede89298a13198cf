"""Events -> the row of a thread in a list: its name, its beginning, its times, where and with what it works."""

from __future__ import annotations

import msgspec

from codexd.core.events import (
    GitHead,
    InputQueued,
    SettingsChanged,
    ThreadArchived,
    ThreadForked,
    ThreadRenamed,
    ThreadStarted,
    ThreadUnarchived,
    TurnFailed,
    TurnStarted,
)
from codexd.core.items import plain_text
from codexd.core.record import Recorded
from codexd.core.settings import Settings
from codexd.projections.spending import SPENDING_TYPES, Spending

# A preview is one line of a list on a wide screen, not a message.
PREVIEW_CHARACTERS_MAX = 500


class Summary(msgspec.Struct):
    """What lists show of a thread. A fold: `apply` takes events in, in order."""

    seq: int = 0  # of the last event taken in
    started: ThreadStarted | None = None
    settings: Settings | None = None
    created_ms: int = 0
    updated_ms: int = 0
    preview: str = ""
    spending: Spending = Spending()
    name: str | None = None
    archived: bool = False
    ephemeral: bool = False
    forked_from: str | None = None
    turns: int = 0
    failed: bool = False

    def apply(self, recorded: Recorded) -> None:
        """Take the next event in."""
        event = recorded.event
        self.seq, self.updated_ms = recorded.seq, recorded.at_ms
        self.spending = self.spending.after(recorded)
        match event:
            case ThreadStarted():
                self.started, self.settings = event, event.settings
                self.created_ms, self.ephemeral = recorded.at_ms, event.ephemeral
            case ThreadForked():
                # A fork is a thread of its own: made now, unnamed, on the list whatever its parent is.
                self.forked_from, self.created_ms = event.parent, recorded.at_ms
                self.name, self.archived, self.ephemeral = None, False, event.ephemeral
            case ThreadRenamed():
                self.name = event.name
            case ThreadArchived():
                self.archived = True
            case ThreadUnarchived():
                self.archived = False
            case SettingsChanged():
                if self.settings is not None:
                    self.settings = event.change.applied(self.settings)
            case InputQueued():
                if not self.preview:
                    self.preview = _request(plain_text(event.content))[:PREVIEW_CHARACTERS_MAX]
            case TurnStarted():
                self.turns, self.failed = self.turns + 1, False
            case TurnFailed():
                self.failed = True
            case _:
                pass

    @property
    def git(self) -> GitHead | None:
        """Where the repository stood when the thread began."""
        return self.started.git if self.started is not None else None


def _request(text: str) -> str:
    """What a person asks: behind this heading, where an editor put its own context before it."""
    return text.rpartition(_REQUEST_HEADING)[2].strip()


_REQUEST_HEADING = "## My request for Codex:"


# Types of record that a summary depends on: the others need no decoding.
TELLING_TYPES = frozenset(
    kind.type
    for kind in (
        ThreadStarted,
        ThreadForked,
        ThreadRenamed,
        ThreadArchived,
        ThreadUnarchived,
        SettingsChanged,
        InputQueued,
        TurnStarted,
        TurnFailed,
    )
).union(SPENDING_TYPES)
# The same as they stand in a line.
_TELLING = tuple(f'"type":"{type_}"'.encode() for type_ in TELLING_TYPES)
# The type stands behind seq and time, near the beginning of a line.
_TYPE_WITHIN_BYTES = 120


def tells(line: bytes) -> bool:
    """Whether a summary depends on this record."""
    head = line[:_TYPE_WITHIN_BYTES]
    return any(kind in head for kind in _TELLING)
