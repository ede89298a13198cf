"""Events of turns that wait though no prompt starts them: compactions and reviews that were asked for on a busy thread."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events.base import Fact
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.review_target import ReviewTarget


class ReviewAsked(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """What a review needs when it begins."""

    target: ReviewTarget
    child_id: ThreadId  # of the reviewer's thread, and of its turn
    child_turn_id: TurnId
    today: str | None = None
    problem: str | None = None  # why there is nothing to review: it fails as soon as it begins


class TurnQueued(Fact, frozen=True):
    """A turn was accepted while another ran: it begins after that one, and after the inputs that were queued before."""

    type = "turn.queued"
    turn_id: TurnId
    kind: Literal["compact", "review"]
    review: ReviewAsked | None = None  # for a review


class TurnWithdrawn(Fact, frozen=True):
    """A queued turn was withdrawn before it began."""

    type = "turn.withdrawn"
    turn_id: TurnId
