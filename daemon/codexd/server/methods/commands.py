"""Answers to `command/exec*`: a program that a client runs, on its own authority, for as long as it is connected."""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from typing import Final, Literal

import trio

from codexd.core.values.enforced import Sandbox
from codexd.exec.ports import InputClosed, KeeperLost, NoFolder, NotStarted, Output, Running
from codexd.protocol import commands as p
from codexd.protocol.notifications import encode_notification
from codexd.protocol.policies import sandbox_access, sandbox_mode
from codexd.protocol.wire.rpc import RpcError, internal_error, invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import policies_in
from codexd.server.methods.terminals import check_authority, check_size
from codexd.server.services import Services
from codexd.sessions.one_off import NamedCommand, OneOff

# Where the client says nothing: Codex's figures.
TIMEOUT_MS_DEFAULT: Final = 10_000
OUTPUT_BYTES_DEFAULT: Final = 1 << 20
# And at most, also where it asks for no cap: an answer is made in memory.
OUTPUT_BYTES_MAX: Final = 16 << 20
DELTA: Final = "command/exec/outputDelta"
TIMED_OUT_EXIT_CODE: Final = 124


async def command_exec(
    services: Services, connection: Connection, params: p.CommandExecParams
) -> p.CommandExecResponse:
    """Run a program to its end."""
    check_authority(connection)
    _check(params)
    name = params.process_id
    if name is not None and name in connection.commands:
        raise state_error(f'duplicate active command/exec process id: "{name}"', "duplicate")
    named = NamedCommand()
    if name is not None:
        connection.commands[name] = named
    try:
        capture = _Capture(services, connection, params, named)
        asked = await _one_off(services, params)
        return await services.one_off.run(asked, capture.to_end, capture.tell)
    except NoFolder as error:
        raise internal_error(
            f"failed to spawn command: the directory {asked.cwd} {error}"
        ) from error
    except NotStarted as error:
        raise internal_error(f"failed to spawn command: {error}") from error
    except KeeperLost as lost:
        raise internal_error(f"how the command ended is not known: {lost}") from lost
    finally:
        named.started(None)
        if name is not None:
            del connection.commands[name]


async def _one_off(services: Services, params: p.CommandExecParams) -> OneOff:
    """The program with what holds it: where the client names no sandbox, that of the configuration, which may be done
    without only where a person has allowed that. Raises: RpcError.
    """
    cwd, policy = os.path.join(services.cwd, params.cwd or ""), params.sandbox_policy
    config = services.config
    mode, access = sandbox_mode(policy), sandbox_access(policy)
    if mode is None or access is None:
        found = await policies_in(services, cwd)
        mode, access = found.sandbox, found.access
        if found.profile.problem is not None:
            raise state_error(
                f"the {found.profile.problem}: nothing was run; send a `sandboxPolicy`",
                "unenforced_permissions",
            )
    return OneOff(
        argv=params.command,
        cwd=cwd,
        env=params.env or {},
        sandbox=Sandbox(mode, cwd, access, access.network_access and config.lists_domains()),
        must_confine=policy is not None or not config.unsandboxed(),
        input="terminal" if params.tty else "pipe" if params.stream_stdin else "none",
        rows=params.size.rows if params.size else 24,
        columns=params.size.cols if params.size else 80,
    )


async def command_exec_write(
    services: Services, connection: Connection, params: p.CommandExecWriteParams
) -> p.CommandExecWriteResponse:
    """Write to its input, or close that."""
    check_authority(connection)
    if params.delta_base64 is None and not params.close_stdin:
        raise invalid_params("command/exec/write requires deltaBase64 or closeStdin")
    try:
        data = b64decode(params.delta_base64 or "", validate=True)
    except binascii.Error as error:
        raise invalid_params(f"invalid deltaBase64: {error}") from error
    running = await _running(connection, params.process_id)
    try:
        if data:
            await running.write(data)
        if params.close_stdin:
            await running.close_input()
    except (InputClosed, KeeperLost) as error:
        raise state_error("stdin is closed: nothing was written", "input_closed") from error
    return p.CommandExecWriteResponse()


async def command_exec_resize(
    services: Services, connection: Connection, params: p.CommandExecResizeParams
) -> p.CommandExecResizeResponse:
    """Set the size of its terminal."""
    check_size(params.size)
    running = await _running(connection, params.process_id)
    try:
        await running.resize(params.size.rows, params.size.cols)
    except KeeperLost as lost:
        raise _no_command(params.process_id) from lost
    return p.CommandExecResizeResponse()


async def command_exec_terminate(
    services: Services, connection: Connection, params: p.CommandExecTerminateParams
) -> p.CommandExecTerminateResponse:
    """End it; its own request is answered with its exit code."""
    await (await _running(connection, params.process_id)).end()
    return p.CommandExecTerminateResponse()


