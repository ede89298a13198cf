"""A transition: the events of a decision, and the state after them; and what an interrupt leaves running."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import OpenItem, Rejected
from codexd.core.cut_items import Why, fitted_cut
from codexd.core.events import events as e
from codexd.core.events.events import TurnSteered
from codexd.core.policy.action_kinds import after_crash, kind_of
from codexd.core.prompts.person_command import STOPPED as COMMAND_STOPPED
from codexd.core.prompts.person_command import person_command_message
from codexd.core.prompts.review_results import (
    NO_RESULTS,
    STOPPED,
    STOPPED_FOR_PEOPLE,
    exited_item,
    user_action,
)
from codexd.core.state.processes import OpenProcess
from codexd.core.state.state import ThreadState, evolve
from codexd.core.state.turn import OpenCall, Turn
from codexd.core.values.ids import CallId, ItemId, ProcessId
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import PersonCommand, SessionCall, ToolResult

# The text that the model receives when a person or a restart interrupted its turn.
ABORTED_NOTE = """<turn_aborted>
The turn before this message was stopped on purpose before it was finished. \
Commands that were running were ended, and may have done part of their work. \
Look at the present state before you repeat or rely on anything from that turn.
</turn_aborted>"""
ABORTED_CALL = "aborted by the user: the call was stopped, and its result is not known"
NOT_AGAIN = (
    "The user was asked whether it may run again outside of the sandbox. It was not run again:"
)
RAN_AGAIN = (
    "It ran twice: in the sandbox, where it failed with exit code {}; and once more outside of the sandbox, as the user "
    "allowed. This is the result of the second time:"
)
# Among the output of such a call, where that of the second time begins.
SECOND_RUN = "\n[codexd: that was in the sandbox; from here on it runs outside of it]\n"
# The answer to a call whose session goes on.
ABORTED_WAIT = "aborted by the user: the command was not waited for. It runs on with session ID {}."
STILL_RUNNING = "These sessions were not ended and still run: {}."
# A turn that makes way, or is cut by the daemon; a fork or an archived thread has no processes.
_SESSIONS_OUTLIVE = frozenset({"interrupted", "shutdown", "restarted", "replaced"})


class Transition:
    """Collects events and folds them, so that each rule sees the events before it."""

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.events: list[e.Event] = []

    @property
    def turn(self) -> Turn:
        """The running turn; the caller knows that a turn runs."""
        assert self.state.turn is not None
        return self.state.turn

    @property
    def settings(self) -> Settings:
        """The thread's settings; the caller knows that it was started."""
        assert self.state.settings is not None
        return self.state.settings

    def add(self, event: e.Event) -> None:
        self.events.append(event)
        self.state = evolve(self.state, event)

    def cut(self, items: tuple[OpenItem, ...], why: Why, *, in_history: bool = False) -> None:
        """Record that open items will not be completed, except those whose completion is recorded.

        A daemon may die between an item's event and the removal of its draft. If no model call is open,
        nothing streams, so every draft that is left has its event.
        """
        if self.state.turn is None or self.state.turn.call is None:
            return
        for item in items:
            born = (item.item_id, item.started_ms)
            ended = born in self.state.ended_items or born in self.state.ended_before
            if ended or item.kind == "call":
                continue
            self.add(fitted_cut(item, why, in_history=in_history))

    def steer(self, steered: TurnSteered, items: tuple[OpenItem, ...]) -> None:
        """Add input to the running turn; the answer that streams is cut off for it.

        A summary's request is not: it is no answer. A retry that is waited for takes the input along.
        """
        call = self.turn.call
        if call is None or not cuts_answer(self.turn):
            self.add(steered)
            return
        self.cut(items, "interrupted", in_history=True)
        self.add(replace(steered, cut=call.call_id))

    def abort(self, call_id: CallId, items: tuple[OpenItem, ...], answer: str) -> None:
        """End a call without a result; its output is kept."""
        result = ToolResult("aborted", answer, printed_by(call_id, items))
        calls = self.state.turn.open_calls if self.state.turn is not None else ()
        call = next((call for call in calls if call.call_id == call_id), None)
        if call is not None:
            result = ran_again(call, result) if call.running else not_again(call, result)
        self.add(e.ToolEnded(call_id, result))

    def interrupt(
        self,
        items: tuple[OpenItem, ...],
        reason: Literal["interrupted", "archived", "shutdown", "restarted", "forked", "replaced"],
    ) -> None:
        """Interrupt the running turn: close everything open, end every call, add a note for the model."""
        self.cut(items, "restarted" if reason == "restarted" else "interrupted")
        if self.state.turn is not None:
            for call in self.state.turn.open_calls:
                session = session_of(call)
                if session is not None and reason in _SESSIONS_OUTLIVE:
                    left = ToolResult("aborted", ABORTED_WAIT.format(session), collected_bytes=0)
                    self.add(e.ToolEnded(call.call_id, left, session))
                else:
                    self.abort(call.call_id, items, ABORTED_CALL)
            self._end_person_commands(items)
            if self.turn.review is not None:
                message = user_action(STOPPED, NO_RESULTS)
                exited = exited_item(self.turn.turn_id)
                self.add(e.ReviewExited(exited, STOPPED_FOR_PEOPLE, told=message))
        sessions = [open_.process for open_ in self.state.processes if not open_.is_of_person]
        note = aborted_note(tuple(sessions))
        self.add(e.ContextAdded("turn_aborted", "user", note))
        self.add(e.TurnInterrupted(reason))

    def _end_person_commands(self, items: tuple[OpenItem, ...]) -> None:
        """End the commands that people have started in the running turn; their output is kept."""
        for process in self.state.processes:
            if process.is_of_person and process.turn_id == self.turn.turn_id:
                printed = printed_by(process.call.call_id, items)
                self.add(process_ended(process, ToolResult("aborted", COMMAND_STOPPED, printed)))


