"""Starts a process: its session, folder, umask, terminal or pipes. It inherits nothing else.

The keeper has one thread, so it may go to the folder and take the umask of the process while it starts it, by
posix_spawn: neither a fork of the keeper's memory nor code of ours runs in the child.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios

from codexd.keeper import marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
# The shell that leads into a sandbox (`sandbox/bubblewrap.py`) ignores these signals and opens its first argument. The
# keeper does the same without a shell, which would take a millisecond.
THROUGH_SHELL = [
    b"/bin/sh",
    b"-c",
    b'trap \'\' HUP INT QUIT TERM; exec 9<"$0" || exit 126; exec "$@"',
]
_IGNORED = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_OPENED_FD = 9
PRIVATE_UMASK = 0o077
_PATH_DEFAULT = b"/bin:/usr/bin"  # as the C library has it


class Refused(Exception):
    """No process came to be."""

    def __init__(self, stage: str, reason: str) -> None:
        """`stage`: "folder" where the working folder is the reason, else "program"."""
        super().__init__(reason)
        self.stage = stage


class Request:
    """What is to be started, as `start` in `wire.py` says it."""

    def __init__(self, fields: list[bytes]) -> None:
        """Raises: ValueError, IndexError: it is not as it should be."""
        kind, self.process_id, self.owner, self.cwd, umask, self.input, self.errors, *rest = fields
        self.is_server = kind == b"server"
        self.umask = int(umask)
        self.rows, self.columns, count = map(int, rest[:3])
        self.argv = rest[3 : 3 + count]
        if not self.argv:
            raise ValueError("expected a program, found none")
        pairs = (variable.partition(b"=") for variable in rest[3 + count :])
        self.env = {name: value for name, _, value in pairs}
        # All that comes of it has this mark, and no other process.
        self.mark = marks.of_command(self.env.get(marks.VARIABLE, b"-/" + self.process_id))


def spawn(request: Request, streams: tuple[int, int, int] | None, terminal: str | None) -> int:
    """Start it with these standard streams, or as the owner of a terminal; its pid. Raises: Refused."""
    if terminal is not None:
        # The first terminal that the leader of a session opens becomes its controlling terminal.
        actions: list[object] = [
            (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
    else:
        assert streams is not None
        actions = [(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(streams)]
    try:
        os.chdir(request.cwd)
    except (OSError, ValueError) as error:
        raise Refused("folder", reason_of(error)) from error
    os.umask(request.umask)
    try:
        with marks.limit_set(request.mark):
            return _run(request, actions)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name or a value
        raise Refused("program", reason_of(error)) from error
    finally:
        os.umask(PRIVATE_UMASK)
        os.chdir("/")


def _run(request: Request, actions: list[object]) -> int:
    argv, ignored = request.argv, frozenset[signal.Signals]()
    if argv[:3] == THROUGH_SHELL and len(argv) > 4:
        actions = [*actions, (os.POSIX_SPAWN_OPEN, _OPENED_FD, argv[3], os.O_RDONLY, 0)]
        argv, ignored = argv[4:], _IGNORED
    failed: OSError | None = None
    with _ignoring(ignored):
        for program in _candidates(argv[0], request):
            try:
                return os.posix_spawn(
                    program,
                    argv,
                    request.env,
                    file_actions=actions,  # type: ignore[arg-type]  # typeshed has no bytes and str here
                    setsid=True,
                    setsigmask=(),
                    setsigdef=_SIGNALS - ignored,
                )
            except (FileNotFoundError, NotADirectoryError) as error:
                failed = failed or error
            except PermissionError as error:
                failed = error  # says more than that it is missing in another folder
    raise failed or FileNotFoundError(2, os.strerror(2))


@contextlib.contextmanager
def _ignoring(numbers: frozenset[signal.Signals]) -> Iterator[None]:
    """Ignore these signals, as a process that starts meanwhile does, too. One that comes to the keeper is lost."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _candidates(program: bytes, request: Request) -> list[bytes]:
    if b"/" in program:
        return [program]
    # An empty part of PATH is the working folder of the command, as a relative part starts there.
    folders = request.env.get(b"PATH", _PATH_DEFAULT).split(b":")
    return [os.path.join(folder or b".", program) for folder in folders]


def open_terminal(rows: int, columns: int) -> tuple[int, int, str]:
    """A new terminal: its master, its slave, and the slave's path. Raises: OSError."""
    master, slave = os.openpty()
    try:
        resize(slave, rows, columns)
        os.set_blocking(master, False)
        return master, slave, os.ttyname(slave)
    except OSError:
        os.close(master)
        os.close(slave)
        raise


def resize(terminal: int, rows: int, columns: int) -> None:
    """Raises: OSError."""
    termios.tcsetwinsize(terminal, (rows, columns))


def reason_of(error: OSError | ValueError) -> str:
    """The system's reason, in words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
