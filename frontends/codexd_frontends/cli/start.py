"""Starting the daemon when none runs. I/O, processes.

Several frontends may do this at once: each spawns a daemon, the daemon's own lock lets one of them
live, and all connect to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from codexd.machine.foreign_files import open_file
from codexd.machine.owners import NotOurs, make_own_folder, open_own
from codexd.machine.paths import Paths, default_paths
from codexd.machine.python_child import python_command
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.watch import CtrlC, Watch
from codexd_frontends.client.client import FRONTEND, Daemon
from codexd_frontends.client.errors import (
    BadConfig,
    CommandError,
    ConnectionCut,
    Forbidden,
    NotListening,
    Unreachable,
)
from codexd_frontends.client.exits import BAD_CONFIG, FORBIDDEN, TRY_AGAIN
from codexd_frontends.client.process import lock_holder
from codexd_frontends.screen.drawn import one_line

if TYPE_CHECKING:
    import subprocess

# The daemon answers within a second on a slow machine; what takes this long has hung.
START_SECONDS_MAX = 10.0
# A daemon that ended has lost the race against another daemon, which answers within this time.
RACE_SECONDS_MAX = 3.0
POLL_SECONDS = 0.01
# A daemon looks twice a second whether its socket is still there.
BIND_SECONDS_MAX = 3.0
# As long as Codex's own terminal tries: a daemon that is updated or restarted is back by then.
RECONNECT_SECONDS_MAX = 120.0
RECONNECT_FIRST_SECONDS = 0.1
RECONNECT_PAUSE_SECONDS_MAX = 2.0
STILL_READING = "codexctl: waiting for the daemon: a long thread takes some seconds when it is read for the first time"
PROBLEM_CHARACTERS_MAX = 400  # of a mistake in the configuration
# Enough of its log for the reason why it did not start.
LOG_TAIL_BYTES = 2000
# The codes with which a daemon ends that will not start.
_REFUSALS = {BAD_CONFIG.number: BadConfig, FORBIDDEN.number: Forbidden}
NOTHING_LOGGED = "(nothing was written there, as on a full disk)"


def default_socket_path() -> str:
    """The daemon's default socket."""
    return str(default_paths().socket)


def home_of(socket_path: str) -> Paths | None:
    """The places of this environment's home, if its daemon has this socket; None: which home it has is not known."""
    paths = default_paths()
    return paths if socket_path == str(paths.socket) else None


def connect(console: Console) -> Daemon:
    """A connection to the daemon, started if it does not run and may be started. Raises: Trouble."""
    daemon = _connected(console)
    daemon.when_slow = lambda: console.talk(STILL_READING)
    daemon.connect_again = lambda: _connected(console)
    return daemon


def _connected(console: Console) -> Daemon:
    try:
        return connect_running(console.socket_path, console.frontend, observes=console.observes)
    except NotListening:
        raise
    except Unreachable:
        if not console.may_start:
            raise
    daemon = start(console.socket_path, console.frontend)
    _say_what_is_wrong(daemon, console)
    return daemon


def reconnect(
    daemon: Daemon, console: Console, watch: Watch, begin: Callable[[Daemon], object]
) -> bool:
    """Connect again after a cut, and `begin` again; returns whether the person stayed for it.

    If no daemon runs, one is started, unless a person has stopped it.

    Raises:
        Unreachable: it took too long.
    """
    deadline, pause, said = time.monotonic() + RECONNECT_SECONDS_MAX, RECONNECT_FIRST_SECONDS, False
    while True:
        problem: CommandError
        try:
            if not is_stopped(console.socket_path):
                daemon.adopt(_connected_again(console))
                begin(daemon)
                return True
            problem = Unreachable("the daemon was stopped, and `codexctl start` starts it")
            if not said:
                said = True
                console.talk(f"codexctl: {problem}; waiting for it")
        except (Unreachable, ConnectionCut) as error:
            problem = error
        if time.monotonic() > deadline:
            raise Unreachable(
                f"the daemon did not answer again within {RECONNECT_SECONDS_MAX:g} s: {problem}"
            ) from problem
        if isinstance(watch.next(None, listen=False, seconds=pause), CtrlC):
            return False
        pause = min(2 * pause, RECONNECT_PAUSE_SECONDS_MAX)


def comes_back(console: Console) -> bool:
    """Whether a daemon answers again after a cut, started if none runs; one that a person has stopped does not."""
    deadline, pause = time.monotonic() + RECONNECT_SECONDS_MAX, RECONNECT_FIRST_SECONDS
    while time.monotonic() < deadline and not is_stopped(console.socket_path):
        try:
            _connected_again(console).close()
            return True
        except (Unreachable, ConnectionCut):
            time.sleep(pause)
            pause = min(2 * pause, RECONNECT_PAUSE_SECONDS_MAX)
    return False


def _connected_again(console: Console) -> Daemon:
    """As `connect`, but what serves a socket elsewhere is not started: which home it had is not known."""
    if home_of(console.socket_path) is not None:
        console.may_start = True
        return _connected(console)
    return Daemon.connect(console.socket_path, frontend=console.frontend, observes=console.observes)


def is_stopped(socket_path: str) -> bool:
    """Whether `codexctl stop` has stopped the daemon, and nobody has started it since."""
    home = home_of(socket_path)
    return home is not None and home.stopped_mark.exists()


def _say_what_is_wrong(daemon: Daemon, console: Console) -> None:
    """Mistakes in the configuration, on the terminal that has started the daemon."""
    from codexd_frontends.client.follow import server_status

    for problem in server_status(daemon).config_problems:
        console.talk(f"codexctl: {one_line(problem, PROBLEM_CHARACTERS_MAX)}")


