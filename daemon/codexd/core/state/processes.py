"""The processes that tool calls and people have left running in a thread, and the effect of events on them."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.state.turn import OpenCall, Turn
from codexd.core.values.ids import CallId, ProcessId, TurnId
from codexd.core.values.tool_actions import PersonCommand, WriteStdin


class OpenProcess(msgspec.Struct, frozen=True):
    """A process that a tool call left running; it may outlive turns."""

    process: ProcessId
    call: OpenCall  # which has its answer
    turn_id: TurnId | None = None  # of the call
    collected_bytes: int = 0  # of its output, from its beginning: the model has been given these
    end_told: bool = False  # the model was told how it ended

    @property
    def is_of_person(self) -> bool:
        """Whether it is a person's own command: it is a process from its start, and has no answer."""
        return isinstance(self.call.action, PersonCommand)


def processes_after(
    processes: tuple[OpenProcess, ...], turn: Turn, event: e.ToolEnded
) -> tuple[OpenProcess, ...]:
    """The processes after a call's answer: the call may leave one running, or have collected output of one."""
    call = next((call for call in turn.open_calls if call.call_id == event.call_id), None)
    collected = event.result.collected_bytes
    if call is None:
        return processes
    if event.process is not None:
        return (*processes, OpenProcess(event.process, call, turn.turn_id, collected or 0))
    if not isinstance(call.action, WriteStdin) or collected is None:
        return processes
    told = event.result.exit_code is not None
    return tuple(
        replace(open_, collected_bytes=collected, end_told=told)
        if open_.process == call.action.session
        else open_
        for open_ in processes
    )


def with_person_command(
    processes: tuple[OpenProcess, ...], turn: Turn | None, event: e.ToolStarted
) -> tuple[OpenProcess, ...]:
    """The processes after a person's command was started, or is adopted."""
    process = ProcessId(event.call_id)
    if any(open_.process == process for open_ in processes):
        return _with_left_call(processes, event.call_id, again=event.again)
    call = OpenCall(event.call_id, "", custom=False, action=event.action, running=True)
    return (*processes, OpenProcess(process, call, None if turn is None else turn.turn_id))


def with_pid(processes: tuple[OpenProcess, ...], event: e.ToolSpawned) -> tuple[OpenProcess, ...]:
    """The processes after that of a person's command has started."""
    return _with_left_call(processes, event.call_id, pid=event.pid, spawned_ms=event.at_ms)


def _with_left_call(
    processes: tuple[OpenProcess, ...], call_id: CallId, **changes: object
) -> tuple[OpenProcess, ...]:
    return tuple(
        replace(open_, call=replace(open_.call, **changes))
        if open_.call.call_id == call_id
        else open_
        for open_ in processes
    )
