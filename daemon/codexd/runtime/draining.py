"""Lets the effects of all threads come to a point where the daemon can end without loss.

An answer of a model that is cut off is asked and paid for again, and the result of a tool that ends with the daemon is
lost. So both are waited for, and no model is called meanwhile. Commands belong to the keeper and are not waited for;
what people ask for meanwhile is in the log, and the next daemon begins with it.
"""

from __future__ import annotations

import time
from typing import Final

import trio

from codexd.core.policy.action_kinds import after_crash
from codexd.core.state.due import AskForTitle, CallModel, Effect, RunTool
from codexd.runtime.actor.actor import Perform, ThreadActor

_LOOK_SECONDS: Final = 0.02
# So long after its start the keeper has a command, also where its sandbox is made first.
_STARTING_SECONDS: Final = 1.0


class Draining:
    """Performs effects, until it is asked to let them end."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._under_way: dict[tuple[ThreadActor, Effect], float] = {}
        self._is_draining = False

    async def perform(self, effect: Effect, thread: ThreadActor) -> None:
        """Perform an effect to its end; while the daemon drains, only a tool call is begun."""
        if self._is_draining and not isinstance(effect, RunTool):
            await trio.sleep_forever()  # It is due, and ends with the daemon.
        self._under_way[thread, effect] = time.monotonic()
        try:
            await self._perform(effect, thread)
        finally:
            del self._under_way[thread, effect]

    async def drain(self, seconds: float) -> int:
        """Begin nothing more, and wait for what should not be cut off; returns how much of that is still under way."""
        self._is_draining = True
        with trio.move_on_after(seconds):
            while self._left():  # noqa: ASYNC110 - effects end in many places
                await trio.sleep(_LOOK_SECONDS)
        return self._left()

    def _left(self) -> int:
        return sum(
            not _may_be_cut(effect, thread, time.monotonic() - began)
            for (thread, effect), began in self._under_way.items()
        )


def _may_be_cut(effect: Effect, thread: ThreadActor, age_seconds: float) -> bool:
    """Whether the next daemon loses nothing by having to take an effect up."""
    match effect:
        case CallModel() | AskForTitle():
            return False
        case RunTool():
            return _is_kept(thread, effect) and age_seconds > _STARTING_SECONDS
        case _:
            return True  # A pause, or a reviewer, whose own thread is looked at by itself.


def _is_kept(thread: ThreadActor, effect: RunTool) -> bool:
    """Whether a tool call is a command, which the keeper has."""
    turn = thread.state.turn
    calls = [process.call for process in thread.state.processes]
    calls += turn.open_calls if turn is not None else ()
    return any(
        call.call_id == effect.call_id
        and call.action is not None
        and after_crash(call.action) == "adopt"
        for call in calls
    )
