"""The answer to `thread/shellCommand`: a person's own command in a thread."""

from __future__ import annotations

from typing import Final

from codexd.core import commands as c
from codexd.core.events.record import Recorded, decode_record
from codexd.core.events.tools import ToolStarted
from codexd.core.values.ids import CallId, ThreadId, TurnId
from codexd.core.values.tool_actions import PersonCommand
from codexd.protocol import turns as t
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd.protocol.wire.rpc import invalid_params
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import open_thread, thread_id_of
from codexd.server.methods.refusals import REFUSALS, warn_or_raise
from codexd.server.methods.terminals import check_authority
from codexd.server.methods.turns import checked_passed
from codexd.server.services import Services
from codexd_eventstore.reading import records

TIMEOUT_MS_DEFAULT: Final = 3_600_000  # Codex's figure


async def thread_shell_command(
    services: Services, connection: Connection, params: t.ThreadShellCommandParams
) -> t.ThreadShellCommandResponse:
    """Run a person's command.

    Where it cannot be run, the client gets a warning; a request with an idempotencyKey gets the error.
    """
    check_authority(connection)
    thread_id_of(params.thread_id)
    key = params.idempotency_key
    try:
        _check(params)
        turn_id = await _begin(services, connection, params)
    except REFUSALS as refusal:
        words = "The command was not run"
        warn_or_raise(services, connection, params.thread_id, words, refusal, key=key)
        return t.ThreadShellCommandResponse()
    if key is None:
        return t.ThreadShellCommandResponse()
    return t.ThreadShellCommandResponse(turn_id)


async def _begin(
    services: Services, connection: Connection, params: t.ThreadShellCommandParams
) -> str:
    """The turn that has it. Raises: as `open_thread` and `submit` do."""
    thread = await open_thread(services, params.thread_id)
    call_id = CallId(services.new_id())
    passed = checked_passed(params.update_environment)
    services.passed.begin(thread.thread_id, TurnId(call_id), passed)
    timeout_ms = TIMEOUT_MS_DEFAULT if params.timeout_ms is None else params.timeout_ms
    command = c.RunPersonCommand(
        turn_id=TurnId(services.new_id()),
        call_id=call_id,
        line=params.command,
        argv=services.one_off.argv_of_line(params.command),
        timeout_ms=timeout_ms,
        today=services.today(),
    )
    turn = thread.state.turn
    answer = await thread.submit(command, by=connection.by, key=params.idempotency_key)
    if answer.repeated is not None:
        return await _turn_of(services, thread.thread_id, answer.repeated)
    for process in thread.state.processes:
        if process.call.call_id == call_id and process.turn_id is not None:
            return process.turn_id
    return command.turn_id if turn is None else turn.turn_id


async def _turn_of(services: Services, thread_id: ThreadId, first: Recorded) -> str:
    """The turn of a command that the same request has begun before; `first` is its first event."""
    store = services.store_of(thread_id)
    async for record in records(store, thread_id, after=first.seq - 1):
        found = decode_record(record.line)
        if isinstance(found.event, ToolStarted) and isinstance(found.event.action, PersonCommand):
            return found.turn or ""
    return ""


def _check(params: t.ThreadShellCommandParams) -> None:
    """Raises: RpcError."""
    if not params.command.strip() or "\0" in params.command:
        raise invalid_params("command: expected a shell line without NUL; nothing was run")
    if len(params.command) > INPUT_CHARACTERS_MAX:
        raise invalid_params(
            f"command: expected at most {INPUT_CHARACTERS_MAX} characters, "
            f"found {len(params.command)}; nothing was run"
        )
    if params.timeout_ms is not None and params.timeout_ms < 0:
        raise invalid_params(
            f"timeoutMs: expected 0 or more, found {params.timeout_ms}; nothing was run"
        )
