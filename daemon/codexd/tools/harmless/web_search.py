"""The tool `web_search`: the provider searches, and the model has what it found. Nothing is read or performed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import BadCall, ToolAction, ToolResult
from codexd.tools.registry import CallContext, OutputSink

TOOL_NAME: Final = "web_search"


class WebSearchTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({"web_search"})

    def __init__(self, declare: Callable[[Settings], bytes | None]) -> None:
        """`declare` gives the provider's declaration for a thread's settings; None where it does not search."""
        self._declare = declare

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered where the provider has it, and never to a reviewer."""
        turn, settings = thread.turn, thread.settings
        if settings is None or thread.reviews is not None:
            return None
        if turn is None:
            return self._declare(settings)
        # OpenAI refuses the two together.
        return None if turn.tuning.effort == "minimal" else self._declare(turn.settings)

    def read_call(self, arguments: str, context: CallContext) -> BadCall:
        return BadCall(
            f"{TOOL_NAME} is the provider's own tool and cannot be called as a function. Nothing was searched."
        )

    async def perform(
        self, action: ToolAction, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        raise AssertionError("the provider searches by itself")
