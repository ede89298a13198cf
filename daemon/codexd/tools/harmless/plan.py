"""The tool `update_plan`: the model shows people what it does in which order, and how far it has come.

    PlanTool.read_call(arguments)  ->  UpdatePlan   (pure)

A plan is an event of the thread: nothing is performed.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.items import PlanStep
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolResult, UpdatePlan
from codexd.tools.registry import CallContext, OutputSink, read_arguments

TOOL_NAME: Final = "update_plan"
STEPS_MAX: Final = 100  # more than a person follows
TEXT_CHARACTERS_MAX: Final = (
    4000  # of a step and of the explanation: a page; a screen shows it each time
)

_STATUSES: Final[dict[str, Literal["pending", "inProgress", "completed"]]] = {
    "pending": "pending",
    "in_progress": "inProgress",
    "completed": "completed",
}


class _Step(msgspec.Struct, frozen=True):
    step: str
    status: Literal["pending", "in_progress", "completed"]


class _Arguments(msgspec.Struct, frozen=True):
    """The model's arguments; unknown members are ignored."""

    plan: tuple[_Step, ...]
    explanation: str | None = None


DECLARATION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Shows the user your plan for this task, in place of the one before: the steps in their "
        "order, each with its status, and an explanation where the plan has changed. At most one step is "
        "in_progress at a time.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "explanation": {"type": "string"},
                "plan": {
                    "type": "array",
                    "description": "All steps of the plan.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "step": {"type": "string"},
                            "status": {"type": "string", "enum": list(_STATUSES)},
                        },
                        "required": ["step", "status"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["plan"],
            "additionalProperties": False,
        },
    }
)


class PlanTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({"update_plan"})

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to every model, but not to a reviewer, who has one thing to do, and not where the work is planned."""
        settings = thread.in_force
        plans = settings is not None and settings.plans
        return DECLARATION if thread.reviews is None and not plans else None

    def read_call(self, arguments: str, context: CallContext) -> UpdatePlan | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        if len(asked.plan) > STEPS_MAX:
            return _bad(f"a plan has at most {STEPS_MAX} steps, found {len(asked.plan)}")
        if (
            max(map(len, (asked.explanation or "", *(s.step for s in asked.plan))))
            > TEXT_CHARACTERS_MAX
        ):
            return _bad(
                f"a step and the explanation have at most {TEXT_CHARACTERS_MAX} characters each"
            )
        under_way = sum(step.status == "in_progress" for step in asked.plan)
        if under_way > 1:
            return _bad(f"at most one step is in_progress at a time, found {under_way}")
        steps = [PlanStep(step.step, _STATUSES[step.status]) for step in asked.plan]
        return UpdatePlan(tuple(steps), asked.explanation)

    async def perform(
        self, action: UpdatePlan, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        raise AssertionError("a plan is an event, and is never performed")


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. The plan is as it was. "
        'Expected a JSON object such as {"plan": [{"step": "Run the tests", "status": "pending"}]}.'
    )
