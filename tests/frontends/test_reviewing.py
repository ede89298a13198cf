"""codexctl review: the request to the daemon, and where each part of the answer goes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codexd.models.scripted.scripts import Call, Say
from codexd_frontends.client.passed_env import passed_variables
from codexd_frontends.ctl import main
from daemon_house import Daemon, Home
from hostile_repositories import made

from . import said
from .codexctl import approve, codexctl, playing
from .fake_daemon import FakeDaemon, Json

FINDING: Json = {
    "title": "[P1] Close the file",
    "body": "It stays open.",
    "confidence_score": 0.9,
    "priority": 1,
    "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 3, "end": 5}},
}
TEXT = "It leaks.\n\nReview comment:\n\n- [P1] Close the file — /w/a.py:3-5\n  It stays open."
OUTPUT: Json = {
    "findings": [FINDING],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "It leaks.",
    "overall_confidence_score": 0.8,
}


def reviewing(fake: FakeDaemon) -> None:
    """Let a review be started, and end with a finding."""
    fake.answer("thread/start", {"thread": said.thread()})
    fake.answer("thread/resume", {"thread": said.thread(), "seq": 1})
    exited = {"type": "exitedReviewMode", "id": "t/review/end", "review": TEXT, "output": OUTPUT}
    fake.answer(
        "review/start",
        {"turn": said.turn("inProgress"), "reviewThreadId": said.THREAD},
        said.turn_started(seq=2),
        said.item_completed(
            {"type": "enteredReviewMode", "id": "e", "review": "current changes"}, seq=3
        ),
        said.item_completed(said.command("git diff", "+x\n"), seq=3),
        said.item_completed(exited, seq=4),
        said.item_completed(said.agent(TEXT, "t/review/end/answer"), seq=4),
        said.turn_completed(seq=5),
    )


def test_the_findings_go_to_stdout_and_what_the_reviewer_does_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        reviewing(fake)
        assert main(["--socket", fake.path, "review"]) == 0
        started = fake.wait_for("thread/start")
        assert started.pop("idempotencyKey")
        assert started == {"cwd": os.getcwd()}
        asked = fake.wait_for("review/start")
        assert (asked["threadId"], asked["target"]) == (said.THREAD, {"type": "uncommittedChanges"})
        assert asked["updateEnvironment"] == passed_variables()
    out, err = capfd.readouterr()
    assert out == TEXT + "\n"
    assert err == (
        f"thread {said.THREAD}\nreview of: current changes\n$ git diff\n  +x\n  exit 0 · 0.3 s\n"
    )


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["--uncommitted"], {"type": "uncommittedChanges"}),
        (["--base", "main"], {"type": "baseBranch", "branch": "main"}),
        (["--commit", "0f3a9c1"], {"type": "commit", "sha": "0f3a9c1"}),
        (["the"], {"type": "custom", "instructions": "the"}),
    ],
    ids=["uncommitted", "base", "commit", "prompt"],
)
def test_the_target_of_a_review_is_one_argument(
    tmp_path: Path, words: list[str], target: Json
) -> None:
    with FakeDaemon(tmp_path) as fake:
        reviewing(fake)
        assert main(["--socket", fake.path, "review", "-t", said.THREAD, *words]) == 0
        assert fake.wait_for("thread/resume") == {"threadId": said.THREAD, "excludeTurns": True}
        assert fake.wait_for("review/start")["target"] == target


@pytest.mark.parametrize(
    "words",
    [["--base", "a", "--commit", "b"], ["--base", "a", "look"], ["--uncommitted", "look"], [" "]],
    ids=["two flags", "a branch and a prompt", "a flag and a prompt", "blank"],
)
def test_two_things_at_once_are_refused(
    tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        assert main(["--socket", fake.path, "review", *words]) == 2
    assert "codexctl" in capfd.readouterr().err


def test_json_ends_with_the_findings_member_by_member(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        reviewing(fake)
        assert main(["--socket", fake.path, "review", "--json"]) == 0
    first, *_, last = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (first["threadId"], first["turnId"]) == (said.THREAD, said.TURN)
    assert (last["exit"], last["status"], last["text"]) == (0, "completed", TEXT)
    assert last["review"] == OUTPUT


def repository(root: Path) -> Path:
    """A folder with a repository and a branch."""
    repo = made(root)
    repo.git("checkout", "-qB", "main")
    return repo.folder


def test_a_review_of_a_real_daemon_is_listed_by_its_subject_and_raises_no_alarm(
    home: Home, tmp_path: Path
) -> None:
    look = Call("shell_command", json.dumps({"command": "echo looking"}))
    daemon = home.start()
    home.work = repository(tmp_path)
    with playing((look,), (Say(("Here: ", json.dumps(OUTPUT))),)) as model:
        home.use_model(model.base_url)
        done = codexctl(home, "review", "--base", "main")
    assert (done.code, done.out) == (0, TEXT + "\n")
    _, entered, *talk = done.err.splitlines()
    assert entered == "review of: changes against 'main'"
    assert talk[:2] == ["$ echo looking", "  looking"]
    assert codexctl(home, "list").out.endswith("  review of: changes against 'main'\n")
    daemon.stop()
    assert not any(daemon.said(word) for word in ("ERROR", "WARNING", "Traceback"))


def test_an_unknown_revision_is_refused_before_a_model_is_asked(home: Home, tmp_path: Path) -> None:
    home.work = repository(tmp_path)
    with playing(Say((json.dumps(OUTPUT),))) as model:
        home.use_model(model.base_url)
        home.start()
        for words in (
            ["--base", "nosuch"],
            ["--base=--all"],
            ["--base", "@{u}"],
            ["--base", "main..main"],
            ["--base", "main:a.txt"],
            ["--commit", "0f3a9c1"],
        ):
            refused = codexctl(home, "review", *words)
            assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
            assert repr(words[-1].removeprefix("--base=")) in refused.err
            assert "no review began" in refused.err
        assert codexctl(home, "list") == (0, "", "")
        assert codexctl(home, "review", "--commit", "HEAD~0").code == 0
        assert len(model.asked) == 1
        home.work = tmp_path
        nowhere = codexctl(home, "review", "--base", "main")
        assert (nowhere.code, nowhere.out) == (2, "")
        assert "not a git repository" in nowhere.err
        assert len(model.asked) == 1


@pytest.mark.slow
def test_the_reviewers_questions_are_answered_with_approve(daemon: Daemon) -> None:
    look = Call("shell_command", json.dumps({"command": "touch it; echo looking"}))
    with playing((look,), (Say((json.dumps(OUTPUT),)),)) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        asked = codexctl(daemon.home, "review")
        assert asked.code == 4
        thread = asked.err.split()[1]
        assert approve(daemon.home, thread).code == 0
