"""The daemon, and the checks that it makes of itself; without one, they are made by a process of their own. I/O."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import msgspec

from codexd import __version__
from codexd.machine.python_child import python_command
from codexd.protocol.doctor import FAIL, OK, WARN, Finding, ServerDoctorResponse
from codexd.protocol.wire.rpc import METHOD_NOT_FOUND
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import is_stopped, running_daemon, running_keeper
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, Forbidden, RequestRefused, Unreachable
from codexd_frontends.client.session import version_advice

# The checks are bounded by 2.5 s. A start of Python with its libraries takes a second on a slow machine.
ANSWER_SECONDS_MAX = 10.0
_RESTART = "codexctl restart"


def daemon_findings(console: Console) -> Iterator[Finding]:
    """How the daemon is, and what it finds; it is not started."""
    try:
        daemon = Daemon.connect(console.socket_path)
    except CommandError as error:
        yield from _not_connected(error, console.socket_path)
    else:
        with daemon:
            yield Finding("daemon.running", OK, f"it answers at {console.socket_path}")
            yield _versions(daemon.version)
            try:
                given = [name for name in daemon.key_variables if os.environ.get(name, "").strip()]
                params = {"cwd": _folder(), "givenVariables": given}
                yield from daemon.call(
                    "server/doctor", params, ServerDoctorResponse, seconds=ANSWER_SECONDS_MAX
                ).findings
                return
            except CommandError as error:
                is_older = isinstance(error, RequestRefused) and error.code == METHOD_NOT_FOUND
                if not is_older:
                    yield Finding("daemon.checks", FAIL, str(error), _RESTART)
                    return
                says = "it is too old to check itself; these are checks from outside"
                yield Finding("daemon.checks", WARN, says, _RESTART)
    yield from _found_without(_folder())


def _not_connected(error: CommandError, socket_path: str) -> Iterator[Finding]:
    pid = running_daemon(socket_path)
    if pid is not None:
        says = f"process {pid} has the store, and does not answer at {socket_path}: {error}"
        yield Finding("daemon.running", FAIL, says, _RESTART)
    elif isinstance(error, Forbidden):
        yield Finding("daemon.running", FAIL, str(error), f"ls -l {socket_path}")
    elif not isinstance(error, Unreachable):
        yield Finding("daemon.running", FAIL, str(error), _RESTART)
    elif is_stopped(socket_path):
        says = "none runs: it was stopped, and commands of attached terminals wait"
        yield Finding("daemon.running", WARN, says, "codexctl start")
    else:
        says = f"none runs at {socket_path}: the next command that needs it starts it"
        yield Finding("daemon.running", WARN, says, "codexctl start")
    keeper = running_keeper(socket_path)
    says = f"process {keeper} owns the commands" if keeper else "none runs, as nothing needs it"
    yield Finding("keeper", OK, says)


def _versions(version: str) -> Finding:
    says = f"codexctl {__version__}, codexd {version or 'of an unknown version'}"
    advice = version_advice(version)
    if not advice:
        return Finding("daemon.version", OK, says)
    return Finding("daemon.version", WARN, says, f"{_RESTART}{advice}")


def _found_without(folder: str | None) -> Iterator[Finding]:
    """The checks that need no daemon, in a process of their own: they import what few commands need."""
    program = [*python_command("codexd.doctor"), *([folder] if folder is not None else [])]
    try:
        done = subprocess.run(
            program,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_SECONDS_MAX,
            check=False,
        )
        yield from msgspec.json.decode(done.stdout, type=ServerDoctorResponse).findings
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("checks", FAIL, f"they could not be made: {error}", "codexctl doctor")
    except msgspec.DecodeError:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        yield Finding("checks", FAIL, f"they ended early, and said: {last}", "codexctl doctor")


def _folder() -> str | None:
    """Where the person is; None where that has no name that a message can have."""
    try:
        folder = os.getcwd()
        folder.encode()
    except (OSError, UnicodeEncodeError):
        return None
    return folder
