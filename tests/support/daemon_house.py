"""The real daemon as a child process, each in a home of its own; whatever is started here is ended here.

    with Home() as home:
        home.use_model(model.base_url)
        daemon = home.start()

Nothing here sleeps: a daemon is ready when it says so, a process is gone when the kernel says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import trio

from codexd_frontends.client.client import Daemon as Connection
from codexd_frontends.client.errors import CommandError
from forked import CAN_FORK, Forked, fork

# How long anything may take that the machine does by itself: a hundred times what it does take. Only a test that fails
# waits for so long. It was 20, and a start of a daemon took longer beside twenty other busy processes.
PATIENCE_SECONDS = 60.0

READY = "answers on"
# One behind another, in a thread that a test has left.
TURNS_LEFT_MAX = 10
Json = dict[str, Any]
PLAIN_ENV = {"PATH", "HOME", "SHELL", "CODEXD_HOME"}

CONFIG = """
model = "scripted"
model_provider = "{provider}"
{window}
approval_policy = "{approval}"
sandbox_mode = "danger-full-access"
{more}

[model_providers.{provider}]
base_url = "{base_url}"
{provider_more}
"""


class Daemon:
    """A running codexd, and what it says in its log."""

    def __init__(
        self, home: Home, process: subprocess.Popen[str] | Forked, stderr: IO[str]
    ) -> None:
        self.home, self.process, self._stderr = home, process, stderr
        self.log: list[str] = []
        self._said = threading.Condition()
        self._silent = False
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def wait_said(self, text: str) -> None:
        """Wait until a line of its log holds the text."""
        with self._said:
            self._said.wait_for(lambda: self._silent or self.said(text), PATIENCE_SECONDS)
        assert self.said(text), f"the daemon did not say {text!r}:\n" + "".join(self.log)

    def said(self, text: str) -> bool:
        """Whether a line of its log holds the text."""
        return any(text in line for line in self.log)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.wait()

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its end and its last words; its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._listening.join(PATIENCE_SECONDS)
        return code

    async def ended(self) -> int:
        """The same, beside other tasks."""
        with trio.fail_after(PATIENCE_SECONDS):
            await wait_gone(self.pid)
        return self.wait()

    def stop(self) -> int:
        """Ask it to stop, and wait."""
        self.terminate()
        return self.wait()

    def end_turns(self) -> None:
        """Interrupt every turn that a test has left: it would ask the model of the next one."""
        with contextlib.suppress(CommandError), Connection.connect(str(self.home.socket)) as asks:
            for _ in range(TURNS_LEFT_MAX):
                if not asks.call("server/status", {}, Json)["threads"]["running"]:
                    return
                for thread in asks.call("thread/loaded/list", {}, Json)["data"]:
                    params = {"threadId": thread, "limit": 1}
                    for turn in asks.call("thread/turns/list", params, Json)["data"]:
                        if turn["status"] == "inProgress":
                            running = {"threadId": thread, "turnId": turn["id"]}
                            asks.call("turn/interrupt", running, Json)

    def resident_bytes(self, *, most: bool = False) -> int:
        """How much memory it holds, or the most that it ever held."""
        return memory_of(self.pid, "VmHWM:" if most else "VmRSS:")

    def _listen(self) -> None:
        with self._stderr as stderr:
            for line in stderr:
                with self._said:
                    self.log.append(line)
                    self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()


class Home:
    """A `CODEXD_HOME` in a private folder with a short path, and all daemons that were started on it."""

    def __init__(self, **env: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="cx-", dir="/tmp"))
        self.path, self.work = self.root / "h", self.root / "w"
        self.work.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "SHELL": "/bin/sh",
            "CODEXD_HOME": str(self.path),
            **env,
        }
        self._daemons: list[Daemon] = []

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self.path / "run" / "codexd.sock"

    def configure(self, text: str) -> None:
        """Write config.toml."""
        self.path.mkdir(exist_ok=True, mode=0o700)
        self.path.joinpath("config.toml").write_text(text)

    def use_model(
        self,
        base_url: str,
        *,
        provider: str = "scripted",
        approval: str = "never",
        window: int | None = 272_000,
        more: str = "",
        provider_more: str = "",
    ) -> None:
        """Point the daemon at a model; one that runs reads the file anew."""
        self.configure(
            CONFIG.format(
                base_url=base_url,
                provider=provider,
                approval=approval,
                window="" if window is None else f"model_context_window = {window}",
                more=more,
                provider_more=provider_more,
            )
        )

    def launch(
        self,
        *arguments: str,
        umask: int = -1,
        cwd: Path | None = None,
        program: Sequence[str] = ("-m", "codexd"),
        **env: str,
    ) -> Daemon:
        """Start a daemon, whatever comes of it. A `umask` of -1 is this process's own."""
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            env=self.env | env,
            cwd=cwd or self.work,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )
        assert process.stderr is not None
        daemon = Daemon(self, process, process.stderr)
        self._daemons.append(daemon)
        return daemon

    def start_anew(self, *arguments: str, umask: int = -1, **env: str) -> Daemon:
        """Start a daemon, as a person does, and wait until it answers."""
        daemon = self.launch(*arguments, umask=umask, cwd=None, **env)
        daemon.wait_said(READY)
        return daemon

    def start(self, *arguments: str) -> Daemon:
        """The same in a fifth of the time where nothing but the home is its own: it is forked."""
        if not CAN_FORK or self.env.keys() != PLAIN_ENV:
            return self.start_anew(*arguments)
        daemon = self._forked(*arguments)
        daemon.wait_said(READY)
        return daemon

    def _forked(self, *arguments: str) -> Daemon:
        heard, said = os.pipe()
        with open(os.devnull) as nothing, open(said, "w") as stderr:
            streams = (nothing.fileno(), 1, stderr.fileno())
            process = fork(
                "codexd.__main__", arguments, env=self.env, cwd=self.work, streams=streams
            )
        listened = open(heard)  # noqa: SIM115 - who listens closes it
        daemon = Daemon(self, process, listened)
        self._daemons.append(daemon)
        return daemon

    def logs(self) -> list[Path]:
        """The files of all threads."""
        return sorted([*self.path.glob("threads/*/*/*/*.jsonl"), *self.path.glob("archived/*")])

    def processes(self) -> list[int]:
        """Everything alive that was started by a daemon of this home, by its environment.

        A daemon's own environment is nobody's to read; the one that serves is found by its lock. A keeper that has
        nothing to keep is not counted: it ends by itself after a while.
        """
        mark = f"CODEXD_HOME={self.path}\0".encode()
        found = self._holders_of_the_lock()
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdecimal() and mark in (folder / "environ").read_bytes() + b"\0":
                    found.add(int(folder.name))
        return sorted(found - self.keepers())

    def keepers(self) -> set[int]:
        """The keeper of this home and its guard."""
        mark, found = f"{self.path}/state/keeper\0".encode(), set[int]()
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdecimal() and mark in (folder / "cmdline").read_bytes():
                    found.add(int(folder.name))
        return found

    async def end_keeper(self) -> None:
        """End the keeper and all that it owns, as `codexctl stop` does."""
        left = self.keepers()
        os.kill(self.keeper, signal.SIGTERM)
        for pid in left:
            await wait_gone(pid)

    def kill_keeper(self) -> None:
        """Kill the keeper and its guard, so that nobody ends what they leave."""
        for pid in sorted(self.keepers()):  # the guard first: it is the parent
            os.kill(pid, signal.SIGKILL)

    @property
    def keeper(self) -> int:
        """The keeper's process."""
        return int((self.path / "state" / "keeper" / "lock").read_text())

    def _holders_of_the_lock(self) -> set[int]:
        try:
            inode = (self.path / "store.lock").stat().st_ino
        except FileNotFoundError:
            return set()
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return {
            int(lock[4]) for lock in locks if "->" not in lock and lock[5].endswith(f":{inode}")
        }

    def end_daemons(self) -> None:
        """End those that still run, as a crash would."""
        for daemon in self._daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
            daemon.wait()

    def close(self) -> None:
        """End everything and remove everything."""
        self.end_daemons()
        for pid in [*self.keepers(), *self.processes()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for daemon in self._daemons:
                error.add_note(f"codexd {daemon.pid} said:\n" + "".join(daemon.log[-60:]))
        self.close()


def memory_of(pid: int, name: str) -> int:
    """A figure of /proc/PID/status, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(name)]
    return int(found.split()[1]) * 1024


async def wait_gone(pid: int) -> None:
    """Sleep until a process has ended, whoever started it; not at all where it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], 0)[0])
    finally:
        os.close(fd)


@contextlib.asynccontextmanager
async def alone() -> AsyncIterator[None]:
    """Let an exception out as itself where a nursery would have wrapped it: a failure is then read at a glance."""
    try:
        yield
    except ExceptionGroup as group:
        only: Exception = group
        while isinstance(only, ExceptionGroup) and len(only.exceptions) == 1:
            only = only.exceptions[0]
        raise only from None
