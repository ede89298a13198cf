"""`codexctl service logs` where the log is a file, and what `codexctl service` says where there is no manager."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from daemon_house import PATIENCE_SECONDS, Home

from .codexctl import begin, codexctl

THREAD = "019a0000-0000-7000-8000-000000000001"


@pytest.fixture
def log(home: Home) -> Path:
    """The log of a daemon that codexctl has started, with the file before it."""
    state = home.path / "state"
    state.mkdir(parents=True, mode=0o700)
    (state / "codexd.log.1").write_text("oldest\nolder\n")
    (state / "codexd.log").write_text(f"old \x1b[2J\nthread {THREAD}: new\n")
    return state / "codexd.log"


def test_the_last_lines_are_shown_across_the_files(home: Home, log: Path) -> None:
    shown = codexctl(home, "service", "logs", "--lines", "3")
    assert shown.out == f"older\nold \\u{{1b}}[2J\nthread {THREAD}: new\n"
    assert codexctl(home, "service", "logs", "--thread", THREAD).out == f"thread {THREAD}: new\n"
    log.unlink()
    log.with_name("codexd.log.1").unlink()
    none = codexctl(home, "service", "logs")
    assert (none.code, none.err) == (
        1,
        f"codexctl: expected the daemon's log at {log}, found none\n",
    )


def test_what_is_added_is_shown_also_in_a_new_file(home: Home, log: Path) -> None:
    with begin(home, "service", "logs", "--follow", "--lines", "1") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == f"thread {THREAD}: new\n"
        with log.open("a") as file:
            file.write("added\nnot yet a li")
        assert following.stdout.readline() == "added\n"
        log.rename(log.with_name("codexd.log.1"))
        log.write_text("of the next file\n")
        assert following.stdout.readline() == "of the next file\n"
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=PATIENCE_SECONDS)
    assert following.returncode == 0


def test_where_no_manager_answers_nothing_is_installed(home: Home) -> None:
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS") or Path(f"/run/user/{os.getuid()}/bus").exists():
        pytest.skip("a manager answers here")
    refused = codexctl(home, "service", "install")
    assert refused.code == 69
    assert "codexctl starts the daemon by itself; nothing was done" in refused.err
    assert not (home.root / ".config").exists()
    planned = codexctl(home, "service", "install", "--dry-run")
    assert planned.code == 0, planned
    assert f"ListenStream={home.socket}\n" in planned.out
    assert f'Environment="CODEXD_HOME={home.path}"\n' in planned.out
    assert "systemctl --user enable codexd.socket codexd.service\n" in planned.out
    assert not (home.root / ".config").exists()
