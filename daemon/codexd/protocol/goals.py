"""`thread/goal/*`: the goal of a thread, which its model pursues over many turns."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.core.values.goals import GoalStatus

GOAL_UPDATED: Final = "thread/goal/updated"
GOAL_CLEARED: Final = "thread/goal/cleared"


class ThreadGoal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The goal, and what its turns have used."""

    thread_id: str
    objective: str
    status: GoalStatus
    token_budget: int | None = None
    tokens_used: int
    time_used_seconds: int  # of requests and calls
    created_at: int  # Unix seconds, as is the next
    updated_at: int


class ThreadGoalSetParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Set the goal, or change what is given of it. A thread with an active goal goes on by itself."""

    thread_id: str
    objective: str | None = None
    status: GoalStatus | None = None
    token_budget: int | msgspec.UnsetType | None = msgspec.UNSET  # null: none
    origin: Literal["user", "automatic"] | None = None


class ThreadGoalSetResponse(msgspec.Struct, frozen=True):
    """The goal as it is now."""

    goal: ThreadGoal


class ThreadGoalGetParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read the goal."""

    thread_id: str


class ThreadGoalGetResponse(msgspec.Struct, frozen=True):
    """The goal; null: there is none."""

    goal: ThreadGoal | None


class ThreadGoalClearParams(msgspec.Struct, frozen=True, rename="camel"):
    """Take the goal away. A turn that runs goes on to its end."""

    thread_id: str
    origin: Literal["user", "automatic"] | None = None


class ThreadGoalClearResponse(msgspec.Struct, frozen=True):
    """Whether there was one."""

    cleared: bool


class ThreadGoalUpdatedNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The goal has changed, or more of its budget is used."""

    thread_id: str
    turn_id: str | None = None  # during which it changed
    goal: ThreadGoal


class ThreadGoalClearedNotification(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The thread has no goal any more."""

    thread_id: str
