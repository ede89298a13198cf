"""In a sandbox without a network, programs reach the proxy by a port of their own loopback, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from codexd.network.door import SOCKET_NAME, listening_in, sweep
from codexd.network.forwarder import PORT, listening_inside, proxy_variables, relayed_outside
from trio_test import trio_test

# A sandbox without a network, for which any will do: this one is everywhere where bubblewrap is.
BWRAP = shutil.which("bwrap")
needs_bwrap = pytest.mark.skipif(BWRAP is None, reason="bubblewrap is not installed")
IN_A_SANDBOX = (
    *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--unshare-net", "--unshare-pid", "--die-with-parent"),
)


@contextmanager
def echoing(folder: Path) -> Iterator[Path]:
    """A Unix socket that sends back what each connection says, to its end."""
    path = folder / "s"

    def serve(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,)).start()

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(64)
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# Sends and reads at once, more than fits into the sockets, over several connections; ends what it says before it has
# read all.
PROGRAM = """
import json, socket, sys, threading
port = int(sys.argv[1])
def talk(n):
    sock = socket.create_connection(("127.0.0.1", port))
    sent = bytes([n]) * 3_000_000
    def send():
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=send)
    thread.start()
    got = b""
    while data := sock.recv(65536):
        got += data
    thread.join()
    sock.close()
    results[n] = got == sent
results = {}
threads = [threading.Thread(target=talk, args=(n,)) for n in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
def refused(family, address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(5)
    try:
        sock.connect(address)
    except OSError as error:
        return True
    return False
print(json.dumps({"echoed": all(results.values()) and len(results) == 5,
                  "outside": refused(socket.AF_INET, ("1.1.1.1", 80))}))
"""


@needs_bwrap
@pytest.mark.slow
def test_a_program_in_a_sandbox_reaches_the_proxy_and_nothing_else(tmp_path: Path) -> None:
    with echoing(tmp_path) as path:
        inside = listening_inside((sys.executable, "-c", PROGRAM, str(PORT)))
        argv = relayed_outside((*IN_A_SANDBOX, *inside), str(path))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout) == {"echoed": True, "outside": True}


def without_a_sandbox(argv: tuple[str, ...], path: Path) -> tuple[tuple[str, ...], int]:
    """The argv with the relay, on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    return relayed_outside(listening_inside(argv, port), str(path)), port


@pytest.mark.slow
def test_the_command_keeps_its_process_its_output_and_its_exit_code(tmp_path: Path) -> None:
    with echoing(tmp_path) as path:
        argv, _ = without_a_sandbox(("sh", "-c", "echo $$; ls /proc/$$/fd; cat; exit 7"), path)
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            # The output ends with the command: the relay holds nothing of it, and the command nothing of the relay's.
            out, _ = child.communicate("hello\n", timeout=60)
        assert (out.split(), child.returncode) == ([f"{child.pid}", "0", "1", "2", "hello"], 7)
        argv, _ = without_a_sandbox(("sh", "-c", "kill -TERM $$"), path)
        assert subprocess.run(argv, timeout=60, check=False).returncode == -signal.SIGTERM
        argv, _ = without_a_sandbox(("no-such-program",), path)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 126
        assert done.stderr.startswith("codexd: no-such-program could not be started: ")


@pytest.mark.slow
def test_the_relay_ends_with_its_command(tmp_path: Path) -> None:
    read, write = os.pipe()
    with echoing(tmp_path) as path:
        # The relay inherits this end; its end of file says that the relay is gone.
        argv, _ = without_a_sandbox(("sh", "-c", "exit 0"), path)
        subprocess.run(argv, pass_fds=(write,), timeout=60, check=True)
        # And so does the relay of a sandbox that did not begin.
        argv = relayed_outside(("no-such-program",), str(path))
        subprocess.run(argv, pass_fds=(write,), capture_output=True, timeout=60, check=False)
        os.close(write)
        with os.fdopen(read, "rb") as end:
            assert end.read() == b""


@pytest.mark.slow
def test_a_proxy_that_is_gone_is_a_closed_connection_and_one_that_comes_back_is_used(
    tmp_path: Path,
) -> None:
    program = """
import socket, sys
def talk():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
        try:
            sock.sendall(b"x")
            return sock.recv(10)
        except OSError:
            return b""
print(talk(), flush=True)
input()
print(talk(), flush=True)
"""
    path = tmp_path / "own" / "s"
    argv, port = without_a_sandbox((sys.executable, "-c", program, "PORT"), path)
    argv = tuple(str(port) if word == "PORT" else word for word in argv)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "b''\n"
        # The daemon before has removed the folder of the socket; this one makes it again.
        path.parent.mkdir()
        with echoing(path.parent):
            out, _ = child.communicate("\n", timeout=60)
        assert (out, child.returncode) == ("b'x'\n", 0)


def test_programs_find_the_proxy_by_their_environment() -> None:
    found = proxy_variables(3128)
    assert found["https_proxy"] == found["HTTPS_PROXY"] == "http://127.0.0.1:3128"
    assert found["all_proxy"] == "socks5h://127.0.0.1:3128"
    assert found["NO_PROXY"] == "localhost,127.0.0.1,::1"
    # A service of the machine that is listed is reached through the proxy, like everything outside.
    assert proxy_variables(3128, {"localhost", "a.com"})["no_proxy"] == "127.0.0.1,::1"


@trio_test
async def test_the_socket_is_private_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "call"
    for _ in range(2):
        with listening_in(folder) as listener:
            assert oct(folder.stat().st_mode)[-3:] == "700"
            assert oct((folder / SOCKET_NAME).stat().st_mode)[-3:] == "600"
            async with await trio.open_unix_socket(folder / SOCKET_NAME), await listener.accept():
                pass
        assert not folder.exists()
    # What a dead daemon left is taken over.
    folder.mkdir(mode=0o700)
    (folder / SOCKET_NAME).touch()
    with listening_in(folder):
        assert (folder / SOCKET_NAME).is_socket()
    folder.mkdir(mode=0o755)
    with pytest.raises(OSError, match="mode 0700"), listening_in(folder):
        pass


def test_what_dead_daemons_left_is_swept(tmp_path: Path) -> None:
    sweep(tmp_path / "none")
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1" / SOCKET_NAME).touch()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
