"""The connection: answers reach their requests, and no other message is lost or reordered."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from codexd import __version__
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import ConnectionCut, RequestRefused, Unreachable
from codexd_frontends.client.messages import ThreadAnswer

from . import said
from .fake_daemon import FakeDaemon


def test_a_connection_names_itself_and_asks_for_cursors(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake, Daemon.connect(fake.path):
        assert fake.wait_for("initialize") == {
            "clientInfo": {"name": "codexctl", "title": None, "version": __version__},
            "capabilities": {
                "experimentalApi": True,
                "codexd": {"cursor": True, "stopping": True, "observer": False},
                "optOutNotificationMethods": ["item/tool/call"],
            },
        }
        fake.wait_for("initialized")


def test_an_answer_is_typed(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread(name="moon")})
        with Daemon.connect(fake.path) as daemon:
            answer = daemon.call("thread/read", {"threadId": said.THREAD}, ThreadAnswer)
    assert (answer.thread.id, answer.thread.name) == (said.THREAD, "moon")


def test_messages_before_an_answer_are_kept_in_order(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer_by(
            "thread/read",
            lambda request: [
                said.turn_started(seq=1),
                said.approval(7),
                {"id": request["id"], "result": {"thread": said.thread()}},
                said.turn_completed(seq=2),
            ],
        )
        with Daemon.connect(fake.path) as daemon:
            daemon.call("thread/read", {}, ThreadAnswer)
            heard = [daemon.receive(10) for _ in range(3)]
    assert [message and message.method for message in heard] == [
        "turn/started",
        "item/commandExecution/requestApproval",
        "turn/completed",
    ]


def test_a_refusal_has_the_daemons_words(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.refuse("thread/read", "thread not found: x")
        with (
            Daemon.connect(fake.path) as daemon,
            pytest.raises(RequestRefused, match="thread not found: x") as raised,
        ):
            daemon.call("thread/read", {}, ThreadAnswer)
    assert (raised.value.code, raised.value.reason) == (-32600, "no_way")


def test_an_unexpected_answer_is_dropped(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("turn/interrupt", {})
        fake.answer("thread/read", {"thread": said.thread()})
        with Daemon.connect(fake.path) as daemon:
            daemon.post("turn/interrupt", {})
            daemon.call("thread/read", {}, ThreadAnswer)
            assert daemon.receive_nowait() is None


def test_a_daemon_that_hangs_up_is_a_cut(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake, Daemon.connect(fake.path) as daemon:
        fake.hang_up()
        with pytest.raises(ConnectionCut, match="closed the connection"):
            daemon.receive(10)


def test_a_long_wait_for_an_answer_is_reported_once(tmp_path: Path) -> None:
    told: list[str] = []
    with FakeDaemon(tmp_path) as fake:
        fake.answer_by("thread/read", lambda _request: [])
        with Daemon.connect(fake.path) as daemon:
            daemon.slow_seconds, daemon.when_slow = 0.01, lambda: told.append("it takes long")
            with pytest.raises(ConnectionCut, match="did not answer thread/read"):
                daemon.call("thread/read", {}, ThreadAnswer, seconds=0.05)
    assert told == ["it takes long"]


def test_a_daemon_that_does_not_answer_is_a_cut(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer_by("thread/read", lambda _request: [])
        with (
            Daemon.connect(fake.path) as daemon,
            pytest.raises(ConnectionCut, match="did not answer thread/read"),
        ):
            daemon.call("thread/read", {}, ThreadAnswer, seconds=0.05)


def test_a_line_that_is_no_json_is_a_cut(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs, Daemon(ours) as daemon:
        theirs.sendall(b"hello?\n")
        with pytest.raises(ConnectionCut, match="cannot be read"):
            daemon.receive(10)


def test_lines_arrive_whole_wherever_they_were_cut(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs, Daemon(ours) as daemon:
        theirs.sendall(b'{"method":"a","par')
        assert daemon.receive(0.01) is None
        theirs.sendall(b'ams":{}}\n{"method":"b"}\n\n{"met')
        theirs.sendall(b'hod":"c"}\n')
        heard = [daemon.receive(10) for _ in range(3)]
    assert [message and message.method for message in heard] == ["a", "b", "c"]


def test_without_a_listener_the_daemon_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no daemon is running at"):
        Daemon.connect(str(tmp_path / "s"))


def test_a_socket_that_a_dead_daemon_left_is_unreachable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(Unreachable, match="no daemon is running at"):
        Daemon.connect(str(tmp_path / "s"))


def test_a_socket_with_a_long_path_is_found_by_its_symlink(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with FakeDaemon(tmp_path) as fake:
        (deep / "s").symlink_to(fake.path)
        with Daemon.connect(str(deep / "s")):
            fake.wait_for("initialize")
