"""Performs one due effect and reports its result.

An effect decides nothing: it turns results and its own failures into reports.
"""

from __future__ import annotations

from typing import assert_never

import trio

from codexd.core.commands import RetryModelCall
from codexd.core.state.due import AskForTitle, AwaitRetry, CallModel, Effect, RunReview, RunTool
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.effects.model_call import ModelCalling
from codexd.runtime.effects.review import run_review
from codexd.runtime.effects.title import ask_for_title
from codexd.runtime.effects.tool_call import ToolRunning


async def perform(effect: Effect, thread: ThreadActor) -> None:
    """Perform an effect to its end. Its failures become reports."""
    match effect:
        case CallModel():
            await ModelCalling(effect, thread).run()
        case AwaitRetry():
            await trio.sleep(effect.after_ms / 1000)
            await thread.report(RetryModelCall(call_id=effect.call_id, attempt=effect.attempt))
        case RunTool():
            await ToolRunning(effect.call_id, thread).run()
        case AskForTitle():
            await ask_for_title(effect, thread)
        case RunReview():
            await run_review(effect, thread)
        case _:
            assert_never(effect)
