"""The socket that systemd, launchd or the daemon itself passes to the daemon."""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codexd.service.passed_sockets import passed_by_launchd
from codexd_frontends.client.client import Daemon as Connection
from daemon_house import Daemon, Home

ACTIVATE = shutil.which("systemd-socket-activate")

STARTS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.executable, [sys.executable, "-m", "codexd"])
"""


def status_pid(path: Path) -> int:
    with Connection.connect(str(path)) as asks:
        return int(asks.call("server/status", {}, dict)["pid"])


@contextmanager
def passing(home: Home, sock: socket.socket, names: str) -> Iterator[Daemon]:
    """A daemon that is started with a socket as its descriptor 3, as a manager does it."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(sock.fileno()), names],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[sock.fileno()],
    )
    assert process.stderr is not None
    daemon = Daemon(home, process, process.stderr)
    try:
        yield daemon
    finally:
        daemon.kill()


@pytest.mark.skipif(ACTIVATE is None, reason="there is no systemd-socket-activate")
def test_the_first_connection_starts_the_daemon(home: Home) -> None:
    path = home.root / "s"
    words = [
        str(ACTIVATE),
        "--listen",
        str(path),
        "--fdname=codexd",
        sys.executable,
        "-m",
        "codexd",
    ]
    variables = [f"--setenv={name}={value}" for name, value in home.env.items()]
    process = subprocess.Popen(
        [words[0], *variables, *words[1:]],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    daemon = Daemon(home, process, process.stderr)
    try:
        daemon.wait_said("Listening on ")
        assert not home.path.joinpath("store.lock").exists()
        assert status_pid(path) == process.pid
        assert daemon.said(f"answers on {path}")
        # The socket is the manager's: it stays when the daemon ends.
        assert daemon.stop() == 0
        assert path.is_socket()
    finally:
        daemon.kill()


def test_a_passed_socket_that_is_not_in_its_place_any_more_is_bound_again(home: Home) -> None:
    path = home.root / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        path.unlink()
        with passing(home, sock, "codexd") as daemon:
            daemon.wait_said("the socket was gone: it is bound again")
            assert status_pid(path) == daemon.pid
            # In its own place, as after a restart by itself, it is the daemon's to remove.
            assert daemon.stop() == 0
    assert not path.exists()


def test_what_is_no_socket_to_listen_on_is_refused_for_good(home: Home) -> None:
    with socket.socket(socket.AF_UNIX) as sock, passing(home, sock, "codexd") as daemon:
        assert daemon.wait() == 78
        assert daemon.said("expected file descriptor 3 to be a Unix stream socket that listens")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(home.root / "other"))
        sock.listen()
        with passing(home, sock, "somebody-elses") as daemon:  # A name that is not ours.
            daemon.wait_said("answers on")
            assert daemon.said("file descriptor 3 was passed as 'somebody-elses', and is not used")
            assert status_pid(home.socket) == daemon.pid
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.wait() == 0


class Launchd:
    """The two functions that launchd's library has, by the names and types of <launch.h>."""

    def __init__(self, fds: list[int], problem: int = 0) -> None:
        self.freed = 0
        self._fds = (ctypes.c_int * len(fds))(*fds)
        self._problem = problem
        self.asked: list[bytes] = []

    def launch_activate_socket(self, name: bytes, fds: Any, count: Any) -> int:
        self.asked.append(name)
        if self._problem:
            return self._problem
        address = ctypes.cast(self._fds, ctypes.POINTER(ctypes.c_int))
        ctypes.cast(fds, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)))[0] = address
        ctypes.cast(count, ctypes.POINTER(ctypes.c_size_t))[0] = len(self._fds)
        return 0

    def free(self, _fds: object) -> None:
        self.freed += 1


def test_launchd_is_asked_for_its_socket_by_name() -> None:
    given = Launchd([7, 8])
    assert passed_by_launchd(given) == [7, 8]
    assert (given.asked, given.freed) == ([b"codexd"], 1)
    assert passed_by_launchd(Launchd([], problem=3)) == []  # ESRCH: it did not start this process
    assert passed_by_launchd(object()) == []  # another system
