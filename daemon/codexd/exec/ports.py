"""The port to processes: what is started, what it writes, how it ends.

A process belongs to the keeper, not to the daemon. So it outlives the daemon; the next daemon finds it by its id
and reads its output from the first byte. Its record stays until `release`, also after its end.

    NotStarted   the world's fault: no process came to be
    InputClosed  the process takes no input (any more)
    KeeperLost   the keeper died, and its processes with it: how they ended is unknown
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, Literal, Protocol

import msgspec

from codexd.keeper import plumbing

# Beyond this the middle of a stream is lost: its first half and its last half are kept.
SPOOL_BYTES_MAX: Final = plumbing.SPOOL_BYTES_MAX


class NotStarted(Exception):
    """No process came to be; the message is the system's reason."""


class NoFolder(NotStarted):
    """The same, because of its working folder; the message continues after the folder's name."""


class InputClosed(Exception):
    """The process takes no input (any more)."""


class KeeperLost(Exception):
    """The keeper died, and its processes with it: how they ended is unknown."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A process to be started, as the leader of a session of its own.

    It gets this environment and no more, the person's umask, default signals and limits, and no descriptor but its
    standard streams.
    """

    process_id: (
        str  # chosen by the caller, unique in the home: [A-Za-z0-9_-], at most 64 characters
    )
    owner: str  # a thread's id, or "" for none
    argv: tuple[str, ...]  # a program without "/" is looked for in the PATH of `env`
    cwd: str  # absolute
    env: Mapping[str, str]
    # "none": /dev/null; "terminal": a PTY for input, output and errors
    input: Literal["none", "pipe", "terminal"] = "none"
    errors: Literal["joined", "apart"] = "joined"  # "apart": stderr is a stream of its own
    rows: int = 24
    columns: int = 80


class Output(msgspec.Struct, frozen=True):
    """A piece of a process's output."""

    stream: Literal["stdout", "stderr"]
    data: bytes
    lost_bytes: int = 0  # lost before `data`: the middle of a stream beyond `SPOOL_BYTES_MAX`


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper knows of a process."""

    process_id: str
    owner: str
    pid: int
    start_time: str  # as in `Running`
    argv: tuple[str, ...]  # the first kilobytes of it
    cwd: str
    seconds: float  # since its start, up to its end
    exit_code: int | None  # None: it still runs
    is_claimed: bool  # this daemon has started or found it


class Running(Protocol):
    """A process that the keeper owns. It may have ended."""

    @property
    def process_id(self) -> str: ...

    @property
    def pid(self) -> int: ...

    @property
    def start_time(self) -> str:
        """When it started, in the system's own format; distinguishes it from a later process with the same pid."""

    @property
    def exit_code(self) -> int | None:
        """As `wait` returns it; None while it runs."""

    def seconds(self) -> float:
        """How long it has run, from its start to now or to its end, also while no daemon was there."""

    def output(self) -> AsyncIterator[Output]:
        """Its output from the very first byte, then live, to the end of the output.

        Each call begins again. Raises: KeeperLost.
        """

    async def wait(self) -> int:
        """Its exit code, once it and all that it left in the background have ended; 128 + n for signal n.

        Raises: KeeperLost.
        """

    async def write(self, data: bytes) -> None:
        """Returns when the process's input has taken all. Raises: InputClosed, KeeperLost."""

    async def close_input(self) -> None:
        """Nothing more is written; on a terminal: the end-of-file character. Raises: KeeperLost."""

    async def resize(self, rows: int, columns: int) -> None:
        """Set the size of its terminal; nothing where it has none. Raises: KeeperLost."""

    async def end(self) -> None:
        """SIGTERM to all of it, time to tidy up, SIGKILL; returns when all is gone. Never raises.

        The keeper goes on with it where the caller is cancelled.
        """

    async def release(self) -> None:
        """Its result is recorded: the keeper forgets it, and its output file goes. A process that runs is ended."""

    def abandon(self) -> None:
        """`end` and `release` without waiting: for a caller that was cancelled."""


class ServerProcess(Protocol):
    """A process that talks to the daemon through pipes, and ends with it."""

    @property
    def process_id(self) -> str: ...

    @property
    def pid(self) -> int: ...

    @property
    def start_time(self) -> str: ...

    @property
    def input_fd(self) -> int:
        """The writing end of its stdin, not blocking. The caller closes it."""

    @property
    def output_fd(self) -> int:
        """The reading end of its stdout, not blocking. The caller closes it."""

    def errors(self) -> str:
        """The end of what it wrote to stderr so far."""

    async def wait(self) -> int:
        """As `Running.wait`."""

    async def end(self) -> None:
        """As `Running.end`; then the keeper forgets it."""


class Processes(Protocol):
    """The processes of a home. The keeper is started on first use."""

    async def start(self, command: Command, *, is_looked_at: bool = False) -> Running:
        """Raises: NotStarted.

        `is_looked_at`: its folder has just answered and can be entered (`check_folder`).
        """

    async def find(self, process_id: str) -> Running | None:
        """A process started by this or a previous daemon and not released; None if there is none."""

    async def owned(self) -> list[Owned]:
        """All of them, servers included."""

    async def forget(self, process_id: str) -> None:
        """End and forget a process that nobody has found."""

    async def start_server(self, command: Command) -> ServerProcess:
        """`input` and `errors` of the command do not count. Raises: NotStarted."""


def process_id_of(thread_id: str, call_id: str, attempt: int = 1) -> str:
    """The id of the process of a tool call, so that the next daemon can derive it from the log."""
    again = f"/{attempt}" if attempt > 1 else ""
    return hashlib.sha256(f"{thread_id}/{call_id}{again}".encode()).hexdigest()[:32]
