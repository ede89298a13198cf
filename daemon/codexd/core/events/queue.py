"""Events about the inputs that wait for their turns."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from codexd.core.events.base import NOTHING, Fact
from codexd.core.values.ids import ItemId, TurnId
from codexd.core.values.items import UserInput
from codexd.core.values.settings import SettingsChange


class InputQueued(Fact, frozen=True):
    """A person's input was accepted; it will start a turn of its own."""

    type = "input.queued"
    item_id: ItemId
    turn_id: TurnId  # of the turn that it will start
    content: tuple[UserInput, ...]
    client_id: str | None = None
    change: SettingsChange | None = None  # settings to change when its turn starts
    today: str | None = None  # the date in the person's time zone
    output_schema: msgspec.Raw = NOTHING  # JSON schema that the answer must meet
    traceparent: str | None = None  # the caller's place in a trace (W3C Trace Context)
    service_tier: str | None = None  # of this turn alone; None: the thread's
    client_metadata: Mapping[str, str] | None = None  # the client's own, which is kept for it


class InputWithdrawn(Fact, frozen=True):
    """A queued input was withdrawn before its turn."""

    type = "input.withdrawn"
    item_id: ItemId


class InputsReordered(Fact, frozen=True):
    """The queued inputs start their turns in this order."""

    type = "input.reordered"
    item_ids: tuple[ItemId, ...]
