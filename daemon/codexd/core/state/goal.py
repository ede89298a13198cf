"""The goal of a thread, and what its turns use, folded from events."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.values.goals import Goal
from codexd.core.values.usage import read_usage


def goal_after(goal: Goal, event: e.Event | e.Unknown) -> Goal:
    """The goal with what the event says was used."""
    if not goal.counts:
        return goal
    match event:
        case e.ModelCallEnded():
            used = read_usage(event.usage)
            # What a provider has cached was counted when it was new.
            new = 0 if used is None else max(used.input_tokens - used.cached_input_tokens, 0)
            tokens = new + (0 if used is None else used.output_tokens)
            return replace(
                goal,
                tokens_used=goal.tokens_used + tokens,
                ms_used=goal.ms_used + event.duration_ms,
            )
        case e.ToolEnded() if event.result.duration_ms:
            return replace(goal, ms_used=goal.ms_used + event.result.duration_ms)
        case _:
            return goal


class Pursuit(msgspec.Struct, frozen=True):
    """How a thread pursues its goal."""

    goal: Goal | None = None
    idle_turns: int = 0  # turns for it, one after another, without a call of a tool

    def after(self, event: e.Event | e.Unknown) -> Pursuit:
        """The same object where the event changes nothing."""
        match event:
            case e.GoalChanged():
                return replace(self, goal=event.goal)
            case e.GoalCleared() | e.ThreadForked() | e.ThreadTakenIn():
                return NO_PURSUIT if self.goal is not None else self
            case _ if self.goal is None:
                return self
            case e.TurnStarted(kind="user"):
                return replace(self, idle_turns=0 if event.inputs else self.idle_turns + 1)
            case e.ItemCompleted() if event.call is not None and self.idle_turns:
                return replace(self, idle_turns=0)
            case _:
                goal = goal_after(self.goal, event)
                return self if goal is self.goal else replace(self, goal=goal)


NO_PURSUIT = Pursuit()
