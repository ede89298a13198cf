"""Rules for the processes that outlive their calls: what a person writes to them, and their ends."""

from __future__ import annotations

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.transition import Transition, session_of
from codexd.core.events import events as e
from codexd.core.policy.action_kinds import kind_of
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import OpenProcess
from codexd.core.values.ids import ProcessId
from codexd.core.values.tool_actions import SessionCall, ToolResult


def decide_writing(transition: Transition, command: c.WriteToSession) -> None:
    """A person writes to a session."""
    of = session_call(transition.state, command.session)
    if of is None:
        raise Rejected(
            "session_unknown",
            f"expected a session of this thread that runs, found {command.session}: nothing was written",
        )
    transition.add(e.StdinWritten(command.session, of, command.chars, command.hidden))


def session_call(state: ThreadState, session: ProcessId) -> SessionCall | None:
    """The call that began a session which runs; None if none does."""
    for process in state.processes:
        if process.process == session and process.turn_id is not None:
            return SessionCall(process.call.call_id, process.turn_id)
    turn = state.turn
    for call in turn.open_calls if turn is not None else ():
        if turn is not None and session_of(call) == session:
            return SessionCall(call.call_id, turn.turn_id)
    return None


def end_processes(transition: Transition, answer: str, *, but_adopted: bool = False) -> None:
    """End all processes that outlived their calls; `but_adopted` leaves those that a tool will adopt."""
    for process in transition.state.processes:
        action = process.call.action
        adopted = action is not None and kind_of(action).after_crash == "adopt"
        if not (but_adopted and adopted):
            transition.add(process_ended(process, ToolResult("aborted", answer)))


def process_ended(process: OpenProcess, result: ToolResult) -> e.ProcessEnded:
    """The end of a process, with the call that began it."""
    call = process.call
    of = None if process.turn_id is None else SessionCall(call.call_id, process.turn_id)
    return e.ProcessEnded(process.process, result, of, call.action, call.spawned_ms)