def connect_running(
    socket_path: str, frontend: str = FRONTEND, *, observes: bool = False
) -> Daemon:
    """A connection to the daemon that runs; one whose socket was removed binds it again, which is waited for.

    Raises:
        NotListening: a daemon runs and does not answer there.
        Unreachable: none runs.
        CommandError: as `Daemon.connect`.
    """
    deadline = time.monotonic() + BIND_SECONDS_MAX
    while True:
        try:
            return Daemon.connect(socket_path, frontend=frontend, observes=observes)
        except ConnectionCut:  # One that is about to end has closed it: the next one answers.
            if time.monotonic() > deadline:
                raise
        except Unreachable as error:
            pid = running_daemon(socket_path)
            if pid is None:
                raise
            if time.monotonic() > deadline:
                raise NotListening(pid, socket_path) from error
        time.sleep(POLL_SECONDS)


def running_daemon(socket_path: str) -> int | None:
    """The process that serves the home of this environment, even without its socket; None if none does."""
    home = home_of(socket_path)
    return None if home is None else lock_holder(home.data_dir / "store.lock")


def running_keeper(socket_path: str) -> int | None:
    """The process that owns the commands of the home of this environment; None if there is none."""
    home = home_of(socket_path)
    return None if home is None else lock_holder(home.state_dir / "keeper" / "lock")


def start(socket_path: str, frontend: str = FRONTEND) -> Daemon:
    """Start a daemon and connect to it, or to one that was faster.

    Raises:
        BadConfig: it could not read its configuration.
        Forbidden: others own or may change what it keeps its things in.
        Unreachable: it did not answer in time.
    """
    if (served := _started_by_service(socket_path, frontend)) is not None:
        return served
    log_path = daemon_log_path()
    with _log(log_path) as log:
        written = os.fstat(log.fileno()).st_size  # What was written before is of other daemons.
        process = spawn(socket_path, log)
    started = time.monotonic()
    ended_at: float | None = None
    while True:
        try:
            return Daemon.connect(socket_path, frontend=frontend)
        except Unreachable as error:
            ended = process.poll()
            if (refusal := _REFUSALS.get(ended or 0)) is not None:
                raise refusal(
                    f"the daemon did not start:\n{log_tail(log_path, written)}"
                ) from error
            now = time.monotonic()
            if ended is not None and ended_at is None:
                ended_at = now if ended == TRY_AGAIN.number else now - RACE_SECONDS_MAX
            raced_out = ended_at is not None and now > ended_at + RACE_SECONDS_MAX
            if raced_out or now > started + START_SECONDS_MAX:
                raise Unreachable(_no_answer(ended, log_path, written)) from error
        time.sleep(POLL_SECONDS)


def _started_by_service(socket_path: str, frontend: str) -> Daemon | None:
    """A daemon that the service manager has started; None if it has no service for this socket, or cannot start it.

    Raises: BadConfig, Forbidden, Unreachable: it has tried, and the daemon did not come up.
    """
    from codexd_frontends.service.choice import serving_manager

    manager = serving_manager(socket_path)
    if manager is None:
        return None
    try:
        manager.check()
    except CommandError:
        return None  # No manager answers in this session: a daemon of our own will do.
    started = manager.start()
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return Daemon.connect(socket_path, frontend=frontend)
        except (Unreachable, ConnectionCut) as error:
            if started.code or time.monotonic() > deadline:
                why = started.complaint or "it does not answer"
                raise Unreachable(
                    f"{manager.name} did not start the daemon: {why}; `codexctl service logs` may say why"
                ) from error
        time.sleep(POLL_SECONDS)


def spawn(socket_path: str, log: BinaryIO) -> subprocess.Popen[bytes]:
    """A daemon in a session of its own: no Ctrl-C of ours and no closed terminal reaches it."""
    import subprocess  # 20 ms that are spent only when a daemon is started

    return subprocess.Popen(
        [
            *python_command("codexd"),
            *("--listen", f"unix://{socket_path}"),
            *("--log", str(daemon_log_path())),
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def daemon_log_path() -> Path:
    """The file for the daemon's stderr when a frontend has started it."""
    return default_paths().state_dir / "codexd.log"


def log_tail(path: Path, written: int = 0) -> str:
    """The end of the daemon's log, without its first bytes, which were `written` before."""
    try:
        with open_file(path, follow=False) as log:
            log.seek(max(written, os.fstat(log.fileno()).st_size - LOG_TAIL_BYTES))
            return log.read(LOG_TAIL_BYTES).decode(errors="replace").strip()
    except OSError as error:
        return f"(its log cannot be read: {error})"


def _log(path: Path) -> BinaryIO:
    """The daemon's log, to be appended to. Raises: Forbidden, Unreachable."""
    try:
        make_own_folder(path.parent)
        return os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
    except NotOurs as error:
        raise Forbidden(f"{error}; the daemon was not started") from error
    except OSError as error:
        raise Unreachable(
            f"expected {path} to be a file for the daemon's log, found something else or nothing that "
            f"can be written ({error.strerror}); the daemon was not started"
        ) from error


def _no_answer(ended: int | None, log_path: Path, written: int) -> str:
    tail = log_tail(log_path, written) or NOTHING_LOGGED
    lines = tail.splitlines()
    if ended == TRY_AGAIN.number or (ended is not None and len(lines) == 1):
        return f"the daemon did not start: {lines[-1].removeprefix('codexd: ')}"
    what = f"did not answer within {START_SECONDS_MAX:g} s" if ended is None else f"ended ({ended})"
    return f"the daemon was started and {what}; the end of {log_path}:\n{tail}"
