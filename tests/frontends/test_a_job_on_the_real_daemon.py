"""codexctl exec and the daemon as they are: what a job sees, and what is left when it is killed."""

from __future__ import annotations

import signal
import subprocess

import msgspec
import pytest

from codexd.models.scripted.scripts import Say
from codexd_frontends.client.client import Daemon as Connection
from codexd_frontends.client.follow import Followed
from codexd_frontends.client.messages import TurnNote
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from paused_model import Held

from .codexctl import begin, codexctl, holding, playing
from .fake_daemon import Json

SKIP = "--skip-git-repo-check"
HALF = Held(Say(("Half", " of it.")), after=1)
# By what a job is ended, and the code with which it ends.
ENDS = {
    "killed": -signal.SIGKILL,
    "terminated": -signal.SIGTERM,
    "interrupted": 130,
    "its reader has gone": 141,
}


def test_a_job_sees_what_a_turn_did_and_the_next_one_goes_on(daemon: Daemon) -> None:
    home, lines = daemon.home, "think 2\nrun echo hi\nrun false\nsay 2 4"
    with playing() as model:
        home.use_model(model.base_url)
        first = codexctl(home, "exec", "--json", SKIP, "-c", "model_verbosity=low", stdin=lines)
        thread = first.lines[0]["thread_id"]
        again = codexctl(home, "exec", "resume", "--last", "--json", SKIP, "say 1")
        failed = codexctl(home, "exec", "--json", SKIP, "error invalid_prompt")
    assert [first.code, again.code, failed.code] == [0, 0, 1]
    with Connection.connect(str(home.socket)) as asks:
        jobs = asks.call("thread/list", {"sourceKinds": ["exec"]}, Json)["data"]
        others = asks.call("thread/list", {}, Json)["data"]  # As a picker of threads asks.
    assert thread in {job["id"] for job in jobs if job["source"] == "exec"}
    assert thread not in {other["id"] for other in others}
    kinds = [(event["type"], event.get("item", {}).get("type")) for event in first.lines]
    command_kinds = [("item.started", "command_execution"), ("item.completed", "command_execution")]
    assert [kind for kind in kinds if kind != ("item.completed", "error")] == [
        ("thread.started", None),
        ("turn.started", None),
        ("item.completed", "reasoning"),
        *command_kinds,
        *command_kinds,
        ("item.completed", "agent_message"),
        ("turn.completed", None),
    ]
    ran = [event["item"] for event in first.lines if "exit_code" in event.get("item", {})]
    assert [(item["status"], item["exit_code"], item["aggregated_output"]) for item in ran] == [
        ("in_progress", None, ""),
        ("completed", 0, "hi\n"),
        ("in_progress", None, ""),
        ("failed", 1, ""),
    ]
    used = [lines[-1]["usage"]["output_tokens"] for lines in (first.lines, again.lines)]
    assert again.lines[0]["thread_id"] == thread
    assert used[1] == used[0] + 1
    assert [event["type"] for event in failed.lines[-2:]] == ["error", "turn.failed"]
    assert failed.lines[-1]["error"]["message"] == failed.lines[-2]["message"]


def started(job: subprocess.Popen[str]) -> str:
    """The thread of a job, once its turn runs."""
    assert job.stdin is not None
    assert job.stdout is not None
    job.stdin.close()
    thread = ""
    for line in job.stdout:
        event: Json = msgspec.json.decode(line)
        thread = str(event.get("thread_id", thread))
        if event["type"] == "turn.started":
            return thread
    raise AssertionError("the turn did not start")


def end(job: subprocess.Popen[str], how: str) -> int:
    """End a job in one of the ways of `ENDS`; its code."""
    match how:
        case "killed":
            job.kill()
        case "terminated":
            job.terminate()
        case "interrupted":
            job.send_signal(signal.SIGINT)
        case _:
            assert job.stdout is not None
            job.stdout.close()
    return job.wait(PATIENCE_SECONDS)


def ending(home: Home, thread: str) -> str:
    """How the turn of a thread ends."""
    with Connection.connect(str(home.socket)) as daemon:
        followed = Followed(thread)
        followed.attach(daemon, again=True)  # With all that was since its first record.
        while True:
            message = daemon.receive(PATIENCE_SECONDS)
            assert message is not None, "the turn goes on"
            if message.method == "turn/completed":
                return msgspec.json.decode(message.params, type=TurnNote).turn.status


@pytest.mark.parametrize("how", ENDS)
def test_a_turn_ends_with_its_job(daemon: Daemon, how: str) -> None:
    with holding(HALF) as model:
        daemon.home.use_model(model.base_url)
        with begin(daemon.home, "exec", "--json", SKIP, "-") as job:
            assert job.stdin is not None
            job.stdin.write("go")
            thread = started(job)
            model.wait_holding()
            assert end(job, how) == ENDS[how]
        assert ending(daemon.home, thread) == "interrupted"


def test_a_turn_outlives_a_daemon_that_is_killed_and_still_ends_with_its_job(home: Home) -> None:
    with holding(HALF, HALF) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        with begin(home, "exec", "--json", SKIP, "go") as job:
            thread = started(job)
            model.wait_holding()
            daemon.kill()
            home.start()
            model.wait_asked(2)
            assert job.stderr is not None
            assert any("connected again" in line for line in job.stderr)
            job.kill()
            job.wait(PATIENCE_SECONDS)
        assert ending(home, thread) == "interrupted"


def test_a_prompt_that_waits_for_another_turn_is_withdrawn_with_its_job(daemon: Daemon) -> None:
    with holding(HALF, Say(("Second.",))) as model:
        daemon.home.use_model(model.base_url)
        with begin(daemon.home, "exec", "--json", SKIP, "go") as first:
            thread = started(first)
            model.wait_holding()
            with Connection.connect(str(daemon.home.socket)) as other:
                Followed(thread).attach(other)
                waits = ("exec", "resume", thread, "--json", SKIP, "wait")
                with begin(daemon.home, *waits) as second:
                    queued(other)
                    second.kill()
                    queued(other)
            model.resume()
            assert first.wait(PATIENCE_SECONDS) == 0
        assert len(model.asked) == 1


def queued(other: Connection) -> None:
    """Wait until the queue of a followed thread has changed."""
    while True:
        message = other.receive(PATIENCE_SECONDS)
        assert message is not None, "nothing was queued"
        if message.method == "thread/queue/changed":
            return


def test_a_key_pays_for_its_job_and_is_nowhere_else(daemon: Daemon) -> None:
    home, key = daemon.home, "sk-made-up-0123456789abcdef"
    with playing() as model:
        home.use_model(model.base_url, provider_more="requires_openai_auth = true")
        ended = codexctl(home, "exec", SKIP, "run env", CODEX_API_KEY=key)
        (request, *_) = model.headers
    assert ended.code == 0, ended
    assert request["authorization"] == f"Bearer {key}"
    assert key not in ended.out + ended.err
    written = [path for path in home.path.rglob("*") if path.is_file()]
    assert [path for path in written if key.encode() in path.read_bytes()] == []
