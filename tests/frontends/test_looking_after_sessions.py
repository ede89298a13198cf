"""`codexctl ps`, `kill` and `type`: commands that go on after their answers, as a person sees and ends them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd_frontends.ctl import main
from codexd_frontends.screen.render import TerminalScreen
from daemon_house import Daemon

from . import said
from .codexctl import begin, codexctl, new_thread, playing
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]

SESSION = {
    "itemId": "i",
    "processId": "53100",
    "command": "printf 'a\x1b[1mb'\nmore",
    "cwd": "/w",
    "osPid": 4711,
    "threadId": said.THREAD,
    "tty": True,
    "startedAtMs": 1,
}
LIST, WRITE = "thread/backgroundTerminals/list", "thread/backgroundTerminals/write"


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def test_what_runs_is_a_line_each_and_no_command_drives_the_terminal(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(LIST, {"data": [SESSION, {**SESSION, "processId": "1000", "tty": False}]})
        assert run(fake, "ps") == 0
        lines = capfd.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["53100", "1000"]
        assert "4711" in lines[0]
        assert "\x1b" not in lines[0]
        assert lines[1].endswith("(no terminal)")
        fake.answer(LIST, {"data": [SESSION]})
        assert run(fake, "ps", said.THREAD, "--json") == 0
        shown = json.loads(capfd.readouterr().out)["sessions"]
        assert [session["processId"] for session in shown] == ["53100"]
        fake.answer(LIST, {"data": []})
        assert run(fake, "ps") == 0
        assert capfd.readouterr().out == "no command runs\n"


def test_one_is_ended_by_its_number_and_all_by_a_flag(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(LIST, {"data": [SESSION]})
        fake.answer("thread/backgroundTerminals/terminate", {"terminated": True})
        fake.answer("thread/backgroundTerminals/clean", {})
        assert run(fake, "kill", "53100") == 0
        assert run(fake, "kill", said.THREAD, "--all") == 0
        assert capfd.readouterr().out == "ended session 53100\n" * 2
        assert run(fake, "kill", "77") == 2
        complaint = capfd.readouterr().err
        assert "expected a session that runs, found '77'" in complaint
        assert "codexctl interrupt" in complaint
        for wrong in ([], [said.THREAD, "53100", "--all"]):
            assert run(fake, "kill", *wrong) == 2
            assert "expected a session or --all" in capfd.readouterr().err


TYPED = [
    (("yes",), "yes\n"),
    (("yes", "--no-return"), "yes"),
    (("--interrupt",), "\x03"),
    (("--end",), "\x04"),
    (("x", "--end"), "x\n\x04"),
]


@pytest.mark.parametrize(("words", "chars"), TYPED)
def test_what_is_typed_is_what_keys_would_send(
    tmp_path: Path, words: tuple[str, ...], chars: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(LIST, {"data": [SESSION]})
        fake.answer(WRITE, {})
        assert run(fake, "type", "53100", *words) == 0
        (heard,) = [message for message in fake.heard() if message["method"] == WRITE]
    assert heard["params"]["chars"] == chars
    assert heard["params"]["secret"] is False


def test_nothing_to_type_is_refused(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        for words in ((), ("x", "--secret")):
            assert run(fake, "type", "53100", *words) == 2
            assert "nothing was typed" in capfd.readouterr().err


def test_a_terminal_shows_what_was_typed_and_no_look() -> None:
    screen = TerminalScreen()
    typed = [said.as_message(said.typed(stdin)) for stdin in ("y\x1b[2J\n", "")]
    pieces = [piece for message in typed for piece in screen.note(message)]
    (shown,) = [piece.text for piece in pieces]
    assert shown.startswith("⌨ 53100 y")
    assert "\x1b" not in shown


@pytest.mark.slow
def test_with_the_real_daemon(daemon: Daemon) -> None:
    home = daemon.home
    asked = json.dumps({"cmd": "cat; exit 3", "tty": True, "yield_time_ms": 250})
    with playing(Call("exec_command", asked), Say(("ok",))) as model:
        home.use_model(model.base_url)
        thread = new_thread(home)
        listed = codexctl(home, "ps", thread, "--json").json["sessions"]
        (session,) = [found["processId"] for found in listed]
        assert session in codexctl(home, "ps").out
        assert codexctl(home, "type", session, "hello").code == 0
        codexctl(home, "type", session, "--end")
        gone = codexctl(home, "kill", session)
        assert gone.code in (0, 2)  # It may just have ended by itself.
        shown = codexctl(home, "show", thread).out
    assert "hello" in shown


@pytest.mark.slow
def test_a_command_that_its_turn_waits_for_is_listed_without_a_number(daemon: Daemon) -> None:
    home = daemon.home
    begun, gate = home.work / "begun", home.work / "gate"
    for pipe in (begun, gate):
        os.mkfifo(pipe)
    with playing() as model:
        home.use_model(model.base_url)
        with begin(home, "send", "run echo x > begun; read x < gate") as sending:
            begun.read_text()
            (listed,) = codexctl(home, "ps", "--json").json["sessions"]
            while (
                listed["rssKb"] is None
            ):  # A command's pid is recorded once it has run for a moment.
                (listed,) = codexctl(home, "ps", "--json").json["sessions"]
            shown = codexctl(home, "ps").out
            refused = codexctl(home, "kill", listed["threadId"])
            none = codexctl(home, "kill", listed["threadId"], "--all")
            gate.write_text("\n")
            sending.communicate()
        after = codexctl(home, "ps").out
    assert listed["processId"] == ""
    assert listed["rssKb"] > 0
    assert re.search(r" \d+\.\d%  +[0-9.]+[KMG] ", shown), shown
    assert "read x < gate" in listed["command"]
    assert shown.split()[0] == "-"
    assert "its turn waits for it" in shown
    assert (refused.code, none.code, sending.returncode) == (2, 0, 0)
    assert "codexctl interrupt THREAD" in refused.err
    assert "codexctl interrupt THREAD" in none.out
    assert after == "no command runs\n"
