"""Answers to `thread/goal/*`."""

from __future__ import annotations

from codexd.core import commands as c
from codexd.projections.clients.goals import wire_goal
from codexd.protocol import goals as g
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import open_thread
from codexd.server.services import Services


async def thread_goal_set(
    services: Services, connection: Connection, params: g.ThreadGoalSetParams
) -> g.ThreadGoalSetResponse:
    """Set it or change it; a thread that is idle begins to work on it."""
    thread = await open_thread(services, params.thread_id)
    command = c.SetGoal(
        objective=params.objective,
        status=params.status,
        token_budget=params.token_budget,
        now_ms=services.now_us() // 1000,
    )
    await thread.submit(command, by=connection.by)
    goal = thread.state.goal
    assert goal is not None, "a goal that was set is there"
    return g.ThreadGoalSetResponse(wire_goal(thread.thread_id, goal))


async def thread_goal_get(
    services: Services, connection: Connection, params: g.ThreadGoalGetParams
) -> g.ThreadGoalGetResponse:
    """Read it."""
    thread = await open_thread(services, params.thread_id)
    goal = thread.state.goal
    return g.ThreadGoalGetResponse(None if goal is None else wire_goal(thread.thread_id, goal))


async def thread_goal_clear(
    services: Services, connection: Connection, params: g.ThreadGoalClearParams
) -> g.ThreadGoalClearResponse:
    """Take it away."""
    thread = await open_thread(services, params.thread_id)
    had = thread.state.goal is not None
    await thread.submit(c.ClearGoal(), by=connection.by)
    return g.ThreadGoalClearResponse(had)
