"""The tool update_plan: from a call's arguments to an action."""

from __future__ import annotations

import json

import pytest

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.items import PlanStep
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.tool_actions import BadCall, UpdatePlan
from codexd.tools.harmless.plan import DECLARATION, STEPS_MAX, TEXT_CHARACTERS_MAX, PlanTool
from codexd.tools.registry import CallContext

CONTEXT = CallContext("/work", "th", "c1")
TOOL = PlanTool()


def step(text: str = "Look", status: str = "pending") -> dict[str, str]:
    return {"step": text, "status": status}


def read(**arguments: object) -> UpdatePlan | BadCall:
    return TOOL.read_call(json.dumps(arguments), CONTEXT)


def test_a_plan_is_read_with_its_steps_and_its_explanation() -> None:
    steps = [step("Look", "completed"), step("Mend", "in_progress"), step("Test", "pending")]
    assert read(plan=steps, explanation="It is clear now.", later=1) == UpdatePlan(
        (
            PlanStep("Look", "completed"),
            PlanStep("Mend", "inProgress"),
            PlanStep("Test", "pending"),
        ),
        "It is clear now.",
    )
    assert read(plan=[]) == UpdatePlan(())
    assert read(plan=[], explanation=None) == UpdatePlan(())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "they are not JSON"),
        ("{}", "missing required field `plan`"),
        (json.dumps({"plan": "look, mend"}), "Expected `array`"),
        (json.dumps({"plan": [{"step": "a"}]}), "missing required field `status`"),
        (json.dumps({"plan": [step(status="done")]}), "Invalid enum value 'done'"),
        (
            json.dumps({"plan": [step(status="in_progress")] * 2}),
            "at most one step is in_progress at a time, found 2",
        ),
        (
            json.dumps({"plan": [step()] * (STEPS_MAX + 1)}),
            f"a plan has at most {STEPS_MAX} steps, found {STEPS_MAX + 1}",
        ),
        (json.dumps({"plan": [step("x" * (TEXT_CHARACTERS_MAX + 1))]}), "characters each"),
        (
            json.dumps({"plan": [], "explanation": "x" * (TEXT_CHARACTERS_MAX + 1)}),
            "characters each",
        ),
    ],
)
def test_arguments_that_cannot_be_used_leave_the_plan_as_it_was(
    arguments: str, reason: str
) -> None:
    action = TOOL.read_call(arguments, CONTEXT)
    assert isinstance(action, BadCall)
    assert reason in action.reason
    assert "The plan is as it was." in action.reason


def test_the_largest_plan_is_read() -> None:
    largest = read(
        plan=[step("x" * TEXT_CHARACTERS_MAX)] * STEPS_MAX, explanation="x" * TEXT_CHARACTERS_MAX
    )
    assert isinstance(largest, UpdatePlan)


def test_every_model_is_offered_it_but_no_reviewer() -> None:
    assert TOOL.offered(Traits(), ThreadState()) == DECLARATION
    reviews = ReviewOf(ThreadId("th"), TurnId("t1"))
    assert TOOL.offered(Traits(), ThreadState(reviews=reviews)) is None
