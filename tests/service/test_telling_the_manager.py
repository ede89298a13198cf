"""What a service manager is told by the daemon, on a socket that a test listens on."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from codexd.service.manager import Manager, take_variables
from codexd.service.watchdog import keep_told
from codexd_frontends.client.client import Daemon as Connection
from daemon_house import PATIENCE_SECONDS, Home
from trio_test import trio_test


class Listening:
    """The manager's end."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE_SECONDS)

    def next(self) -> list[str]:
        """The lines of the next message."""
        return self.socket.recv(1 << 16).decode().split("\n")

    def until(self, line: str) -> list[str]:
        """The first message that has a line that begins so."""
        message = self.next()
        while not any(found.startswith(line) for found in message):
            message = self.next()
        return message

    def drain(self) -> None:
        """Read all that is here."""
        while select.select([self.socket], [], [], 0)[0]:
            self.next()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(str(tmp_path / "n"))
    with listening.socket:
        yield listening


def test_it_says_when_it_serves_reloads_lives_and_stops(home: Home, listening: Listening) -> None:
    home.use_model("http://127.0.0.1:1")
    daemon = home.launch(NOTIFY_SOCKET=listening.socket.getsockname(), WATCHDOG_USEC="200000")
    ready = listening.next()
    assert ready == ["READY=1", "STATUS=serves: 0 turns run, 0 threads loaded, 0 clients"]
    with Connection.connect(str(home.socket)):  # It answers by then.
        assert "1 clients" in listening.until("STATUS=serves: 0 turns run, 0 threads")[-1]
    listening.until("WATCHDOG=1")

    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    os.kill(daemon.pid, signal.SIGHUP)
    _, when = listening.until("RELOADING=1")
    assert before_us <= int(when.removeprefix("MONOTONIC_USEC="))
    assert listening.until("READY=1")[1].startswith("STATUS=serves: ")
    home.configure("model = [\n")
    os.kill(daemon.pid, signal.SIGHUP)
    told = listening.until("READY=1")[1]
    assert told.startswith("STATUS=serves with the last configuration that could be read: ")

    # What is held up sends no sign of life, and sends one again when it goes on.
    os.kill(daemon.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, daemon.pid, os.WSTOPPED | os.WNOWAIT)
    listening.drain()
    assert not select.select([listening.socket], [], [], 0.5)[0]
    os.kill(daemon.pid, signal.SIGCONT)
    listening.until("WATCHDOG=1")

    daemon.terminate()
    assert listening.until("STOPPING=1") == ["STOPPING=1", "STATUS=stopping"]
    assert daemon.wait() == 0


@trio_test(autojump=True)
async def test_a_log_that_does_not_answer_ends_the_signs_of_life(listening: Listening) -> None:
    named = listening.socket.getsockname()
    manager = Manager({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "30000000"})
    answers = True

    async def log_answers() -> None:
        if not answers:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_told, manager, lambda: "serves", log_answers)
        await trio.sleep(1)
        assert [listening.next(), listening.next()] == [["WATCHDOG=1"], ["STATUS=serves"]]
        answers = False
        await trio.sleep(1000)
        # What was sent before; then the reason, once, and never again that it lives.
        assert listening.next() == ["STATUS=the disk of the event log does not answer"]
        assert not select.select([listening.socket], [], [], 0)[0]
        answers = True
        await trio.sleep(30)
        listening.until("WATCHDOG=1")
        nursery.cancel_scope.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract sockets")
def test_a_manager_may_listen_at_an_abstract_address() -> None:
    name = f"codexd-test-{os.getpid()}"
    listening = Listening(f"\0{name}")
    with listening.socket:
        Manager({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1", status="two\nlines")
        assert listening.next() == ["READY=1", "STATUS=two lines"]


def test_a_manager_that_is_gone_or_unknown_changes_nothing(tmp_path: Path) -> None:
    for named in (str(tmp_path / "nobody"), "vsock:1:2", ""):
        manager = Manager({"NOTIFY_SOCKET": named})
        manager.send("READY=1", status="serves")
        assert manager.listens == named.startswith("/")


def test_the_variables_of_the_manager_are_for_the_daemon_alone() -> None:
    environ = {"HOME": "/h", "NOTIFY_SOCKET": "/n", "LISTEN_FDS": "1", "JOURNAL_STREAM": "1:2"}
    taken = take_variables(environ)
    assert environ == {"HOME": "/h"}
    assert taken.keys() == {"NOTIFY_SOCKET", "LISTEN_FDS", "JOURNAL_STREAM"}
    # A watchdog for another process is none for this one.
    assert Manager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
    assert Manager({"WATCHDOG_USEC": "1000000"}).watchdog_seconds == 1.0
