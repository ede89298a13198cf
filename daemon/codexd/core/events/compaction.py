"""Events about shortening the model's history, and about what must stay in it.

Nothing of them takes anything out of the log: screens show the whole past. What the model is given instead of
it stands in `history.compacted` word for word, so that no later version makes something else of it.
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
# Where in a thread it happens: in front of a turn's first request, between two of them, or in a turn of its own.
Phase = Literal["pre_turn", "mid_turn", "standalone"]


class CompactionStarted(Fact, frozen=True):
    """The model is asked for a summary, to go on from."""

    type = "compaction.started"
    item_id: ItemId
    trigger: Trigger
    reason: Reason
    phase: Phase
    prompt: str  # the question, as the model is asked it
    limit: int | None = None  # so many tokens in context call for it
    tokens: int | None = None  # and so many there were
    settings: Settings | None = None  # whom to ask, where it is not the turn's own model
    tuning: Tuning | None = None  # and how


class CompactionFailed(Fact, frozen=True):
    """No summary came of it: the history is as it was."""

    type = "compaction.failed"
    item_id: ItemId
    error: TurnError


class KeptMessage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A person's words that stayed in the model's history."""

    seq: int  # of the record that has them
    truncated: bool = False  # their middle was left out


class PinAdded(Fact, frozen=True):
    """Every compaction from here on keeps what the model was given of a record."""

    type = "pin.added"
    seq: int
    items: tuple[msgspec.Raw, ...]  # what is kept: a tool's answer stands with its call


class PinRemoved(Fact, frozen=True):
    """It may go with the next compaction."""

    type = "pin.removed"
    seq: int
