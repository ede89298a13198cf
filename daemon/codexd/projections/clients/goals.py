"""The goal of a thread as clients are told of it."""

from __future__ import annotations

from codexd.core.events import events as e
from codexd.core.state.goal import goal_after
from codexd.core.values.goals import Goal
from codexd.core.values.ids import ThreadId, TurnId
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol import goals as g


def wire_goal(thread_id: ThreadId, goal: Goal) -> g.ThreadGoal:
    """The goal as the wire has it."""
    return g.ThreadGoal(
        thread_id=thread_id,
        objective=goal.objective,
        status=goal.status,
        token_budget=goal.token_budget,
        tokens_used=goal.tokens_used,
        time_used_seconds=goal.ms_used // 1000,
        created_at=goal.created_ms // 1000,
        updated_at=goal.updated_ms // 1000,
    )


def goal_updated(thread_id: ThreadId, turn_id: TurnId, goal: Goal) -> Outgoing:
    """The goal has changed."""
    params = g.ThreadGoalUpdatedNotification(
        thread_id=thread_id, turn_id=turn_id or None, goal=wire_goal(thread_id, goal)
    )
    return Outgoing(g.GOAL_UPDATED, params)


def told_of_goal(
    thread_id: ThreadId, turn_id: TurnId, goal: Goal | None, event: e.Event | e.Unknown
) -> tuple[Goal | None, list[Outgoing]]:
    """The goal after an event, and what clients are told: its changes, and what each request has used."""
    match event:
        case e.GoalChanged():
            return event.goal, [goal_updated(thread_id, turn_id, event.goal)]
        case e.GoalCleared():
            params = g.ThreadGoalClearedNotification(thread_id=thread_id)
            return None, [Outgoing(g.GOAL_CLEARED, params, to_all=True)]
        case e.ThreadForked() | e.ThreadTakenIn():
            return None, []
        case _ if goal is not None:
            after = goal_after(goal, event)
            tells = isinstance(event, e.ModelCallEnded) and after != goal
            return after, [goal_updated(thread_id, turn_id, after)] if tells else []
        case _:
            return goal, []
