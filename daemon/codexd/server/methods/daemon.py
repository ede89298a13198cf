"""Methods about the daemon itself: handshake, account, models, settings and status."""

from __future__ import annotations

import itertools
import os
import platform
import re
from collections.abc import Iterator
from functools import partial
from typing import Final

import msgspec

from codexd.config.file import InvalidConfig, ReadConfig
from codexd.core.state.due import has_work
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol import codexd_methods as c
from codexd.protocol import methods as m
from codexd.protocol.display.titles import title_of
from codexd.protocol.wire.rpc import (
    INTERNAL_ERROR,
    ErrorData,
    RpcError,
    already_initialized,
    invalid_params,
)
from codexd.runtime.troubles import Trouble
from codexd.server.config_reports import mistakes_of_project, mistakes_told
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.lookup import find_local
from codexd.server.services import Services

# Of the threads that a restart goes on with: a person looks at a few, and more are counted.
UNFINISHED_MAX: Final = 20
# The longest answers of models take some minutes.
RESTART_WAIT_SECONDS_MAX: Final = 600.0
# The SDK reads the version out of the user agent and switches features by it. This version was measured.
COMPATIBLE_WITH = "0.169.0"
# A client of Codex warns of a server that is older than itself, and codexd answers as the newest of them asks.
_CODEX_CLIENT = re.compile(r"codex[-_]", re.IGNORECASE)
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", re.ASCII)


async def initialize(
    services: Services, connection: Connection, params: m.InitializeParams
) -> MethodResult:
    """The handshake; mistakes in the configuration are told right after it."""
    if connection.client is not None:
        raise already_initialized()
    connection.initialize(params)
    client, system = params.client_info, platform.uname()
    agent = (
        f"codexd/{spoken_version(client)} ({system.system} {system.release}; {system.machine}) "
        f"codexd/{services.version} ({client.name}; {client.version})"
    )
    asked = params.capabilities.codexd if params.capabilities is not None else None
    own = (
        m.InitializeOwn(services.clients.given_variables()) if asked is not None else msgspec.UNSET
    )
    response = m.InitializeResponse(
        user_agent=agent,
        codex_home=str(services.paths.data_dir),
        platform_family="unix",
        platform_os="macos" if system.system == "Darwin" else system.system.lower(),
        codexd=own,
    )

    def then() -> None:
        for mistake in mistakes_told(services.config):
            services.hub.send(mistake, (connection,))

    return MethodResult(response, then)


def spoken_version(client: m.ClientInfo) -> str:
    """The version of Codex that a client is answered as: its own, where it is a newer client of Codex."""
    own = _VERSION.match(client.version)
    if _CODEX_CLIENT.match(client.name) is None or own is None:
        return COMPATIBLE_WITH
    measured = tuple(map(int, COMPATIBLE_WITH.split(".")))
    return own[0] if tuple(map(int, own.groups())) > measured else COMPATIBLE_WITH


async def server_status(
    services: Services, connection: Connection, params: m.NoParams
) -> c.ServerStatusResponse:
    """How the daemon is (codexd only)."""
    threads = [loaded for loaded in services.supervisor.threads if loaded.state.reviews is None]
    total = await services.directory.count()
    counts = c.ThreadCounts(
        loaded=len(threads),
        running=sum(1 for thread in threads if thread.state.turn is not None),
        total=total,
    )
    active, enforced = services.confinement.active, services.confinement.enforcement()
    return c.ServerStatusResponse(
        pid=os.getpid(),
        version=services.version,
        socket=str(services.socket),
        home=str(services.paths.data_dir),
        threads=counts,
        connections=services.hub.connections,
        started_at=services.started_at_ms // 1000,
        troubles=tuple(_troubles(services, await services.directory.damaged())),
        sandbox=active.mechanism,
        sandbox_modes=enforced.modes,
        sandbox_missing=active.missing,
        unsandboxed=enforced.unsandboxed,
        network=services.config.network(),
        config_problems=services.config.problems(),
        indexing=services.directory.indexing,
        unindexed=services.directory.unindexed or msgspec.UNSET,
        keeper=services.keeper(),
        telemetry=msgspec.convert(services.telemetry(), c.Telemetry, from_attributes=True),
        attached=services.hub.attached(),
        unfinished=tuple(itertools.islice(_unfinished(services), UNFINISHED_MAX)),
    )


async def server_restart(
    services: Services, connection: Connection, params: c.ServerRestartParams
) -> c.ServerRestartResponse:
    """Let the daemon begin again in its place (codexd only)."""
    seconds = min(max(params.wait_seconds, 0.0), RESTART_WAIT_SECONDS_MAX)
    return c.ServerRestartResponse(cut=await services.lifetime.restart(seconds))


def _unfinished(services: Services) -> Iterator[c.UnfinishedThread]:
    """The threads that the next daemon goes on with."""
    for thread in services.supervisor.threads:
        state, summary = thread.state, thread.summary
        if has_work(state) and state.reviews is None and not summary.ephemeral:
            title = title_of(summary.name or summary.preview)
            yield c.UnfinishedThread(thread.thread_id, title, _doing(state))


def _doing(state: ThreadState) -> str:
    turn = state.turn
    if turn is None:
        return (
            "queued" if state.queue or state.waiting else "session" if state.processes else "title"
        )
    if turn.waits_for_person:
        return "approval"
    return "tool" if any(call.running for call in turn.open_calls) else "model"


def _troubles(services: Services, damaged: dict[ThreadId, Trouble]) -> Iterator[c.ThreadTrouble]:
    for thread in services.supervisor.threads:
        if thread.stall.reason is not None:
            yield c.ThreadTrouble(thread.thread_id, True, thread.stall.reason)
    for thread_id, cause in (damaged | services.supervisor.stopped).items():
        yield c.ThreadTrouble(thread_id, False, cause.reason, cause.mend)


def readable_config(services: Services) -> ReadConfig:
    """The config. Raises: RpcError, where its file cannot be used."""
    try:
        return services.config.read()
    except InvalidConfig as problem:
        raise _invalid(problem) from problem


async def config_in(services: Services, folder: str) -> ReadConfig:
    """The config of a thread in a folder, with its project's. Raises: RpcError, as `readable_config` does."""
    readable_config(services)  # Where its own disk does not answer, that is the error.
    try:
        return await patiently(folder, partial(services.config.read_in, folder))
    except InvalidConfig as problem:
        raise _invalid(problem) from problem
    except NoAnswer as error:
        raise invalid_params(f"cwd: {folder}: {error.strerror}; nothing was done") from error


async def config_for(services: Services, connection: Connection, folder: str) -> ReadConfig:
    """The same for a client that begins there: it is told of mistakes in the project's files."""
    read = await config_in(services, folder)
    for mistake in mistakes_of_project(services.config, read):
        services.hub.send(mistake, (connection,))
    return read


def _invalid(problem: InvalidConfig) -> RpcError:
    return RpcError(INTERNAL_ERROR, str(problem), ErrorData("invalid_config"))


async def provider_find_local(
    services: Services, connection: Connection, params: c.ProviderFindLocalParams
) -> c.ProviderFindLocalResponse:
    """Look for a model server on this machine."""
    return await find_local(services, params.provider, params.model)