async def _running(connection: Connection, name: str) -> Running:
    named = connection.commands.get(name)
    running = None if named is None else await named.running()
    if running is None:
        raise _no_command(name)
    return running


def _no_command(name: str) -> RpcError:
    return state_error(f'no active command/exec for process id "{name}"', "no_command")


def _check(params: p.CommandExecParams) -> None:
    """Raises: RpcError, where the params contradict each other."""
    if not params.command:
        raise state_error("command must not be empty", "empty_command")
    if any("\0" in word for word in (*params.command, params.cwd or "")):
        raise invalid_params("command: a NUL character can't be part of a command")
    streams = params.tty or params.stream_stdin or params.stream_stdout_stderr
    if streams and params.process_id is None:
        raise state_error(
            "command/exec tty or streaming requires a client-supplied processId", "no_process_id"
        )
    for one, other, both in (
        ("timeoutMs", "disableTimeout", params.timeout_ms is not None and params.disable_timeout),
        (
            "outputBytesCap",
            "disableOutputCap",
            params.output_bytes_cap is not None and params.disable_output_cap,
        ),
        (
            "sandboxPolicy",
            "permissionProfile",
            params.sandbox_policy is not None and params.permission_profile is not None,
        ),
    ):
        if both:
            raise invalid_params(f"command/exec cannot set both {one} and {other}")
    for name, number in (
        ("timeoutMs", params.timeout_ms),
        ("outputBytesCap", params.output_bytes_cap),
    ):
        if number is not None and number < 0:
            raise invalid_params(f"{name}: expected 0 or more, found {number}")
    if params.permission_profile is not None:
        raise invalid_params("permissionProfile: codexd has no profiles; name a sandboxPolicy")
    if params.size is not None:
        if not params.tty:
            raise invalid_params("command/exec size requires tty: true")
        check_size(params.size)


class _Capture:
    """The output of a program on its way to its client, and what of it the answer repeats."""

    def __init__(
        self,
        services: Services,
        connection: Connection,
        params: p.CommandExecParams,
        named: NamedCommand,
    ) -> None:
        self._named = named
        self._services, self._connection, self._params = services, connection, params
        self._streams = params.tty or params.stream_stdout_stderr
        cap = OUTPUT_BYTES_DEFAULT if params.output_bytes_cap is None else params.output_bytes_cap
        if params.disable_output_cap:
            cap = OUTPUT_BYTES_MAX
        self._room = dict.fromkeys(("stdout", "stderr"), min(cap, OUTPUT_BYTES_MAX))
        if self._streams and params.disable_output_cap:
            self._room = dict.fromkeys(self._room, 1 << 62)  # The client reads it, or waits.
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}

    async def to_end(self, running: Running) -> p.CommandExecResponse:
        """Raises: KeeperLost."""
        self._named.started(running)
        params, code = self._params, TIMED_OUT_EXIT_CODE
        asked = TIMEOUT_MS_DEFAULT if params.timeout_ms is None else params.timeout_ms
        seconds = float("inf") if params.disable_timeout else asked / 1000
        with trio.move_on_after(seconds) as scope:
            async for piece in running.output():
                await self._take(piece)
            code = await running.wait()
        if scope.cancelled_caught:
            await running.end()
        texts = {name: kept.decode(errors="replace") for name, kept in self._kept.items()}
        return p.CommandExecResponse(code, texts["stdout"], texts["stderr"])

    async def _take(self, piece: Output) -> None:
        room = self._room[piece.stream]
        if room <= 0 and (self._streams or not piece.data):
            return
        data = piece.data[:room]
        self._room[piece.stream] = room - len(data)
        if not self._streams:
            self._kept[piece.stream] += data
            return
        await self._connection.outbox.wait_room()
        self._send(piece.stream, data, cap_reached=len(piece.data) > room)

    def tell(self, line: str) -> None:
        """A line of the daemon's own among its errors; there are few."""
        stream: Literal["stdout", "stderr"] = "stdout" if self._params.tty else "stderr"
        if self._streams:
            self._send(stream, line.encode(), cap_reached=False)
        else:
            self._kept[stream] += line.encode()

    def _send(self, stream: Literal["stdout", "stderr"], data: bytes, *, cap_reached: bool) -> None:
        assert self._params.process_id is not None
        delta = p.CommandExecOutputDeltaNotification(
            process_id=self._params.process_id,
            stream=stream,
            delta_base64=b64encode(data).decode(),
            cap_reached=cap_reached,
        )
        body = encode_notification(DELTA, delta, self._services.now_us() // 1000)
        self._connection.notify(DELTA, body)
