"""Answers to `thread/backgroundTerminals/*`: the sessions that run, and what people do with them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.decide.transition import session_call, session_of
from codexd.core.events.events import InvalidEvent
from codexd.core.state.turn import OpenCall
from codexd.core.values.ids import ProcessId, ThreadId
from codexd.core.values.tool_actions import ExecCommand, PersonCommand, RunCommand, ToolResult
from codexd.exec.figures import figures_of
from codexd.exec.ports import InputClosed, KeeperLost
from codexd.protocol import commands as p
from codexd.protocol.wire.rpc import RpcError, invalid_params, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.streaming_output import ends_of
from codexd.runtime.supervisor import ThreadGone
from codexd.server.connection.connection import Connection
from codexd.server.connection.peers import may_decide
from codexd.server.methods.lookup import open_thread, thread_id_of
from codexd.server.reads.pages import counted_page
from codexd.server.services import Services
from codexd.sessions.session import InputFull, Session
from codexd_eventstore.store import NotFound, StoreError

# What a person types at once: a pasted file of some thousand lines. Each is a record.
TYPED_CHARACTERS_MAX: Final = 64 * 1024
# A page: more than one thread may have.
PAGE_MAX: Final = 100
# An end is recorded within milliseconds.
RECORDED_SECONDS_MAX: Final = 5.0
ENDED_BY_PERSON: Final = "A person ended it."


async def thread_background_terminals_list(
    services: Services, connection: Connection, params: p.ThreadBackgroundTerminalsListParams
) -> p.ThreadBackgroundTerminalsListResponse:
    """The sessions of a thread, or of all; where the client wants them, with the commands that turns wait for."""
    await _take_up(services)
    threads = services.supervisor.threads
    if params.thread_id is not None:
        loaded = services.supervisor.loaded(thread_id_of(params.thread_id))
        threads = [] if loaded is None else [loaded]
    found = [terminal for thread in threads for terminal in _terminals(thread, params.with_calls)]
    limit = min(params.limit or PAGE_MAX, PAGE_MAX)
    page, following = counted_page(found, params.cursor, limit)
    return p.ThreadBackgroundTerminalsListResponse(await _with_figures(page), following)


async def _with_figures(found: Sequence[p.BackgroundTerminal]) -> tuple[p.BackgroundTerminal, ...]:
    pids = {terminal.os_pid for terminal in found if terminal.os_pid is not None}
    if not pids:
        return tuple(found)
    figures = await trio.to_thread.run_sync(figures_of, pids)
    return tuple(
        replace(terminal, cpu_percent=of.cpu_percent, rss_kb=of.rss_kb)
        if (of := figures.get(terminal.os_pid or 0)) is not None
        else terminal
        for terminal in found
    )


async def _take_up(services: Services) -> None:
    """A daemon that has just started may not have loaded the threads of sessions that run."""
    owners = {
        owned.owner for owned in await services.one_off.processes.owned() if owned.exit_code is None
    }
    for owner in sorted(owners - {""}):
        if services.supervisor.is_left_alone(ThreadId(owner)):
            continue  # A person may ask for it.
        with suppress(NotFound, StoreError, InvalidEvent, ThreadGone):
            await services.supervisor.load(ThreadId(owner))


def _terminals(thread: ThreadActor, with_calls: bool) -> list[p.BackgroundTerminal]:
    state = thread.state
    calls = [process.call for process in state.processes]
    calls += [
        call
        for call in (state.turn.open_calls if state.turn else ())
        if session_of(call) or (with_calls and call.running)
    ]
    return [
        _terminal(thread, call, call.action)
        for call in calls
        if isinstance(call.action, RunCommand)
    ]


def _terminal(thread: ThreadActor, call: OpenCall, action: RunCommand) -> p.BackgroundTerminal:
    session = action if isinstance(action, ExecCommand) else None
    return p.BackgroundTerminal(
        item_id=call.call_id,
        process_id=_process_id(call, action),
        command=action.command,
        cwd=action.cwd,
        os_pid=call.pid,
        thread_id=thread.thread_id,
        tty=session is not None and session.tty,
        started_at_ms=call.spawned_ms,
    )


def _process_id(call: OpenCall, action: RunCommand) -> str:
    """The id by which it is ended; "": with its turn. The letter keeps a process's number apart from a session's."""
    if isinstance(action, PersonCommand):
        return "" if call.pid is None else f"p{call.pid}"
    return action.session if isinstance(action, ExecCommand) else ""


async def thread_background_terminals_terminate(
    services: Services, connection: Connection, params: p.ThreadBackgroundTerminalsTerminateParams
) -> p.ThreadBackgroundTerminalsTerminateResponse:
    """End one."""
    check_authority(connection)
    session = services.sessions.find(thread_id_of(params.thread_id), params.process_id)
    if session is not None:
        await _end(services, session)
    is_ended = session is not None or await _end_person_command(
        services, ThreadId(params.thread_id), params.process_id
    )
    return p.ThreadBackgroundTerminalsTerminateResponse(is_ended)


async def _end_person_command(
    services: Services, thread_id: ThreadId, process_id: str | None = None
) -> bool:
    """End one that a person has started in a thread, or all; whether there was one."""
    thread = services.supervisor.loaded(thread_id)
    found = () if thread is None else thread.state.processes
    ended = [
        of
        for of in found
        if isinstance(of.call.action, PersonCommand)
        and process_id in (None, _process_id(of.call, of.call.action))
    ]
    for of in ended:
        if thread is not None:
            output = thread.streaming.outputs.get(of.call.call_id)
            printed = "" if output is None else ends_of(output.text())
            result = ToolResult("aborted", ENDED_BY_PERSON, printed)
            await thread.submit(c.ReportProcessEnded(process=of.process, result=result))
    return bool(ended)


async def thread_background_terminals_clean(
    services: Services, connection: Connection, params: p.ThreadBackgroundTerminalsCleanParams
) -> p.ThreadBackgroundTerminalsCleanResponse:
    """End all of a thread."""
    check_authority(connection)
    async with trio.open_nursery() as nursery:
        for session in services.sessions.of_thread(thread_id_of(params.thread_id)):
            nursery.start_soon(_end, services, session)
    await _end_person_command(services, ThreadId(params.thread_id))
    return p.ThreadBackgroundTerminalsCleanResponse()


async def _end(services: Services, session: Session) -> None:
    """End a session, and wait until that is recorded."""
    await session.end(ENDED_BY_PERSON)
    thread = services.supervisor.loaded(ThreadId(session.thread_id))
    with trio.move_on_after(RECORDED_SECONDS_MAX):  # A full disk: it is recorded later.
        if thread is not None:
            await thread.until(
                lambda state: session_call(state, ProcessId(session.session_id)) is None
            )


async def thread_background_terminals_write(
    services: Services, connection: Connection, params: p.ThreadBackgroundTerminalsWriteParams
) -> p.ThreadBackgroundTerminalsWriteResponse:
    """Type into one (codexd only)."""
    check_authority(connection)
    if not 0 < len(params.chars) <= TYPED_CHARACTERS_MAX:
        raise invalid_params(
            f"chars: expected 1 to {TYPED_CHARACTERS_MAX} characters, found {len(params.chars)}; "
            "nothing was typed"
        )
    thread, session = await _with_terminal(services, params.thread_id, params.process_id, "typed")
    chars = "" if params.secret else params.chars
    command = c.WriteToSession(
        session=ProcessId(params.process_id), chars=chars, hidden=params.secret
    )
    await thread.submit(command, by=connection.by)
    try:
        await session.write(params.chars.encode(errors="replace"))
    except InputClosed as closed:
        raise _gone(params.process_id, "typed") from closed
    except InputFull as full:
        raise state_error(
            f"session {params.process_id} does not read its input now: some of what was typed was not taken",
            "input_full",
        ) from full
    return p.ThreadBackgroundTerminalsWriteResponse()


async def thread_background_terminals_resize(
    services: Services, connection: Connection, params: p.ThreadBackgroundTerminalsResizeParams
) -> p.ThreadBackgroundTerminalsResizeResponse:
    """Set the size of its terminal (codexd only)."""
    check_authority(connection)
    check_size(params.size)
    _, session = await _with_terminal(services, params.thread_id, params.process_id, "changed")
    try:
        await session.running.resize(params.size.rows, params.size.cols)
    except KeeperLost as lost:
        raise _gone(params.process_id, "changed") from lost
    return p.ThreadBackgroundTerminalsResizeResponse()


def check_size(size: p.TerminalSize) -> None:
    """Raises: RpcError, for a size that no terminal can have."""
    if not (0 < size.rows < 1 << 16 and 0 < size.cols < 1 << 16):
        raise invalid_params(
            f"size: expected 1 to 65535 rows and columns, found {size.rows} and {size.cols}; nothing was changed"
        )


def check_authority(connection: Connection) -> None:
    """Raises: RpcError, for a command that codexd runs: it would leave its sandbox by this."""
    if not may_decide(connection.peer):
        raise state_error(
            f"process {connection.peer.pid} was started by codexd, and may run and type nothing through it; "
            "nothing was done",
            "not_allowed",
        )


async def _with_terminal(
    services: Services, thread_id: str, session_id: str, what: str
) -> tuple[ThreadActor, Session]:
    """The thread, and its session. Raises: RpcError."""
    thread = await open_thread(services, thread_id)
    session = services.sessions.find(thread.thread_id, session_id)
    if session is None or session.ended.is_set():
        raise _gone(session_id, what)
    if not session.action.tty:
        raise state_error(
            f"session {session_id} has no terminal, and takes no input: nothing was {what}",
            "session_without_terminal",
        )
    return thread, session


def _gone(session_id: str, what: str) -> RpcError:
    return state_error(
        f"expected a session of this thread that runs, found {session_id!r}: nothing was {what}",
        "session_unknown",
    )
