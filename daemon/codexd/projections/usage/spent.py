"""Requests -> their total usage by day, model and kind, small enough for every row of a list; and by turn.

Prices are not in it. They change from day to day, and a user may set them, so they are looked up on request.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ThreadForked, TurnStarted
from codexd.core.events.record import Recorded
from codexd.core.values.ids import TurnId
from codexd.core.values.usage import Tokens
from codexd.projections.usage.requests import REQUEST_TYPES, Kind, Request, Requests

DAY_MS = 86_400_000
# Above this, some models have another price for the whole request: those are summed separately. OpenAI's figure.
LONG_INPUT_TOKENS = 272_000


class Spent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The usage of one day's requests to one model, of one kind."""

    day: int  # since 1970, in UTC
    provider: str
    model: str
    kind: Kind
    long: bool = False  # their input was long
    requests: int = 0  # that were answered
    failed: int = 0  # that were not
    unsaid: int = 0  # of those answered: the provider did not say what they used
    tokens: Tokens = Tokens()

    @property
    def what(self) -> tuple[int, str, str, Kind, bool]:
        """The day, model and kind whose requests are summed."""
        return self.day, self.provider, self.model, self.kind, self.long

    def plus(self, other: Spent) -> Spent:
        return replace(
            self,
            requests=self.requests + other.requests,
            failed=self.failed + other.failed,
            unsaid=self.unsaid + other.unsaid,
            tokens=self.tokens.plus(other.tokens),
        )


def spent_by(request: Request) -> Spent:
    """One request as such a sum."""
    return Spent(
        request.at_ms // DAY_MS,
        request.provider,
        request.model,
        request.kind,
        request.tokens.input_tokens > LONG_INPUT_TOKENS and not request.several,
        requests=int(not request.failed),
        failed=int(request.failed),
        unsaid=int(not request.failed and not request.said),
        tokens=request.tokens,
    )


def with_one(sums: tuple[Spent, ...], spent: Spent) -> tuple[Spent, ...]:
    """The sums with one more, in the order in which they began."""
    for index in range(len(sums) - 1, -1, -1):
        if sums[index].what == spent.what:
            return (*sums[:index], sums[index].plus(spent), *sums[index + 1 :])
    return (*sums, spent)


class UsageByDay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fold over a thread. Inherited usage belongs to the parent."""

    sums: tuple[Spent, ...] = ()
    requests: Requests = Requests()

    def after(self, recorded: Recorded) -> UsageByDay:
        """After a record; the same object where the record is not about requests."""
        if isinstance(recorded.event, ThreadForked):
            return UsageByDay(requests=self.requests)
        requests, over = self.requests.after(recorded)
        if over is not None:
            return UsageByDay(with_one(self.sums, spent_by(over)), requests)
        return self if requests is self.requests else replace(self, requests=requests)


# Types of record that the fold depends on: the others need no decoding.
SPENDING_TYPES = REQUEST_TYPES | {ThreadForked.type}


class TurnCost(msgspec.Struct, frozen=True, gc=False):
    """The usage of one turn's requests of one kind."""

    turn_id: TurnId
    kind: Kind
    seq: int  # of the turn's first record
    started_ms: int
    sums: tuple[Spent, ...] = ()


class UsageByTurn:
    """The fold. A fork's rows begin where it was forked."""

    def __init__(self) -> None:
        self._rows: dict[tuple[TurnId, Kind], TurnCost] = {}
        self._requests = Requests()
        self._turn = TurnCost(TurnId(""), "turn", 0, 0)

    @property
    def rows(self) -> list[TurnCost]:
        """Those of turns that made a request, oldest first."""
        return list(self._rows.values())

    def apply(self, recorded: Recorded) -> None:
        event = recorded.event
        self._requests, over = self._requests.after(recorded)
        match event:
            case TurnStarted():
                self._turn = TurnCost(event.turn_id, "turn", recorded.seq, recorded.at_ms)
            case ThreadForked():
                self._rows.clear()
            case _ if over is not None:
                key = (self._turn.turn_id, over.kind)
                row = self._rows.get(key) or replace(self._turn, kind=over.kind)
                self._rows[key] = replace(row, sums=with_one(row.sums, spent_by(over)))
            case _:
                pass
