"""Events of a thread's goal."""

from __future__ import annotations

from codexd.core.events.base import Fact
from codexd.core.values.goals import Goal


class GoalChanged(Fact, frozen=True):
    """The thread has another goal, or its goal another status; with what was used until then."""

    type = "goal.changed"
    goal: Goal


class GoalCleared(Fact, frozen=True):
    """The thread has no goal any more."""

    type = "goal.cleared"


class GoalTold(Fact, frozen=True):
    """The model is told to work on the goal, or that something about it has changed."""

    type = "goal.told"
    text: str  # exactly as the model receives it, with the role of a user
