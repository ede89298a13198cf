"""Processes of codexd's programs without their start: each is forked from one that has everything imported.

Three quarters of what a short life of a daemon costs is the start of an interpreter and its imports. Where a test is not
about them it takes a process from here: the same program, with its own environment, folder and streams, and the child of
whoever asks for it. What cannot be given to it is a command line in /proc, and an environment there.

    process = fork("codexd.__main__", [], env=env, cwd=folder, streams=(0, 1, 2))
"""

from __future__ import annotations

import atexit
import ctypes
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

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

    def wait(self, timeout: float) -> int:
        """Wait for the end; the exit code."""
        if self.returncode is None:
            select.select([self._ended], [], [], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
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
    """Run the `main` of a module in a process of its own."""
    if not _servers:
        _servers.append(_Server())
    request = {"module": module, "words": words, "env": env, "cwd": str(cwd)}
    return Forked(_servers[0].fork(json.dumps(request).encode(), streams))


class _Server:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._libc = ctypes.CDLL(None, use_errno=True)
        atexit.register(self.close)

    def fork(self, request: bytes, streams: Sequence[int]) -> int:
        """The process id of another child of ours: for a moment we adopt what its parent leaves."""
        self._adopt(1)
        try:
            socket.send_fds(self._ours, [request], streams)
            return struct.unpack("i", self._ours.recv(4))[0]  # type: ignore[no-any-return]
        finally:
            self._adopt(0)

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
    """Be what was asked for; this process ends as any other does."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    random.seed()
    sys.argv = [request["module"], *request["words"]]
    sys.exit(sys.modules[request["module"]].main(request["words"]))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asks:
        _serve(asks)
