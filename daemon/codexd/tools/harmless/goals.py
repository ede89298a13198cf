"""The tools `get_goal`, `create_goal` and `update_goal`: the model looks at the goal of its thread, and reports on it.

    GoalTool.read_call(arguments)  ->  GoalAction   (pure)

They change the thread and nothing else, so nothing is performed.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, GoalAction, ToolResult
from codexd.tools.registry import CallContext, OutputSink, read_arguments


class _Nothing(msgspec.Struct, frozen=True):
    pass


class _New(msgspec.Struct, frozen=True):
    objective: str
    token_budget: int | None = None


class _Status(msgspec.Struct, frozen=True):
    status: Literal["complete", "blocked", "paused"]


def _declared(name: str, description: str, properties: object, *required: str) -> bytes:
    return msgspec.json.encode(
        {
            "type": "function",
            "name": name,
            "description": description,
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            },
        }
    )


GET: Final = _declared(
    "get_goal", "The goal of this thread, its status, its budget, and what is used of it.", {}
)
CREATE: Final = _declared(
    "create_goal",
    "Sets another goal after the present one is complete. Only where the user asks for it; with a budget only where "
    "the user names one.",
    {
        "objective": {"type": "string", "description": "What is to be reached."},
        "token_budget": {"type": "integer", "description": "How many tokens it may cost."},
    },
    "objective",
)
UPDATE: Final = _declared(
    "update_goal",
    "Reports on the goal. `complete`: all of it is reached, and checked. `blocked`: the same obstacle has stopped you "
    "in three turns in a row, and only the user or something outside can remove it; not because it is hard, slow or "
    "unclear. `paused`: the user has asked for a pause. Only the user makes a goal active again.",
    {"status": {"type": "string", "enum": ["complete", "blocked", "paused"]}},
    "status",
)


class GoalTool:
    """One of the three tools."""

    features = frozenset({"goals"})

    def __init__(self, declaration: bytes) -> None:
        self.name: str = msgspec.json.decode(declaration)["name"]
        self._declaration = declaration

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered in a thread that has a goal."""
        return self._declaration if thread.goal is not None else None

    def read_call(self, arguments: str, context: CallContext) -> GoalAction | BadCall:
        match self.name:
            case "create_goal":
                new = read_arguments(arguments, _New, self._bad)
                return (
                    new if isinstance(new, BadCall) else GoalAction(new.objective, new.token_budget)
                )
            case "update_goal":
                asked = read_arguments(arguments, _Status, self._bad)
                return asked if isinstance(asked, BadCall) else GoalAction(status=asked.status)
            case _:
                nothing = read_arguments(arguments or "{}", _Nothing, self._bad)
                return nothing if isinstance(nothing, BadCall) else GoalAction()

    async def perform(
        self, action: GoalAction, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        raise AssertionError("it is answered by the thread itself")

    def _bad(self, reason: str) -> BadCall:
        return BadCall(
            reason=f"The arguments of {self.name} could not be used: {reason}. The goal is as it was."
        )
