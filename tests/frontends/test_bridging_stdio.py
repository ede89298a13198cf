"""codexctl app-server: bytes in, bytes out, untouched."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from codexd_frontends.bridge.overriding import settings_of, with_settings
from codexd_frontends.bridge.stdio import bridge
from codexd_frontends.client.errors import UsageError
from daemon_house import Home

from .codexctl import codexctl
from .fake_daemon import FakeDaemon
from .terminal import Terminal


@contextmanager
def bridged(
    folder: Path, settings: Mapping[str, object] | None = None
) -> Iterator[tuple[int, int, socket.socket]]:
    """A bridge under way: where to write, where to read, and the daemon's end of its connection."""
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        thread = threading.Thread(target=bridge, args=(path, stdin, stdout, settings))
        thread.start()
        daemon, _ = listener.accept()
        with daemon:
            yield to_stdin, from_stdout, daemon
        thread.join(10)
        assert not thread.is_alive()
        for descriptor in (stdin, stdout, from_stdout):
            os.close(descriptor)


def test_both_ways_carry_every_byte(tmp_path: Path) -> None:
    with bridged(tmp_path) as (to_stdin, from_stdout, daemon):
        os.write(to_stdin, b'{"id":1}\nno json\xff\n')
        assert daemon.recv(100) == b'{"id":1}\nno json\xff\n'
        daemon.sendall(b'{"result":{}}\r\n\x00')
        assert os.read(from_stdout, 100) == b'{"result":{}}\r\n\x00'
        os.close(to_stdin)


def test_the_end_of_stdin_is_passed_on_and_last_answers_still_come(tmp_path: Path) -> None:
    with bridged(tmp_path) as (to_stdin, from_stdout, daemon):
        os.write(to_stdin, b"question\n")
        os.close(to_stdin)
        asked = b""
        while data := daemon.recv(100):
            asked += data
        daemon.sendall(b"answer\n")
        assert asked == b"question\n"
        assert os.read(from_stdout, 100) == b"answer\n"


def test_a_daemon_that_hangs_up_ends_it(tmp_path: Path) -> None:
    with bridged(tmp_path) as (to_stdin, from_stdout, daemon):
        daemon.sendall(b"bye\n")
        daemon.shutdown(socket.SHUT_RDWR)
        assert os.read(from_stdout, 100) == b"bye\n"
    os.close(to_stdin)


def test_more_than_any_buffer_holds_goes_through(tmp_path: Path) -> None:
    much = b"x" * (3 << 20)
    with bridged(tmp_path) as (to_stdin, from_stdout, daemon):
        sender = threading.Thread(target=daemon.sendall, args=(much,))
        sender.start()
        heard = bytearray()
        while len(heard) < len(much):
            heard += os.read(from_stdout, 1 << 16)
        sender.join()
        os.close(to_stdin)
    assert bytes(heard) == much


def test_on_a_terminal_invisible_characters_are_escaped(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer_by("ping", lambda _: [{"method": "m", "params": "\x9b\u202e\x7f\u200b ü"}])
        with Terminal("--socket", fake.path, "app-server") as terminal:
            terminal.type('{"id":1,"method":"ping"}\n')
            terminal.wait_for('{"method":"m","params":"\\u009b\\u202e\\u007f\\u200b ü"}')
            terminal.type("\x04")
            terminal.wait_exit()
    assert not set("\x9b\u202e\x7f\u200b") & set(terminal.screen)


SETTINGS = {"model": "m", "a.b": 1}
START = b'{"id":1,"method":"thread/start","params":{"cwd":"/w","config":{"model":"own"}}}'
LIST = b'{"id":2,"method":"thread/list","params":{"config":{}}}'
FORK = b'{"method":"thread/fork"}'
CHANGED_FORK = b'{"method":"thread/fork","params":{"config":{"model":"m","a.b":1}}}'
TORN = b'{"id":3,"method":"thread/start","par'


def test_settings_of_the_command_line_are_in_the_requests_for_threads() -> None:
    first = with_settings(START, SETTINGS)
    assert json.loads(first)["params"] == {"cwd": "/w", "config": {"model": "own", "a.b": 1}}
    assert with_settings(LIST, SETTINGS) == LIST
    assert with_settings(FORK, SETTINGS) == CHANGED_FORK
    # What is no such request passes as it is, however long it is.
    long = b'"thread/start"' + b"x" * (1 << 20)
    assert with_settings(long, SETTINGS) == long
    assert with_settings(TORN, SETTINGS) == TORN


def test_settings_are_in_requests_that_come_in_pieces(tmp_path: Path) -> None:
    long = b'"thread/start"' + b"x" * (1 << 20) + b"y\n"
    sent = bytearray()
    with bridged(tmp_path, SETTINGS) as (to_stdin, _, daemon):
        os.write(to_stdin, START[:20])
        os.write(to_stdin, START[20:] + b"\n" + LIST + b"\n" + FORK + b"\n")
        while sent.count(b"\n") < 3:
            sent += daemon.recv(1000)
        first, *others = sent.splitlines()
        assert json.loads(first)["params"]["config"] == {"model": "own", "a.b": 1}
        assert others == [LIST, CHANGED_FORK]
        sent.clear()

        def write_the_rest() -> None:
            with os.fdopen(to_stdin, "wb") as stdin:
                stdin.write(long + TORN)

        sender = threading.Thread(target=write_the_rest)
        sender.start()
        while data := daemon.recv(1 << 16):
            sent += data
        sender.join()
    assert sent == long + TORN


def test_settings_are_toml_or_else_a_text() -> None:
    assert settings_of(["a=1", "b.c=x y", 'd="1"', "e=[true]"], ["f"], ["g"]) == {
        "a": 1,
        "b.c": "x y",
        "d": "1",
        "e": [True],
        "features.f": True,
        "features.g": False,
    }
    with pytest.raises(UsageError):
        settings_of(["a"], [], [])


@pytest.mark.slow
def test_an_app_server_is_started_as_the_sdk_of_codex_starts_it(home: Home) -> None:
    home.configure('model = "file"\n')
    requests = [
        {
            "id": 1,
            "method": "initialize",
            "params": {"clientInfo": {"name": "sdk", "version": "1"}},
        },
        {"id": 2, "method": "thread/start", "params": {}},
    ]
    given = "".join(f"{json.dumps(request)}\n" for request in requests)
    words = (
        "--config",
        "model=flag",
        "app-server",
        "--listen",
        "stdio://",
        "-c",
        "model_verbosity=low",
    )
    ended = codexctl(home, *words, stdin=given)
    assert (ended.code, ended.err) == (0, "")
    (started,) = [line["result"] for line in ended.lines if line.get("id") == 2]
    assert started["model"] == "flag"
    elsewhere = codexctl(home, "app-server", "--listen", "ws://127.0.0.1:1")
    assert (elsewhere.code, "expected stdio://" in elsewhere.err) == (2, True)
    assert codexctl(home, "stop").code == 0
