"""Processes of codexd's programs without their start: each is forked from one that has everything imported.

Three quarters of what a short life of a daemon costs is the start of an interpreter and its imports. Where a test is not
about them it takes a process from here: the same program, with its own environment, folder and streams, and the child of
whoever asks for it. What cannot be given to it is a command line in /proc, and an environment there.

    process = fork("codexd.__main__", [], env=env, cwd=folder, streams=(0, 1, 2))
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from wire_spool import SPOOL, collect_frames, known_words

CAN_FORK = sys.platform == "linux"
PACKAGES = ("codexd", "codexd_eventstore", "codexd_frontends")
_PR_SET_CHILD_SUBREAPER = 36
_REQUEST_BYTES_MAX = 1 << 20
_servers: list[_Server] = []


class Forked:
    """A child process, with so much of `subprocess.Popen` as is used of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            os.close(self._ended)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code."""
        if self.returncode is None:
            select.select([self._ended], [], [], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)


def fork(
    module: str,
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    streams: tuple[int, int, int],
) -> Forked:
    """Run the `main` of a module in a process of its own. One on a terminal leads a session, and is controlled by it."""
    if not _servers:
        _servers.append(_Server())
    request: dict[str, object] = {"module": module, "words": words, "env": dict(env)}
    request |= {"cwd": str(cwd), "worker": os.getpid()}
    return Forked(_servers[0].fork(json.dumps(request).encode(), streams))


def can_have(env: Iterable[str]) -> bool:
    """Whether a forked process can have these variables: an interpreter reads some as it starts."""
    return CAN_FORK and not any(name.startswith(("PYTHON", "LANG", "LC_")) for name in env)


def run(
    module: str, words: Sequence[str], *, env: Mapping[str, str], cwd: Path, given: bytes
) -> tuple[int, bytes, bytes]:
    """Run it to its end on three pipes: its exit code, and what it wrote."""
    (reads, gives), (heard, says), (complaints, complains) = (os.pipe() for _ in range(3))
    process = fork(module, words, env=env, cwd=cwd, streams=(reads, says, complains))
    for fd in (reads, says, complains):
        os.close(fd)
    with ThreadPoolExecutor() as pool:
        pool.submit(_give, gives, given)
        out, err = pool.map(_read_all, (heard, complaints))
    return process.wait(), out, err


def _give(fd: int, given: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(fd, "wb") as file:
        file.write(given)


def _read_all(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()


class _Server:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = ("PATH", "HOME", SPOOL, "CODEX_SCHEMA", "CODEX_SCHEMA_NEWEST")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._one_at_a_time = threading.Lock()
        self._libc = ctypes.CDLL(None, use_errno=True)
        atexit.register(self.close)

    def fork(self, request: bytes, streams: Sequence[int]) -> int:
        """The process id of another child of ours: for a moment we adopt what its parent leaves."""
        with self._one_at_a_time:
            self._adopt(1)
            try:
                socket.send_fds(self._ours, [request], streams)
                (pid,) = struct.unpack("i", self._ours.recv(4))
            finally:
                self._adopt(0)
        return int(pid)

    def close(self) -> None:
        self._ours.close()
        self._process.wait()

    def _adopt(self, is_wanted: int) -> None:
        assert self._libc.prctl(_PR_SET_CHILD_SUBREAPER, is_wanted, 0, 0, 0) == 0


def _serve(asks: socket.socket) -> None:
    """Fork for each request, twice: whose parent has ended is adopted."""
    gc.disable()
    for package in PACKAGES:
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not found.name.endswith("__main__") or package == "codexd":
                importlib.import_module(found.name)
    if SPOOL in os.environ:
        known_words()
    gc.freeze()
    while True:
        request, streams, _, _ = socket.recv_fds(asks, _REQUEST_BYTES_MAX, 3)
        if not request:
            return
        told, tells = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if not child:
                asks.close()
                os.close(told)
                os.close(tells)
                _become(json.loads(request), streams)
            os.write(tells, struct.pack("i", child))
            os._exit(0)
        os.waitpid(between, 0)
        asks.send(os.read(told, 4))
        for fd in (told, tells, *streams):
            os.close(fd)


def _become(request: dict[str, Any], streams: Sequence[int]) -> NoReturn:
    """Be what was asked for. This process ends at once then: to take apart all that was imported takes longer than most do."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if os.isatty(0):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if request["module"] == "codexd.__main__":
        collect_frames(request["worker"])
    # What there is knows of the old files whether they can be sought in, and whether they are terminals.
    sys.stdin = open(0, encoding="utf-8", errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", sys.stderr.errors, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    random.seed()
    sys.argv = [request["module"], *request["words"]]
    code: object = 1
    try:
        code = sys.modules[request["module"]].main(request["words"])
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as an interpreter reports what nobody caught
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120  # as an interpreter says it
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asks:
        _serve(asks)
