"""Rules for the goal of a thread: how it is set, when the thread goes on by itself, and what stops that.

A thread with an active goal begins the next turn by itself, until the model says that the goal is reached or cannot
be, the budget is spent, a turn fails, a person interrupts, or many turns in a row have done nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.prompts.goals import changed_text, spent_text
from codexd.core.state.state import ThreadState
from codexd.core.values.goals import (
    BUDGET_TOKENS_MAX,
    OBJECTIVE_CHARACTERS_MAX,
    Goal,
    GoalStatus,
)
from codexd.core.values.tool_actions import GoalAction, ToolResult

# Turns for a goal, one after another, in which the model has called no tool: each costs money, and a model that only
# talks about its work for so long will not begin it.
IDLE_TURNS_MAX: Final = 32
# The values of `codexErrorInfo` by which a provider says that a person has used up what was paid for.
_USED_UP: Final = ("usageLimitExceeded", "sessionBudgetExceeded")


def set_goal(transition: Transition, command: c.SetGoal) -> None:
    """A person sets the goal, or changes it. Raises: Rejected."""
    before = transition.state.goal
    objective = None if command.objective is None else command.objective.strip()
    _check(objective, command.token_budget)
    if before is None and objective is None:
        raise Rejected("no_goal", "cannot update goal: no goal exists; set one with an objective")
    if before is None or (before.status == "complete" and objective is not None):
        assert objective is not None
        budget = None if command.token_budget is UNSET else command.token_budget
        goal = Goal(objective, "active", budget, command.now_ms, command.now_ms)
    else:
        goal = replace(before, objective=objective or before.objective, updated_ms=command.now_ms)
        if command.token_budget is not UNSET:
            goal = replace(goal, token_budget=command.token_budget)
    if command.status is not None:
        goal = replace(goal, status=command.status)
    elif before is not None and before.status == "complete" and goal.tokens_used:
        goal = replace(goal, status="complete")
    _change(transition, goal)


def _change(transition: Transition, goal: Goal) -> None:
    """Record it; a spent budget goes before the status that was asked for, as in Codex."""
    before = transition.state.goal
    if goal.is_spent and goal.status in ("active", "paused", "blocked"):
        goal = replace(goal, status="budgetLimited")
    transition.add(e.GoalChanged(goal))
    is_other = before is None or before.objective != goal.objective
    turn = transition.state.turn
    if turn is not None and turn.kind == "user" and is_other and goal.status == "active":
        transition.add(e.GoalTold(changed_text(goal)))


def _check(objective: str | None, budget: object) -> None:
    if objective == "":
        raise Rejected("bad_goal", "goal objective must not be empty; nothing was set")
    if len(objective or "") > OBJECTIVE_CHARACTERS_MAX:
        raise Rejected(
            "bad_goal",
            f"goal objective must be at most {OBJECTIVE_CHARACTERS_MAX} characters; nothing was set",
        )
    if isinstance(budget, int) and not 0 < budget <= BUDGET_TOKENS_MAX:
        raise Rejected(
            "bad_goal",
            f"goal budgets must be positive when provided, and at most {BUDGET_TOKENS_MAX}; nothing was set",
        )


def clear_goal(transition: Transition) -> None:
    """A person takes the goal away; nothing happens where there is none."""
    if transition.state.goal is not None:
        transition.add(e.GoalCleared())


def answer_goal_call(transition: Transition, action: GoalAction, at_ms: int) -> ToolResult:
    """A call of the model about the goal: it changes the thread and nothing else, so nothing is performed."""
    goal = transition.state.goal
    if action.objective is not None:
        problem = _why_not_new(goal, action)
        if problem is None:
            _change(
                transition, Goal(action.objective.strip(), "active", action.budget, at_ms, at_ms)
            )
    elif goal is None:
        problem = "there is no goal"
    elif action.status is None:
        return ToolResult("completed", action.shown(goal))
    elif goal.status not in ("active", "budgetLimited"):
        problem = f"the goal is {goal.status}, which only the user changes"
    else:
        problem = None
        _change(
            transition, replace(goal, status=action.status, updated_ms=at_ms or goal.updated_ms)
        )
    if problem is not None:
        text = f"The goal was not changed: {problem}."
        return ToolResult("failed", text, text)
    assert transition.state.goal is not None
    return ToolResult("completed", action.shown(transition.state.goal))


def _why_not_new(goal: Goal | None, action: GoalAction) -> str | None:
    if goal is not None and goal.status != "complete":
        return "there is one that is not complete"
    try:
        _check((action.objective or "").strip(), action.budget)
    except Rejected as problem:
        return problem.message
    return None


def tell_spent(transition: Transition) -> None:
    """Before the next request of a turn: the model is told once that the budget is spent."""
    goal = transition.state.goal
    if goal is not None and goal.status == "active" and goal.is_spent:
        transition.add(e.GoalChanged(replace(goal, status="budgetLimited")))
        transition.add(e.GoalTold(spent_text(goal)))


def stop_goal(transition: Transition) -> None:
    """After a turn: a goal that must not go on is stopped, with what stopped it as its status."""
    goal = transition.state.goal
    if goal is None or goal.status != "active":
        return
    status: GoalStatus | None = "budgetLimited" if goal.is_spent else None
    for event in transition.events:
        match event:
            case e.TurnInterrupted(reason="interrupted" | "restarted"):
                status = "paused"
            case e.TurnFailed(error=error):
                status = "usageLimited" if error.codex_error_info in _USED_UP else "blocked"
            case e.ThreadUnarchived():
                status = "paused"
            case _:
                pass
    if transition.state.pursuit.idle_turns >= IDLE_TURNS_MAX:
        status = "blocked"
    if status is not None:
        transition.add(e.GoalChanged(replace(goal, status=status)))


def goes_on(state: ThreadState) -> bool:
    """Whether the thread begins the next turn by itself, once no turn runs and no input waits."""
    goal, settings = state.goal, state.settings
    is_open = settings is not None and not settings.plans and state.reviews is None
    return is_open and goal is not None and goal.status == "active" and not state.archived
