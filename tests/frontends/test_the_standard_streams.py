"""The standard streams of codexctl: closed, full, without the characters, or no terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from codexd.models.scripted.scripts import Cut, Say
from daemon_house import PATIENCE_SECONDS, Daemon, Home

from .codexctl import Ended, codexctl, new_thread, playing

ANSWER = Say(("The answer ", "is 42."))
CODEXCTL = f"{sys.executable} -m codexd_frontends.ctl"


def in_shell(home: Home, words: str, *, shell: str = "/bin/sh", **env: str) -> Ended:
    """Run codexctl with redirections of a shell."""
    done = subprocess.run(
        [shell, "-c", f"{CODEXCTL} {words}"],
        check=False,
        env={**home.env, **env},
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_without_stdin_an_answer_comes_as_ever(daemon: Daemon) -> None:
    with playing(ANSWER) as model:
        daemon.home.use_model(model.base_url)
        sent = in_shell(daemon.home, "send x <&-")
    assert (sent.code, sent.out) == (0, "The answer is 42.\n"), sent


def test_without_stderr_the_answer_comes_as_ever(daemon: Daemon) -> None:
    whole = codexctl(daemon.home, "paths")
    for closed in ("2>&-", "2>/dev/full"):
        assert in_shell(daemon.home, f"paths {closed}") == whole._replace(err="")
        with playing(ANSWER) as model:
            daemon.home.use_model(model.base_url)
            sent = in_shell(daemon.home, f"send x {closed}")
        assert sent == (0, "The answer is 42.\n", "")


@pytest.mark.parametrize(
    "words", ["list --limit 1000", "list --json", "paths", "--version", "list --help"]
)
def test_without_stdout_nothing_crashes(daemon: Daemon, words: str) -> None:
    assert in_shell(daemon.home, f"{words} >&-") == (0, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(
    "words",
    ["list --limit 1000", "list --json", "show nosuch --json", "paths", "--version", "list --help"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_of_stdout_is_reported_in_a_line(
    daemon: Daemon, words: str, unbuffered: str
) -> None:
    with playing(ANSWER) as model:
        daemon.home.use_model(model.base_url)
        new_thread(daemon.home)
    full = in_shell(daemon.home, f"{words} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    problem = "codexctl: stdout cannot be written: No space left on device\n"
    assert full == (1, "", problem)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_turn_whose_answer_cannot_be_written_is_said_to_be_seen_elsewhere(daemon: Daemon) -> None:
    with playing(ANSWER) as model:
        daemon.home.use_model(model.base_url)
        sent = in_shell(daemon.home, "send x >/dev/full")
        thread = sent.err.split()[1]
        seen = f"  codexctl attach {thread}\n"
        assert sent.code == 1
        assert sent.err.endswith(
            f"{seen}codexctl: stdout cannot be written: No space left on device\n"
        )
        assert "The answer is 42." in codexctl(daemon.home, "show", thread).out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_app_server_ends_without_a_traceback_on_a_full_disk(daemon: Daemon) -> None:
    request = '{"id": 1, "method": "nosuch"}'
    full = in_shell(daemon.home, f"app-server >/dev/full <<'END'\n{request}\nEND")
    assert full == (1, "", "codexctl: stdout cannot be written: No space left on device\n")


def test_a_closed_reader_is_no_error(daemon: Daemon) -> None:
    for words in ("list --limit 1000", "show nosuch --json", "--help"):
        closed = in_shell(
            daemon.home, f"{words} | true; exit ${{PIPESTATUS[0]}}", shell="/bin/bash"
        )
        assert closed.code in (0, 2, 141), closed
        assert closed.err == ""


def test_characters_that_the_locale_lacks_are_replaced(daemon: Daemon) -> None:
    with playing(Say(("done \N{PARTY POPPER}",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    shown = in_shell(daemon.home, f"show {thread}", **ascii_only)
    assert shown.code == 0, shown
    assert "done \\U0001f389" in shown.out


def test_a_home_that_cannot_be_made_is_named(home: Home) -> None:
    failed = codexctl(home, "list", CODEXD_HOME="/proc/nosuch")
    assert (failed.code, failed.out, failed.err.count("\n")) == (69, "", 1)
    assert "/proc/nosuch" in failed.err


@pytest.mark.parametrize("beginning", ["The answer is ", "I believe that it "])
def test_a_pipe_gets_no_answer_that_was_cut_off_and_asked_for_again(
    daemon: Daemon, beginning: str
) -> None:
    with playing((Cut((beginning,)),), ANSWER) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "x")
    assert (sent.code, sent.out) == (0, "The answer is 42.\n"), sent


def test_a_pipe_gets_the_beginning_of_an_answer_that_stays_cut_off(daemon: Daemon) -> None:
    with playing(Cut(("The answer is ",)), Cut(("I believe ",))) as model:
        daemon.home.use_model(model.base_url, provider_more="stream_max_retries = 1")
        sent = codexctl(daemon.home, "send", "x")
    assert (sent.code, sent.out) == (1, "I believe \n"), sent
