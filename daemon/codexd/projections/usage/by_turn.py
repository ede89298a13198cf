"""Events -> what each turn of a thread used: a row for each kind of request that it made."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ThreadForked, TurnStarted
from codexd.core.events.record import Recorded
from codexd.core.values.ids import TurnId
from codexd.projections.usage.by_day import Spent, spent_by, with_one
from codexd.projections.usage.requests import Kind, Requests


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
