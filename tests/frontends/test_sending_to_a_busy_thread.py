"""A prompt for a thread that is at work, waits for an approval, is reviewed, or is archived."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd_frontends.ctl import main
from daemon_house import Daemon
from paused_model import Held

from . import said
from .codexctl import approve, codexctl, holding, new_thread, playing, terminal
from .fake_daemon import FakeDaemon

KEYS = "[c] no, and stop the turn\r\n"
WORDS = tuple(f"word {n} " for n in range(20))


def running(line: str) -> Reply:
    return (Call("shell_command", json.dumps({"command": line})),)


@pytest.mark.parametrize("first", [["send", "--json", "first"], ["review", "--json", "first"]])
def test_without_a_person_a_thread_that_waits_for_an_approval_is_said_at_once(
    daemon: Daemon, first: list[str]
) -> None:
    answers = [Say((word,)) for word in ("One.", "Two.", "Three.", "Four.")]
    with playing(running("touch a"), *answers) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        waiting = codexctl(daemon.home, *first)
        assert waiting.code == 4, waiting
        thread = waiting.lines[0]["threadId"]
        sent = codexctl(daemon.home, "send", "-t", thread, "second")
        assert (sent.code, sent.out) == (4, ""), sent
        assert "another turn runs in this thread; the prompt waits for its end" in sent.err
        assert f"  codexctl approve {thread} " in sent.err
        as_json = codexctl(daemon.home, "send", "-t", thread, "--json", "third")
        assert (as_json.code, as_json.lines[-1]["status"]) == (4, "waiting")
        assert approve(daemon.home, thread).code == 0
        last = codexctl(daemon.home, "send", "-t", thread, "fourth")
        assert (last.code, last.out) == (0, "Four.\n")
    assert all(part in model.asked[-1] for part in (b"second", b"third", b"fourth"))


def test_on_a_terminal_the_approval_that_the_prompt_waits_for_is_asked(daemon: Daemon) -> None:
    with playing(running("touch b"), Say(("One.",)), Say(("Two.",))) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        thread = codexctl(daemon.home, "send", "--json", "first").lines[0]["threadId"]
        with terminal(daemon.home, "send", "-t", thread, "second") as sending:
            sending.wait_for("An earlier turn of this thread waits for an answer")
            sending.wait_for("  $ touch b\r\n")
            sending.wait_for(KEYS)
            sending.type("y\n")
            sending.wait_for("accepted\r\n")
            sending.wait_for("Two.\r\n")
            assert sending.wait_exit() == 0
        assert "One." not in sending.screen


def test_ctrl_c_takes_a_prompt_back_that_waits_for_its_turn(daemon: Daemon) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        with terminal(daemon.home, "send", "first") as first:
            first.wait_for("\r\n")
            thread = first.screen.split()[1]
            model.wait_holding()
            with terminal(daemon.home, "send", "-t", thread, "second") as second:
                second.wait_for(f"thread {thread}\r\n")
                second.wait_for("the prompt waits for its end\r\n")
                second.press_ctrl_c()
                second.wait_for("withdrawn before its turn began\r\n")
                assert second.wait_exit() == 3
            model.resume()
            assert first.wait_exit() == 0
        assert len(model.asked) == 1
        assert len(codexctl(daemon.home, "show", thread, "--json").json["turns"]) == 1


def test_an_archived_thread_takes_no_prompt(daemon: Daemon) -> None:
    with playing(Say(("One.",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
        assert codexctl(daemon.home, "archive", thread).code == 0
        refused = codexctl(daemon.home, "send", "-t", thread, "second")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert f"codexctl unarchive {thread}" in refused.err


def test_a_thread_that_is_deleted_ends_what_follows_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deleted = said.note("thread/deleted", {"threadId": said.THREAD})
    running_turn = said.turn("inProgress", said.user("count"))
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/start", {"thread": said.thread()})
        fake.answer("turn/start", {"turn": said.turn("inProgress")}, said.turn_started(), deleted)
        assert main(["--socket", fake.path, "send", "hi"]) == 1
        fake.answer("thread/resume", {"thread": said.thread(), "seq": 1}, deleted)
        fake.answer("thread/turns/list", {"data": [running_turn], "nextCursor": None})
        assert main(["--socket", fake.path, "attach", said.THREAD]) == 1
    assert capfd.readouterr().err.count(f"codexctl: thread {said.THREAD} was deleted") == 2


def test_a_prompt_whose_thread_is_put_aside_first_ends_as_interrupted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    busy = said.thread(status={"type": "active", "activeFlags": []})
    archived = said.note("thread/archived", {"threadId": said.THREAD})
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": busy, "seq": 1})
        fake.answer("turn/start", {"turn": said.turn("inProgress")}, archived)
        assert main(["--socket", fake.path, "send", "-t", said.THREAD, "hi"]) == 3
    err = capfd.readouterr().err
    assert "the prompt waits for its end" in err
    assert "withdrawn before its turn began" in err
