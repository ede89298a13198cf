"""A daemon whose socket, folder or home was removed or replaced is reached again, or named, and can be ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Say
from daemon_house import PATIENCE_SECONDS, Home
from paused_model import Held

from .codexctl import begin, codexctl, holding, new_thread, playing


def removed(path: Path) -> None:
    path.unlink()


def replaced_by_a_dead_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def replaced_by_a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nothing")


def with_its_folder_removed(path: Path) -> None:
    shutil.rmtree(path.parent)


def with_its_folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


LOSSES = (
    removed,
    replaced_by_a_dead_socket,
    replaced_by_a_link_to_nothing,
    with_its_folder_removed,
    with_its_folder_moved,
)


def test_a_socket_that_is_gone_is_bound_again_and_threads_continue(home: Home) -> None:
    with holding(Held(Say(("Hel", "lo.")), 1)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        with begin(home, "send", "x") as sent:
            model.wait_holding()
            home.socket.unlink()
            assert codexctl(home, "status", "--json").json["pid"] == daemon.pid
            for lose in LOSSES:
                lose(home.socket)
                listed = codexctl(home, "list", "--json").json["threads"]
                assert [thread["status"]["type"] for thread in listed] == ["active"], lose
            model.resume()
            assert sent.communicate(timeout=PATIENCE_SECONDS)[0] == "Hello.\n"
    assert oct(home.socket.stat().st_mode)[-4:] == "0600"
    home.socket.unlink()
    assert codexctl(home, "stop", "--json").json["stopped"] == daemon.pid
    assert daemon.wait() == 0
    assert not any("Traceback" in line for line in daemon.log)


def test_a_link_of_a_long_path_is_made_again(home: Home) -> None:
    home.env["CODEXD_SOCKET"] = str(home.root / ("long" * 30) / "codexd.sock")
    daemon = home.start()
    link = Path(home.env["CODEXD_SOCKET"])
    for lose in (Path.unlink, lambda path: path.readlink().unlink(), with_its_folder_removed):
        lose(link)
        assert codexctl(home, "status", "--json").json["pid"] == daemon.pid
    assert daemon.stop() == 0
    assert not link.is_symlink()


def test_a_file_that_is_no_socket_stays_and_the_process_is_named(home: Home) -> None:
    daemon = home.start()
    home.socket.unlink()
    home.socket.write_text("precious")
    ended = codexctl(home, "send", "x")
    assert (ended.code, ended.out, ended.err.count("\n")) == (69, "", 1)
    assert f"process {daemon.pid}" in ended.err
    assert "codexctl stop" in ended.err
    told = codexctl(home, "status", "--json").json
    assert (told["running"], told["pid"]) == (True, daemon.pid)
    assert home.socket.read_text() == "precious"
    assert sum("cannot be bound again" in line for line in daemon.log) == 1
    home.socket.unlink()
    assert codexctl(home, "list").code == 0
    home.socket.unlink()
    home.socket.mkdir()
    assert codexctl(home, "stop").out == f"stopped process {daemon.pid}\n"
    assert daemon.wait() == 0


@pytest.mark.parametrize("lose", [shutil.rmtree, lambda home: home.joinpath("store.lock").unlink()])
def test_a_daemon_without_its_home_ends_and_the_next_is_started(
    home: Home, lose: Callable[[Path], None]
) -> None:
    with playing(Say(("Hello.",))) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        new_thread(home)
        lose(home.path)
        assert daemon.wait() == 0
        assert daemon.said("its home is gone")
        assert not any("Traceback" in line for line in daemon.log)
        pid = codexctl(home, "start", "--json").json["pid"]
        assert pid != daemon.pid
        assert codexctl(home, "stop", "--json").json["stopped"] == pid


def test_a_number_in_the_lock_counts_only_while_its_process_holds_it(home: Home) -> None:
    home.start().kill()
    lock = home.path / "store.lock"
    lock.write_text(f"{os.getpid()} codexd\n")  # As if a later process had got the number.
    assert codexctl(home, "stop").out == "no daemon was running\n"
    assert codexctl(home, "status").code == 69
    with held(lock):
        ended = codexctl(home, "list")
        assert (ended.code, ended.err.count("\n")) == (69, 1)
        assert f"process {os.getpid()}" in ended.err
        lock.write_text("2000000000 codexd\n")
        ended = codexctl(home, "list")
        assert ended.code == 69
        assert "2000000000" not in ended.err
        assert "store.lock is held by another process" in ended.err
    for text in ("", "-1", "nonsense", "9" * 100, "\0"):
        lock.write_text(text)
        assert codexctl(home, "stop").out == "no daemon was running\n"
    assert codexctl(home, "list").code == 0


@contextmanager
def held(lock: Path) -> Iterator[None]:
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_daemon_that_does_not_answer_is_ended_too(home: Home) -> None:
    home.path.mkdir(mode=0o700)
    home.socket.parent.mkdir(mode=0o700)
    lock = home.path / "store.lock"
    with lock.open("w") as file, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(home.socket))
        silent.listen()
        with subprocess.Popen(["sleep", "60"], pass_fds=[file.fileno()]) as process:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{process.pid} codexd\n")
            file.flush()
            with begin(home, "stop", "--json") as stopped:
                silent.accept()[0].close()
                assert str(process.pid) in stopped.communicate(timeout=PATIENCE_SECONDS)[0]
            assert process.wait() == -signal.SIGTERM
