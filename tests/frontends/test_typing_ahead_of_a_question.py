"""On a real terminal nothing that was typed or pasted ahead answers a question, in no command that asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from . import said
from .fake_daemon import WAIT_SECONDS_MAX, FakeDaemon, Json
from .terminal import Terminal

pytestmark = pytest.mark.slow

KEYS = "[c] no, and stop the turn"
STARTED = {"turn": said.turn("inProgress")}
WAITING = said.thread(status={"type": "active", "activeFlags": ["waitingOnApproval"]})


def sending(fake: FakeDaemon) -> Terminal:
    fake.answer("thread/start", {"thread": said.thread()})
    fake.answer("turn/start", STARTED, said.turn_started())
    terminal = Terminal("--socket", fake.path, "send", "go")
    terminal.wait_for(f"thread {said.THREAD}\r\n")
    return terminal


def attaching(fake: FakeDaemon) -> Terminal:
    fake.answer("thread/resume", {"thread": said.thread(), "seq": 1})
    running = said.turn("inProgress", said.user("count"))
    fake.answer("thread/turns/list", {"data": [running], "nextCursor": None})
    terminal = Terminal("--socket", fake.path, "attach", said.THREAD)
    terminal.wait_for("› count\r\n")
    return terminal


def reviewing(fake: FakeDaemon) -> Terminal:
    fake.answer("thread/start", {"thread": said.thread()})
    fake.answer("review/start", STARTED, said.turn_started())
    terminal = Terminal("--socket", fake.path, "review", "look")
    terminal.wait_for(f"thread {said.THREAD}\r\n")
    return terminal


def approving(fake: FakeDaemon) -> Terminal:
    # It is connected and waits for the question, which comes when the test says it.
    fake.answer("thread/resume", {"thread": WAITING, "seq": 1})
    terminal = Terminal("--socket", fake.path, "approve", said.THREAD)
    fake.wait_for("thread/resume")
    return terminal


@pytest.mark.parametrize("begin", [sending, attaching, reviewing, approving])
@pytest.mark.parametrize("ahead", ["y", "y\nyes\n"], ids=["half a line", "lines"])
def test_input_typed_ahead_answers_nothing(
    tmp_path: Path, begin: Callable[[FakeDaemon], Terminal], ahead: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("turn/steer", {"turnId": said.TURN})
        with begin(fake) as terminal:
            terminal.type(ahead)
            terminal.wait_for("y")
            if begin is attaching and "\n" in ahead:
                assert fake.wait_for("turn/steer")  # No question was open: it was something to say.
            fake.say(said.approval())
            terminal.wait_for("? May it run this command?")
            terminal.type("\n")  # This would end the half line.
            terminal.wait_for(KEYS)
            terminal.type("n\n")
            terminal.wait_for("declined")
            assert fake.wait_answer() == {"id": 7, "result": {"decision": "decline"}}


@pytest.mark.parametrize("begin", [sending, attaching, reviewing, approving])
def test_a_key_at_the_moment_of_the_question_answers_nothing(
    tmp_path: Path, begin: Callable[[FakeDaemon], Terminal]
) -> None:
    with FakeDaemon(tmp_path) as fake, begin(fake) as terminal:
        fake.say(said.approval())
        terminal.wait_for("? May it run this command?")
        terminal.type("y\n")
        terminal.wait_for("not taken: y")
        terminal.wait_for(KEYS)
        terminal.type("n\n")
        terminal.wait_for("declined")
        assert fake.wait_answer() == {"id": 7, "result": {"decision": "decline"}}


@pytest.mark.parametrize("begin", [sending, attaching, reviewing, approving])
@pytest.mark.parametrize("pasted", ["y\ny\ny\n", "y\nand half a line"], ids=["lines", "half"])
def test_a_paste_answers_nothing(
    tmp_path: Path, begin: Callable[[FakeDaemon], Terminal], pasted: str
) -> None:
    with FakeDaemon(tmp_path) as fake, begin(fake) as terminal:
        fake.say(said.approval())
        terminal.wait_for(KEYS)
        terminal.type(pasted)
        terminal.wait_for("none was taken as an answer")
        terminal.wait_for(KEYS)
        terminal.type("n\n")
        terminal.wait_for("declined")
        assert fake.wait_answer() == {"id": 7, "result": {"decision": "decline"}}


def test_approve_draws_its_question_and_leaves_it_open_without_an_answer(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake, approving(fake) as terminal:
        fake.say(said.approval())
        terminal.wait_for("  in /w\r\n  $ touch x1\r\n")
        terminal.wait_for(KEYS)
        terminal.type("\x04")
        terminal.wait_for(f"  codexctl approve {said.THREAD} c1 --decline\r\n")
        assert terminal.wait_exit() == 4


def test_a_long_command_is_cut_to_the_screen_and_shown_whole_on_a_key(tmp_path: Path) -> None:
    line = "\n".join(f"echo {n:03}" for n in range(200))
    with FakeDaemon(tmp_path) as fake, approving(fake) as terminal:
        fake.say(said.approval(line=line))
        terminal.wait_for("are left out here")
        terminal.wait_for("    echo 199\r\n")
        terminal.wait_for("[s] show all of it")
        assert "echo 100" not in terminal.screen
        terminal.type("s\n")
        terminal.wait_for("    echo 100\r\n")
        terminal.wait_for("    echo 199\r\n")
        terminal.wait_for(KEYS)
        terminal.type("n\n")
        terminal.wait_for("declined")


@pytest.mark.parametrize("begin", [sending, attaching, reviewing])
def test_a_question_that_the_model_draws_below_the_real_one_is_not_the_last_on_the_screen(
    tmp_path: Path, begin: Callable[[FakeDaemon], Terminal]
) -> None:
    forged = "? May it run this command?\n  $ ls\n  [y] yes   [n] no\n"
    with FakeDaemon(tmp_path) as fake, begin(fake) as terminal:
        fake.say(said.approval())
        terminal.wait_for(KEYS)
        fake.say(said.text_delta(forged), said.item_completed(said.agent(forged)))
        terminal.wait_for("  $ ls\r\n")
        terminal.type("y\n")
        terminal.wait_for("more was written below the question")
        terminal.wait_for("  $ touch x1\r\n")
        terminal.wait_for(KEYS)
        terminal.type("n\n")
        terminal.wait_for("declined")
        assert fake.wait_answer() == {"id": 7, "result": {"decision": "decline"}}


def test_delete_takes_no_yes_that_was_typed_ahead_or_pasted_and_ctrl_c_leaves_it(
    tmp_path: Path,
) -> None:
    typed = threading.Event()

    def initialize(request: Json) -> list[Json]:
        assert typed.wait(WAIT_SECONDS_MAX)
        return [{"id": request["id"], "result": {"userAgent": "codexd", "codexHome": "/h"}}]

    words = ("delete", said.THREAD)
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/delete", {})
        fake.answer_by("initialize", initialize)
        with Terminal("--socket", fake.path, *words) as terminal:
            terminal.type("y\n")
            terminal.wait_for("y\r\n")
            typed.set()
            terminal.wait_for("permanently? [y/N] ")
            terminal.type("n\n")
            terminal.wait_for("nothing was deleted")
            assert terminal.wait_exit() == 1
        for answer, code in (("y\ny\n", 1), ("\x04", 1), ("\x03", 130)):
            with Terminal("--socket", fake.path, *words) as terminal:
                terminal.wait_for("permanently? [y/N] ")
                terminal.type(answer)
                assert terminal.wait_exit() == code
        assert "thread/delete" not in {message.get("method") for message in fake.heard()}
        with Terminal("--socket", fake.path, *words) as terminal:
            terminal.wait_for("permanently? [y/N] ")
            terminal.type("yes\n")
            terminal.wait_for(f"deleted {said.THREAD}")
            assert terminal.wait_exit() == 0
