"""Events of compactions and pins.

They remove nothing from the log: screens show all turns. `history.compacted` has the new history word for
word, so that it does not depend on the version of the daemon.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events.base import Fact
from codexd.core.values.ids import ItemId
from codexd.core.values.items import TurnError
from codexd.core.values.settings import Settings, Tuning

Trigger = Literal["auto", "manual"]
Reason = Literal["limit", "model_downshift", "user", "window_exceeded"]
# When it happens: before a turn's first request, between two requests, or in a turn of its own.
Phase = Literal["pre_turn", "mid_turn", "standalone"]


class CompactionStarted(Fact, frozen=True):
    """A summary of the history is requested from the model."""

    type = "compaction.started"
    item_id: ItemId
    trigger: Trigger
    reason: Reason
    phase: Phase
    prompt: str  # as it is sent to the model
    limit: int | None = None  # the size of the context, in tokens, at which a compaction is due
    tokens: int | None = None  # the size of the context
    settings: Settings | None = None  # of another model to ask; None: the turn's own
    tuning: Tuning | None = None  # for these settings


class CompactionFailed(Fact, frozen=True):
    """The compaction failed: the history is unchanged."""

    type = "compaction.failed"
    item_id: ItemId
    error: TurnError


class KeptMessage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A person's message that stayed in the model's history."""

    seq: int  # of the message's record
    truncated: bool = False  # its middle was left out


class PinAdded(Fact, frozen=True):
    """Every later compaction keeps the model's items of a record."""

    type = "pin.added"
    seq: int
    items: tuple[msgspec.Raw, ...]  # the kept items: a tool's answer is kept with its call


class PinRemoved(Fact, frozen=True):
    """The next compaction may drop the record's items."""

    type = "pin.removed"
    seq: int
