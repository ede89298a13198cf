"""The commands to a thread about its goal."""

from __future__ import annotations

import msgspec

from codexd.core.values.goals import GoalStatus


class SetGoal(msgspec.Struct, frozen=True, kw_only=True):
    """Set the goal of the thread, or change it; None leaves a member as it is."""

    objective: str | None = None
    status: GoalStatus | None = None
    token_budget: int | msgspec.UnsetType | None = msgspec.UNSET  # None: none
    now_ms: int  # Unix


class ClearGoal(msgspec.Struct, frozen=True, kw_only=True):
    """Take the goal of the thread away."""
