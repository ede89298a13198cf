"""What should be under way in a thread, derived from its state and from nothing else.

The actor starts what is due and does not run, and cancels what runs and is no longer due. So waiting is a
state: an approval that nobody has answered is simply an effect that is not due yet.
"""

from __future__ import annotations

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.state.turn import waits_for_another
from codexd.core.values.ids import CallId, ModelCallId, ThreadId


class CallModel(msgspec.Struct, frozen=True):
    """Send the request and follow the answer."""

    call_id: ModelCallId
    attempt: int


class AwaitRetry(msgspec.Struct, frozen=True):
    """Wait, then ask for the next attempt."""

    call_id: ModelCallId
    attempt: int  # the one that failed
    after_ms: int


class RunTool(msgspec.Struct, frozen=True):
    """Perform a tool call that may run, to its end and to that of the process which it leaves running."""

    call_id: CallId


class AskForTitle(msgspec.Struct, frozen=True):
    """Ask a model for a title of the thread; no turn waits for it."""

    prompt: str
    model: str
    provider: str


class RunReview(msgspec.Struct, frozen=True):
    """Run a reviewer, in a thread of its own, and wait for its answer."""

    child_id: ThreadId


Effect = CallModel | AwaitRetry | RunTool | AskForTitle | RunReview


def has_work(state: ThreadState) -> bool:
    """Whether a daemon that starts must resume the thread."""
    waits = state.turn is not None or bool(state.queue or state.waiting)
    waits = waits or bool(state.processes or state.title)
    waits = waits or (state.goal is not None and state.goal.status == "active")
    return waits and not state.archived


def due(state: ThreadState) -> frozenset[Effect]:
    """The effects that should be under way."""
    turn, title = state.turn, state.title
    effects: set[Effect] = set()
    if title is not None:
        effects.add(AskForTitle(title.prompt, title.model, title.provider))
    effects |= {RunTool(process.call.call_id) for process in state.processes}
    if turn is None or state.fork_open:
        return frozenset(effects)
    effects |= {
        RunTool(call.call_id)
        for call in turn.open_calls
        if call.running and not waits_for_another(turn, call)
    }
    if turn.review is not None:
        effects.add(RunReview(turn.review.child_id))
    call = turn.call
    if call is not None and call.status == "running":
        effects.add(CallModel(call.call_id, call.attempt))
    elif call is not None and not turn.open_calls:
        # A stream may break after it made a call: the next request must carry that call's answer.
        effects.add(AwaitRetry(call.call_id, call.attempt, call.retry_after_ms))
    return frozenset(effects)
