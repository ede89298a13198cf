"""codexctl app-server: bytes in, bytes out, untouched."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codexd_frontends.client.stdio import bridge

from .fake_daemon import FakeDaemon
from .terminal import Terminal


@contextmanager
def bridged(folder: Path) -> Iterator[tuple[int, int, socket.socket]]:
    """A bridge under way: where to write, where to read, and the daemon's end of its connection."""
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        thread = threading.Thread(target=bridge, args=(path, stdin, stdout))
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
