"""A home, a state folder or a log that others own, may change, or have put a trap into: refused, with the repair."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from codexd_eventstore.disk.files import FOLDER_MODE
from daemon_house import Home

from .codexctl import codexctl, playing

STRANGER = 12345
NOT_PERMITTED, UNREACHABLE = 77, 69
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to somebody else")


def give_away(folder: Path) -> None:
    os.chown(folder, STRANGER, STRANGER)


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


@pytest.mark.parametrize("name", ["", "state"])
@pytest.mark.parametrize("spoil", [pytest.param(give_away, marks=AS_ROOT), open_to_all])
def test_a_home_or_a_state_folder_that_others_may_change(
    home: Home, name: str, spoil: Callable[[Path], None]
) -> None:
    folder = home.path / name
    folder.mkdir(parents=True, mode=FOLDER_MODE)
    home.path.chmod(FOLDER_MODE)
    spoil(folder)
    ended = codexctl(home, "list")
    assert ended.code == NOT_PERMITTED, ended
    assert str(folder) in ended.err
    daemon = home.launch()
    assert daemon.wait() == NOT_PERMITTED
    assert daemon.said(str(folder))
    assert daemon.said("the daemon was not started")
    assert list(home.path.glob("threads")) == []


def test_under_a_umask_that_allows_all_our_files_are_private(home: Home) -> None:
    env = {name: value for name, value in home.env.items() if name != "CODEXD_HOME"}
    home.env = env | {"XDG_RUNTIME_DIR": str(home.root / "run")}
    before = os.umask(0)
    try:
        assert codexctl(home, "start").code == 0
    finally:
        os.umask(before)
    assert codexctl(home, "stop").code == 0
    for path in (*home.root.glob(".local/**"), home.root / "run/codexd"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def link_to_another_file(log: Path) -> None:
    log.symlink_to(log.with_name("victim"))


def listen(log: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(log))


LOGS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": listen,
    "a link to another file": link_to_another_file,
    "a link to a device": lambda log: log.symlink_to("/dev/full"),
    "a link to itself": lambda log: log.symlink_to(log.name),
}


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_of_the_daemon_that_is_no_file_of_ours(home: Home, kind: str) -> None:
    state = home.path / "state"
    state.mkdir(parents=True, mode=FOLDER_MODE)
    home.path.chmod(FOLDER_MODE)
    (state / "victim").write_text("safe")
    LOGS[kind](state / "codexd.log")
    ended = codexctl(home, "start")
    assert ended.code == UNREACHABLE, ended
    assert f"expected {state}/codexd.log to be a file" in ended.err
    assert (state / "victim").read_text() == "safe"


@pytest.mark.parametrize("name", ["store.lock", "state/notes.sqlite", "state/index.sqlite"])
def test_a_file_of_ours_that_is_a_link_is_not_followed(home: Home, name: str) -> None:
    with playing() as model:
        home.use_model(model.base_url)
        victim = home.root / "victim"
        victim.write_text("safe")
        (home.path / "state").mkdir(mode=FOLDER_MODE)
        (home.path / name).symlink_to(victim)
        sent = codexctl(home, "send", "say 1")
        assert codexctl(home, "list").code == sent.code
        assert sent.code == (0 if "/" in name else UNREACHABLE), sent
        assert victim.read_text() == "safe"


def test_a_log_of_a_thread_that_is_no_file_is_that_threads_trouble_alone(home: Home) -> None:
    with playing() as model:
        home.use_model(model.base_url)
        threads = [codexctl(home, "send", "say 1").err.split()[1] for _ in range(3)]
        assert codexctl(home, "stop").code == 0
        linked, piped = (next(p for p in home.logs() if thread in p.name) for thread in threads[:2])
        linked.rename(home.root / "elsewhere")
        linked.symlink_to(home.root / "elsewhere")
        piped.unlink()
        os.mkfifo(piped)
        assert codexctl(home, "list").code == 0
        for thread in threads[:2]:
            assert codexctl(home, "show", thread).code != 0
        assert codexctl(home, "show", threads[2]).code == 0
        assert codexctl(home, "stop").code == 0
