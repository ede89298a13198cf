"""codexctl send, from the arguments to the exit code."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from codexd_frontends.client.passed_env import passed_variables
from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon, Json

TURN_STARTED = {"turn": said.turn("inProgress")}


def starting(fake: FakeDaemon, *then: Json) -> None:
    """Let a turn be started, and say `then` right behind the answer."""
    fake.answer("thread/start", {"thread": said.thread()})
    fake.answer("thread/resume", {"thread": said.thread(), "seq": 1})
    fake.answer("turn/start", TURN_STARTED, *then)


def hello() -> list[Json]:
    """A turn that says hello, and runs a command."""
    return [
        said.turn_started(seq=2),
        said.item_started(said.user("say hello", client_id="somebody"), seq=3),
        said.item_completed(said.command("date", "Saturday\n"), seq=4),
        said.text_delta("Hel", seq=5, offset=3),
        said.text_delta("lo.", seq=5, offset=6),
        said.item_completed(said.agent("Hello."), seq=6),
        said.turn_completed(seq=7),
    ]


def test_the_answer_goes_to_stdout_and_the_talk_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *hello())
        assert main(["--socket", fake.path, "send", "say hello"]) == 0
    out, err = capfd.readouterr()
    assert out == "Hello.\n"
    assert err == (f"thread {said.THREAD}\n› say hello\n$ date\n  Saturday\n  exit 0 · 0.3 s\n")


def test_a_new_thread_works_in_the_current_folder(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *hello())
        assert main(["--socket", fake.path, "send", "-m", "big", "hi"]) == 0
        asked = fake.wait_for("thread/start")
        assert asked.pop("idempotencyKey")  # with which it can be sent again after a restart
        assert asked == {"cwd": os.getcwd(), "model": "big"}
        params = fake.wait_for("turn/start")
    key = params.pop("clientUserMessageId")
    assert params.pop("updateEnvironment") == passed_variables()
    assert params == {
        "threadId": said.THREAD,
        "input": [{"type": "text", "text": "hi"}],
        "idempotencyKey": key,
        "model": "big",
    }


@pytest.mark.parametrize(
    ("where", "method"), [(["--new"], "thread/start"), (["-t", said.THREAD], "thread/resume")]
)
def test_a_setting_of_the_command_line_is_of_the_thread(
    tmp_path: Path, where: list[str], method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ["-c", "features.shell_tool=false", "-c", "notify=[]", "--config", "modle=m"]
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *hello())
        assert main(["--socket", fake.path, "send", *where, *settings, "hi"]) == 0
        assert fake.wait_for(method)["config"] == {
            "features.shell_tool": False,
            "notify": [],
            "modle": "m",
        }
    talk = capfd.readouterr().err
    assert "-c modle is no setting of one thread and was ignored; did you mean model?" in talk
    assert "-c notify is no setting of one thread and was ignored; `codexctl config set`" in talk
    assert "shell_tool" not in talk


def test_an_old_thread_keeps_its_other_settings(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *hello())
        words = ["send", "-t", said.THREAD, "-C", str(tmp_path), "--effort", "high", "hi"]
        assert main(["--socket", fake.path, *words]) == 0
        assert fake.wait_for("thread/resume") == {"threadId": said.THREAD, "excludeTurns": True}
        params = fake.wait_for("turn/start")
    assert (params["cwd"], params["effort"]) == (str(tmp_path), "high")
    assert "model" not in params


def test_json_gives_the_messages_between_a_first_and_a_last_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *hello())
        assert main(["send", "--socket", fake.path, "--json", "hi"]) == 0
    out, err = capfd.readouterr()
    first, *messages, last = map(msgspec.json.decode, out.splitlines())
    assert first == {"schema": 1, "threadId": said.THREAD, "turnId": said.TURN}
    assert messages == hello()
    assert last == {"schema": 1, "exit": 0, "status": "completed", "error": None}
    assert err == ""


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("interrupted", 3)])
def test_the_exit_code_says_how_the_turn_ended(tmp_path: Path, status: str, code: int) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, said.turn_completed(status))
        assert main(["--socket", fake.path, "send", "hi"]) == code


def test_other_turns_and_other_threads_are_not_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other_turn = "019a0000-0000-7000-8000-00000000a0ff"
    theirs = said.text_delta("theirs")
    theirs["params"]["turnId"] = other_turn
    elsewhere = said.text_delta("elsewhere")
    elsewhere["params"]["threadId"] = "019a0000-0000-7000-8000-0000000000ff"
    with FakeDaemon(tmp_path) as fake:
        starting(
            fake, theirs, elsewhere, said.turn_completed("failed", turn_id=other_turn), *hello()
        )
        assert main(["--socket", fake.path, "send", "--last", "hi"]) == 2  # No list is scripted.
        assert main(["--socket", fake.path, "send", "-t", said.THREAD, "hi"]) == 0
    assert capfd.readouterr().out == "Hello.\n"


def test_without_a_person_an_approval_stays_open(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake, said.turn_started(), said.approval())
        assert main(["--socket", fake.path, "send", "hi"]) == 4
    assert capfd.readouterr().err == (
        f"thread {said.THREAD}\n"
        "? May it run this command?\n"
        "  the model says: May I do this?\n"
        "  in /w\n"
        "  $ touch x1\n"
        "It waits for an answer; give it with one of\n"
        f"  codexctl approve {said.THREAD} c1\n"
        f"  codexctl approve {said.THREAD} c1 --decline\n"
        f"  codexctl approve {said.THREAD} c1 --no 'do this instead'\n"
    )


def test_ctrl_c_interrupts_the_turn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def start(request: Json) -> list[Json]:
        os.kill(os.getpid(), signal.SIGINT)
        return [{"id": request["id"], "result": TURN_STARTED}, said.turn_started()]

    def interrupt(request: Json) -> list[Json]:
        return [{"id": request["id"], "result": {}}, said.turn_completed("interrupted")]

    with FakeDaemon(tmp_path) as fake:
        starting(fake)
        fake.answer_by("turn/start", start)
        fake.answer_by("turn/interrupt", interrupt)
        assert main(["--socket", fake.path, "send", "hi"]) == 3
        asked = fake.wait_for("turn/interrupt")
    assert asked == {"threadId": said.THREAD, "turnId": said.TURN}
    assert capfd.readouterr().err.endswith(
        "interrupting; Ctrl-C again leaves at once\ninterrupted after 1.2 s\n"
    )


def test_a_second_ctrl_c_leaves_at_once_and_says_where_the_turn_is_seen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def start(request: Json) -> list[Json]:
        os.kill(os.getpid(), signal.SIGINT)
        return [{"id": request["id"], "result": TURN_STARTED}]

    def interrupt(_request: Json) -> list[Json]:
        os.kill(os.getpid(), signal.SIGINT)
        return []

    with FakeDaemon(tmp_path) as fake:
        starting(fake)
        fake.answer_by("turn/start", start)
        fake.answer_by("turn/interrupt", interrupt)
        assert main(["--socket", fake.path, "send", "hi"]) == 130
    assert f"shown by\n  codexctl attach {said.THREAD}\n" in capfd.readouterr().err


@pytest.mark.parametrize("prompt", ["", "   ", "\n"])
def test_an_empty_prompt_is_not_sent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], prompt: str
) -> None:
    assert main(["--socket", str(tmp_path / "s"), "send", prompt]) == 2
    assert capfd.readouterr().err == "codexctl: the prompt is empty; nothing was sent\n"


def test_a_missing_directory_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake)
        gone = tmp_path / "gone"
        assert main(["--socket", fake.path, "send", "-C", str(gone), "hi"]) == 2
    assert f"{gone} is no directory; nothing was sent" in capfd.readouterr().err


def test_a_refusal_has_the_daemons_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake)
        fake.refuse("turn/start", "the thread is archived")
        assert main(["--socket", fake.path, "send", "hi"]) == 2
        assert main(["--socket", fake.path, "send", "--json", "hi"]) == 2
    out, err = capfd.readouterr()
    assert err == "codexctl: the thread is archived\n"
    assert msgspec.json.decode(out) == {
        "schema": 1,
        "error": {"code": "usage", "message": "the thread is archived", "reason": "no_way"},
    }


def test_a_daemon_that_ends_is_reported_and_may_be_tried_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        starting(fake)

        def cut(_request: Json) -> list[Json]:
            fake.hang_up()
            return []

        fake.answer_by("turn/start", cut)
        assert main(["--socket", fake.path, "send", "hi"]) == 75
    assert capfd.readouterr().err == "codexctl: the daemon closed the connection\n"


def test_a_thread_that_stops_is_reported_and_not_waited_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error = {"message": "The thread has stopped.", "additionalDetails": "Input/output error"}
    params = {"error": error, "willRetry": False, "threadId": said.THREAD, "turnId": said.TURN}
    stops = [said.note("error", params), said.note("thread/closed", {"threadId": said.THREAD})]
    with FakeDaemon(tmp_path) as fake:
        starting(fake, *stops)
        assert main(["--socket", fake.path, "send", "hi"]) == 1
    _, err = capfd.readouterr()
    assert "The thread has stopped." in err
    assert "Input/output error" in err
    assert f"  codexctl attach {said.THREAD}\n" in err


def test_a_full_disk_may_be_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon(tmp_path) as fake:
        no_space = "no space: nothing was appended"
        fake.refuse("thread/start", no_space, -32603, reason="disk_full")
        assert main(["--socket", fake.path, "send", "hi"]) == 75
    assert capfd.readouterr().err == "codexctl: no space: nothing was appended\n"
