"""The environment that commands run in: the user's, as a login shell sets it up, and what tools need.

A login shell for every call would cost the time of its profile, easily 150 ms, so its environment is read
once and commands run as `SHELL -c LINE` in it. It is read again when a file that the shell reads at login
has changed. Other settings of a profile (limits, umask, aliases) do not carry over.
"""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import trio

from codexd.exec.leftovers import COMMAND_MARK
from codexd.exec.ports import Command, KeeperLost, NotStarted, Processes, ServerProcess
from codexd.machine.patience import NoAnswer, patiently
from codexd.tools.passed_env import Passed, with_passed

# A slow profile takes one or two; a profile that waits for input never ends.
CAPTURE_SECONDS_MAX = 10
# An environment is limited by the kernel to about 2 MiB; the rest is noise.
CAPTURE_BYTES_MAX = 4 << 20
CHUNK_BYTES_MAX = 1 << 16  # as much as a pipe holds

# Plain text without paging and questions.
FORCED: Mapping[str, str] = {
    "NO_COLOR": "1",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "COLORTERM": "",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GH_PAGER": "cat",
    "CODEX_CI": "1",
}
# Variables that a service manager sets for the daemon only, those that each shell sets for itself, and the file
# that bash reads before each command, which could set removed variables again.
_NOT_PASSED_ON = frozenset(
    {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}
    | {"INVOCATION_ID", "JOURNAL_STREAM", "MANAGERPID", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY"}
    | {"MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "XPC_FLAGS", "XPC_SERVICE_NAME"}
    | {"_", "OLDPWD", "PWD", "SHLVL", "BASH_ENV"}
)

LOGIN_FILES = "login files"  # their place, for those who wait for a disk

# The models write POSIX shell, so a command goes to the user's shell only where that reads it.
_POSIX_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"})
LAST_RESORT_SHELL = "/bin/sh"

# What each shell may read at login, beside the files that all shells read. A path that does not exist counts
# too: it may be created.
_READ_BY_ALL = ("/etc/profile", "/etc/environment", "~/.profile")
_READ_BY: Mapping[str, tuple[str, ...]] = {
    "bash": ("/etc/bash.bashrc", "/etc/bashrc", "~/.bash_profile", "~/.bash_login", "~/.bashrc"),
    "zsh": (
        "/etc/zshenv",
        "/etc/zprofile",
        "/etc/zsh/zshenv",
        "/etc/zsh/zprofile",
        "/etc/zsh/zlogin",
        "~/.zshenv",
        "~/.zprofile",
        "~/.zlogin",
    ),
    "fish": ("/etc/fish/config.fish", "~/.config/fish/config.fish"),
}

# Profiles print text too, so the environment is printed between two marks. Only the printer joins their parts,
# so that a shell that traces its commands does not print a mark.
_MARK = (b"codexd-environment-", b"4f1c9ad0")
# Python is certain to be there, and prints any value whole; `env -0` is not known to every system.
_PRINTER = f"""import os
mark = {_MARK[0]!r} + {_MARK[1]!r}
os.write(1, mark + b"\\0".join(k + b"=" + v for k, v in os.environb.items()) + mark)"""


class CapturedEnvironment(msgspec.Struct, frozen=True):
    """The environment of a login shell."""

    variables: Mapping[str, str]
    fallback: str | None = None  # why it is the daemon's own environment instead


class LoginEnvironment:
    """The user's login environment, taken on first use and again when its sources change."""

    def __init__(
        self,
        own: Mapping[str, str],
        processes: Processes,
        *,
        secrets: Callable[[], frozenset[str]] = frozenset,
        taken: Callable[[Mapping[str, str]], None] = lambda variables: None,
        passed: Callable[[str], Passed] = lambda turn_id: {},
    ) -> None:
        """`own` is the daemon's environment; `secrets` names the variables that no tool is to see now; `passed` has
        those of the client that sent a turn.

        `taken` is called with each environment before any command runs in it.
        """
        self._taken, self._passed = taken, passed
        self._own, self._processes = dict(own), processes
        self._files = login_files(own)
        self._secrets = secrets
        self._lock = trio.Lock()
        self._stamp: object = None  # when the login files were changed
        self._is_new = True  # no login shell has run
        self._captured: Mapping[str, str] = {}
        self._hidden: frozenset[str] = frozenset()
        self._tools: Mapping[str, str] = {}
        self.fallback: str | None = None  # why it is the daemon's own environment, if it is

    @property
    def look(self) -> tuple[str, Callable[[], object]]:
        """The read by which `variables` knows whether a login shell must run again, and where it reads: it may hang."""
        return LOGIN_FILES, partial(_stamp, self._files)

    def known(self, turn_id: str = "") -> Mapping[str, str]:
        """As `variables`, without a look at the login files; nothing before a login shell has run."""
        if self._is_new:
            return {}
        # Each time: a provider may have been added meanwhile.
        if (hidden := self._secrets()) != self._hidden:
            self._hidden, self._tools = hidden, tool_environment(self._captured, hidden)
        if not (passed := self._passed(turn_id)):
            return self._tools
        return tool_environment(with_passed(self._captured, self._own, passed), hidden)

    async def variables(self, turn_id: str = "", looked: object = None) -> Mapping[str, str]:
        """The environment for a command of a turn; the first call runs a login shell.

        `looked`: what `look` has just read, or its NoAnswer; None: it is read here.
        """
        if looked is None:
            looked = await self._looked()
        if not self._is_taken(looked):
            async with self._lock:
                await self._take(looked)
        return self.known(turn_id)

    def of_person(self, call_id: str) -> Mapping[str, str]:
        """The environment for a person's own command, as `known`: without `FORCED`; its output goes to a model all the
        same, so that it has no secrets either.
        """
        passed = with_passed(self._captured, self._own, self._passed(call_id))
        return without(passed, self._secrets())

    def _is_taken(self, looked: object) -> bool:
        """Whether the environment was taken since; of a disk that does not answer any more, at any time."""
        return not self._is_new and (isinstance(looked, NoAnswer) or looked == self._stamp)

    async def _take(self, looked: object) -> None:
        """Run a login shell, unless another call has done so while this one waited for the lock."""
        if self._is_taken(looked):
            return
        # A command that runs just now could read the environment of the login shell.
        hidden = self._secrets()
        own = {name: value for name, value in self._own.items() if name not in hidden}
        captured = await capture(self._processes, own)
        self._taken(captured.variables)
        self._captured, self._hidden = captured.variables, self._secrets()
        self._tools = tool_environment(self._captured, self._hidden)
        self.fallback = captured.fallback
        self._stamp, self._is_new = None if isinstance(looked, NoAnswer) else looked, False

    async def _looked(self) -> object:
        try:
            return await patiently(*self.look)
        except NoAnswer as no_answer:
            return no_answer


def tool_environment(variables: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """A tool's part of an environment: no secrets, nothing meant for the daemon, and `FORCED`."""
    return without(variables, secrets) | dict(FORCED)


def without(variables: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    """An environment without secrets and what is meant for the daemon."""
    hidden = secrets | _NOT_PASSED_ON
    return {name: value for name, value in variables.items() if name not in hidden}


def login_shell(own: Mapping[str, str]) -> str:
    """The user's shell: `$SHELL`, or as the user database has it."""
    return own.get("SHELL") or _entered_shell() or LAST_RESORT_SHELL


def command_shell(own: Mapping[str, str]) -> str:
    """The shell that commands run in: the user's where it reads POSIX shell, else /bin/sh."""
    shell = login_shell(own)
    reads_posix = os.path.basename(shell) in _POSIX_SHELLS
    usable = os.path.isabs(shell) and os.access(shell, os.X_OK)
    return shell if reads_posix and usable else LAST_RESORT_SHELL


def login_files(own: Mapping[str, str]) -> tuple[str, ...]:
    """The files on which the login environment depends, as far as known."""
    shell = os.path.basename(login_shell(own))
    home = own.get("HOME", "/")
    zsh_home = own.get("ZDOTDIR") or home
    return tuple(
        name.replace("~", zsh_home if name.startswith("~/.z") else home, 1)
        for name in _READ_BY_ALL + _READ_BY.get(shell, ())
    )


async def capture(
    processes: Processes, own: Mapping[str, str], seconds_max: float = CAPTURE_SECONDS_MAX
) -> CapturedEnvironment:
    """Run a login shell and take its environment; the daemon's own, with the reason, where it fails."""
    shell = login_shell(own)
    printer = shlex.join([sys.executable, "-ISc", _PRINTER])
    # `exec`, so that nothing is run at logout. As a server, so that the values are in no file.
    command = Command(
        process_id=f"login-{os.urandom(8).hex()}",
        owner="",
        argv=(shell, "-lc", f"exec {printer}"),
        cwd="/",
        env=own,
    )
    try:
        server = await processes.start_server(command)
    except (NotStarted, KeeperLost) as error:
        return CapturedEnvironment(own, f"{shell} could not be started: {error}")
    try:
        printed, code = await _printed_by(server, seconds_max)
    except KeeperLost as error:
        return CapturedEnvironment(own, str(error))
    parts = printed.split(b"".join(_MARK))
    if code is None:
        reason = f"{shell} -l was not done after {seconds_max:g} seconds"
    elif len(parts) != 3:
        reason = f"{shell} -l ended with code {code} before it had printed its environment"
    else:
        return CapturedEnvironment(_parsed(parts[1]))
    return CapturedEnvironment(own, reason)


async def _printed_by(server: ServerProcess, seconds_max: float) -> tuple[bytes, int | None]:
    """What a process prints, and its exit code; None if it was not done in time. Raises: KeeperLost."""
    os.close(server.input_fd)
    printed, code = bytearray(), None
    try:
        with trio.move_on_after(seconds_max):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_read, server.output_fd, printed)
                code = await server.wait()
                # A process that left the session on purpose may hold the pipe open.
                nursery.cancel_scope.cancel()
        while chunk := _read_now(server.output_fd):
            printed += chunk
        return bytes(printed), code
    finally:
        os.close(server.output_fd)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CAPTURE_SECONDS_MAX):
            await server.end()


async def _read(output_fd: int, printed: bytearray) -> None:
    """What comes out of a pipe, at most as much as an environment can have."""
    while True:
        await trio.lowlevel.wait_readable(output_fd)
        if not (chunk := _read_now(output_fd)):
            return
        if len(printed) < CAPTURE_BYTES_MAX:
            printed += chunk


def _read_now(output_fd: int) -> bytes:
    try:
        return os.read(output_fd, CHUNK_BYTES_MAX)
    except BlockingIOError:
        return b""


def _parsed(printed: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in printed.split(b"\0"))
    variables = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs if name}
    variables.pop(COMMAND_MARK, None)  # the shell's own
    return variables


def _stamp(paths: tuple[str, ...]) -> tuple[int, ...]:
    """Times of change, in ns; 0 for a file that is not there."""
    return tuple(_changed_ns(path) for path in paths)


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _entered_shell() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        return ""
