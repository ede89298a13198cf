"""Plain `codex` uses the daemon that a symlink in its home leads to."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from codexd_frontends.client.client import Daemon as Connection
from daemon_house import Home

NOBODY = "http://127.0.0.1:9/v1"
FOUND, NOT_FOUND, NO_MORE = "finds this daemon by", "does not find this daemon", "no more by"


def place_in(codex: Path) -> Path:
    return codex / "app-server-control" / "app-server-control.sock"


@pytest.fixture
def codex(home: Home) -> Path:
    """A home of Codex."""
    folder = home.root / "codex"
    folder.mkdir(mode=0o755)
    return folder


def configured(home: Home, value: str) -> None:
    home.use_model(NOBODY)
    file = home.path / "config.toml"
    file.write_text(f"codex_home = {value}\n{file.read_text()}")


def answers_at(path: Path) -> bool:
    with Connection.connect(str(path)) as asks:
        return bool(asks.call("server/status", {}, dict))


def test_its_own_programs_find_it_while_it_runs_and_no_longer_than_that(
    home: Home, codex: Path
) -> None:
    configured(home, "true")
    home.env["CODEX_HOME"] = str(codex)
    daemon = home.start_anew()
    daemon.wait_said(FOUND)
    place = place_in(codex)
    assert place.readlink() == home.socket
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert answers_at(place)
    assert daemon.stop() == 0
    assert not place.is_symlink()


def test_the_setting_is_followed_while_the_daemon_runs_and_the_flag_is_the_same(
    home: Home, codex: Path
) -> None:
    home.use_model(NOBODY)
    daemon = home.start("--codex-home", str(codex))
    daemon.wait_said(FOUND)
    daemon.kill()  # It leaves the link behind.
    assert place_in(codex).is_symlink()

    other = home.root / "other"
    configured(home, f'"{other}"')
    daemon = home.start()
    daemon.wait_said(f"{FOUND} {place_in(other)}")
    configured(home, '"../codex"')  # from the folder of config.toml
    daemon.wait_said(f"{NO_MORE} {place_in(other)}")
    daemon.wait_said(f"{FOUND} {home.path}/../codex/")
    assert not place_in(other).is_symlink()
    configured(home, "false")
    daemon.wait_said(f"{NO_MORE} {home.path}/../codex/")
    assert not place_in(codex).is_symlink()
    assert not any("does not use" in line for line in daemon.log)


def test_a_server_that_answers_there_is_left_until_it_ends(home: Home, codex: Path) -> None:
    place = place_in(codex)
    place.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(place))
        theirs.listen()
        configured(home, f'"{codex}"')
        daemon = home.start()
        daemon.wait_said("another server answers")
        assert daemon.said(NOT_FOUND)
        assert place.is_socket()
        assert not place.is_symlink()
    daemon.wait_said(FOUND)  # It left its socket behind.
    assert answers_at(place)


def test_what_is_no_socket_and_a_folder_of_others_are_left_as_they_are(
    home: Home, codex: Path
) -> None:
    place = place_in(codex)
    place.parent.mkdir(mode=0o700)
    place.write_text("precious")
    configured(home, f'"{codex}"')
    daemon = home.start()
    daemon.wait_said("found a file: not replaced")
    assert place.read_text() == "precious"

    open_to_all = home.root / "open"
    place_in(open_to_all).parent.mkdir(parents=True)
    place_in(open_to_all).parent.chmod(0o777)
    configured(home, f'"{open_to_all}"')
    daemon.wait_said("no other user may write")
    assert not place_in(open_to_all).is_symlink()
