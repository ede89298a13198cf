"""Answers to `server/diagnostics`, `environment/*` and `modelProvider/capabilities/read`: what is here to work with."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from codexd.protocol import machine as m
from codexd.protocol.methods import NoParams
from codexd.protocol.threads import Environment, ThreadStartParams
from codexd.protocol.wire.rpc import invalid_params
from codexd.server.connection.connection import Connection
from codexd.server.methods.new_settings import new_settings
from codexd.server.services import Services
from codexd.tools.login_env import command_shell

_LOCAL = Environment("", ()).environment_id


async def server_diagnostics(
    services: Services, connection: Connection, params: NoParams
) -> m.ServerDiagnosticsResponse:
    """The process, and some figures; `server/status` has more of them."""
    threads = [thread for thread in services.supervisor.threads if thread.state.reviews is None]
    gauges = {
        "app.connections": services.hub.connections,
        "app.threads.loaded": len(threads),
        "app.threads.running": sum(thread.state.turn is not None for thread in threads),
    }
    process = m.DiagnosedProcess(os.getpid(), await trio.to_thread.run_sync(_resident_bytes))
    return m.ServerDiagnosticsResponse(process, tuple(m.Gauge(*gauge) for gauge in gauges.items()))


def _resident_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])  # proc_pid_statm(5)
    except OSError:
        return None  # of another system than Linux
    return pages * os.sysconf("SC_PAGE_SIZE")


async def environment_info(
    services: Services, connection: Connection, params: m.EnvironmentInfoParams
) -> m.EnvironmentInfoResponse:
    """The shell of commands, and where they run."""
    if params.environment_id != _LOCAL:
        raise invalid_params(_unknown(params.environment_id))
    shell = command_shell(os.environ)
    return m.EnvironmentInfoResponse(
        m.EnvironmentShell(os.path.basename(shell), shell), services.cwd.as_uri()
    )


async def environment_status(
    services: Services, connection: Connection, params: m.EnvironmentStatusParams
) -> m.EnvironmentStatusResponse:
    """Commands can always run here, and nowhere else."""
    if params.environment_id != _LOCAL:
        return m.EnvironmentStatusResponse("unknown", _unknown(params.environment_id))
    return m.EnvironmentStatusResponse("ready")


async def model_provider_capabilities_read(
    services: Services, connection: Connection, params: NoParams
) -> m.ModelProviderCapabilitiesReadResponse:
    """What a model can be given beside codexd's tools, in a thread that names nothing else."""
    settings, _ = await new_settings(services, connection, ThreadStartParams())
    search = services.clients.web_search(settings) is not None
    return m.ModelProviderCapabilitiesReadResponse(image_generation=False, web_search=search)


def _unknown(environment_id: str) -> str:
    return f"unknown environment id `{environment_id}`"
