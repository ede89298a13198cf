"""Answers `server/doctor`: what the daemon finds wrong with itself, its machine and its ways to others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from codexd.core.values.ids import ThreadId
from codexd.doctor.examine import examine
from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.protocol.doctor import Finding, ServerDoctorParams, ServerDoctorResponse
from codexd.protocol.wire.rpc import invalid_params
from codexd.runtime.troubles import Trouble
from codexd.server.connection.connection import Connection
from codexd.server.services import Services


async def server_doctor(
    services: Services, connection: Connection, params: ServerDoctorParams
) -> ServerDoctorResponse:
    """Run all checks (codexd only)."""
    if params.cwd is not None and not os.path.isabs(params.cwd):
        raise invalid_params("cwd: expected an absolute path; nothing was looked at")
    examined = Examined(
        paths=services.paths,
        env=os.environ,
        config=services.config,
        providers=services.clients,
        payments=services.account.payments,
        confinement=services.confinement,
        redact=lambda text: services.known_secrets().text(text),
        folder=params.cwd,
        given=params.given_variables,
    )
    damaged = await services.directory.damaged()
    own = [*_threads(services, damaged), *_parts(services)]
    return ServerDoctorResponse((*own, *await examine(examined)))


def _threads(services: Services, damaged: Mapping[ThreadId, Trouble]) -> Iterator[Finding]:
    """Threads that wait for space, or that have stopped."""
    threads = services.supervisor.threads
    for thread in threads:
        if thread.stall.reason is not None:
            says = f"{thread.thread_id} waits for space: {thread.stall.reason}"
            yield fail("threads", says, "df -h; codexctl delete THREAD")
    stopped = {**damaged, **services.supervisor.stopped}
    for thread_id, cause in stopped.items():
        mend = cause.mend or f"codexctl fsck {thread_id}"
        yield warn("threads", f"{thread_id} has stopped: {cause.reason}", mend)
    if not stopped and all(thread.stall.reason is None for thread in threads):
        yield ok("threads", f"{len(threads)} are loaded, and none is in trouble")


def _parts(services: Services) -> Iterator[Finding]:
    """The keeper, the index, and what was sent to collectors."""
    keeper = services.keeper()
    says = (
        f"process {keeper} owns the commands" if keeper else "none runs: the next command starts it"
    )
    yield ok("keeper", says)
    if (why := services.directory.unindexed) is not None:
        says = f"there is none, so lists are slow and searches refused: {why}"
        yield warn("index", says, "codexctl restart")
    telemetry = services.telemetry()
    for problem in telemetry.problems:
        yield warn("telemetry", problem, "codexctl config edit")
    for signal in telemetry.signals:
        if signal.problem is not None:
            says = f"{signal.signal} are not sent now: {signal.problem}"
            yield warn("telemetry", says, "codexctl status")