def cuts_answer(turn: Turn | None) -> bool:
    """Whether input for the turn cuts off the answer of the model's running request."""
    call = turn.call if turn is not None else None
    return call is not None and call.status == "running" and not call.compacts


def printed_by(call_id: CallId, items: tuple[OpenItem, ...]) -> str:
    """What the command of a call has printed so far."""
    found = (item.text for item in items if item.kind == "call" and item.item_id == ItemId(call_id))
    return next(found, "")


def not_again(call: OpenCall, why: ToolResult) -> ToolResult:
    """The result of a call that is not run (again): of its attempt in its sandbox, if there was one, and why."""
    first = call.first
    if first is None:
        return why
    return replace(first, model_text=f"{first.model_text}\n{NOT_AGAIN}\n{why.model_text}")


def ran_again(call: OpenCall, result: ToolResult) -> ToolResult:
    """The result of a call that has run, with that of its attempt in its sandbox, if there was one."""
    if call.first is None:
        return result
    before = RAN_AGAIN.format(call.first.exit_code)
    return replace(result, model_text=f"{before}\n{result.model_text}")


def second_run_at(call: OpenCall) -> int:
    """Where the output of a call's second attempt begins, in bytes from the beginning; 0 if it is the first."""
    return 0 if call.first is None else call.first.output_bytes + len(SECOND_RUN.encode())


def session_of(call: OpenCall) -> ProcessId | None:
    """The session that a call has begun, while the call has no answer."""
    if call.action is None or call.pid is None:
        return None
    session: ProcessId | None = kind_of(call.action).session(call.action)
    return session


def aborted_note(sessions: tuple[ProcessId, ...]) -> str:
    """The text for the model, with the sessions that still run."""
    if not sessions:
        return ABORTED_NOTE
    body, end = ABORTED_NOTE.rsplit("\n", 1)
    return f"{body}\n{STILL_RUNNING.format(', '.join(sessions))}\n{end}"


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


def end_processes(
    transition: Transition,
    answer: str,
    items: tuple[OpenItem, ...],
    *,
    but_adopted: bool = False,
) -> None:
    """End all processes that outlived their calls, with what they had printed; `but_adopted` leaves those that a tool
    will adopt.
    """
    for process in transition.state.processes:
        action = process.call.action
        adopted = action is not None and after_crash(action) == "adopt"
        if not (but_adopted and adopted):
            printed = printed_by(process.call.call_id, items)
            transition.add(process_ended(process, ToolResult("aborted", answer, printed)))


def process_ended(process: OpenProcess, result: ToolResult) -> e.ProcessEnded:
    """The end of a process, with the call that began it."""
    call = process.call
    of = None if process.turn_id is None else SessionCall(call.call_id, process.turn_id)
    if isinstance(call.action, PersonCommand):
        message = person_command_message(call.action.command, result)
        result = replace(result, model_text=message)
    else:
        # The result has the output of both attempts.
        collected = second_run_at(call) + process.collected_bytes
        result = replace(result, collected_bytes=None if process.end_told else collected)
    return e.ProcessEnded(process.process, result, of, call.action, call.spawned_ms)
