"""A restart in the middle of turns, with ten terminals: no prompt is lost or doubled, and every terminal sees all."""

from __future__ import annotations

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from codexd.models.scripted.scripts import Say
from codexd_frontends.ctl import main
from daemon_house import PATIENCE_SECONDS, Home
from paused_model import Held

from .codexctl import Ended, begin, codexctl, holding, playing
from .fake_daemon import FakeDaemon, Json

TERMINALS, PROMPTS = 10, 10


def test_ten_terminals_and_ten_prompts_come_through_restarts(home: Home) -> None:
    # Each prompt makes a command run, and then the model say something: a restart meets all of that.
    with playing() as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        threads = [sent(codexctl(home, "send", "--json", "say 1")) for _ in range(2)]
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(PROMPTS) as pool:
            attached = [
                stack.enter_context(begin(home, "attach", "--json", threads[n % 2]))
                for n in range(TERMINALS)
            ]
            for terminal in attached:
                first_line(terminal)
            prompts = [f"run echo {n}\nsay 20 {n + 2}" for n in range(PROMPTS)]
            sending = [
                pool.submit(codexctl, home, "send", "-t", threads[n % 2], prompt)
                for n, prompt in enumerate(prompts)
            ]
            for _ in range(2):
                done = codexctl(home, "restart", "--wait", "0", "--json")
                assert done.code == 0, done
                assert done.json["pid"] == daemon.pid
            ended = [future.result(PATIENCE_SECONDS) for future in sending]
            assert [end.code for end in ended] == [0] * PROMPTS, ended
            seen = [completed(terminal, PROMPTS // 2) for terminal in attached]
        for at, thread in enumerate(threads):
            shown = codexctl(home, "show", thread, "--json", "--turns", "all").json["turns"]
            asked = [text for turn in shown for text in texts(turn, "userMessage")]
            assert sorted(asked) == sorted(["say 1", *prompts[at::2]])
            assert [turn["status"] for turn in shown] == ["completed"] * (1 + PROMPTS // 2)
            # What each terminal was told is what the log has, once and in its order.
            items = [item["id"] for turn in shown[1:] for item in turn["items"]]
            for told in seen[at::2]:
                assert told == items
        assert daemon.stop() == 0


def sent(ended: Ended) -> str:
    assert ended.code == 0, ended
    return str(ended.lines[0]["threadId"])


def first_line(terminal: subprocess.Popen[str]) -> Json:
    assert terminal.stdout is not None
    line: Json = msgspec.json.decode(terminal.stdout.readline())
    return line


def completed(terminal: subprocess.Popen[str], turns: int) -> list[str]:
    """The ids of the items that a terminal was told of, up to the end of so many turns."""
    items: list[str] = []
    while turns:
        message = first_line(terminal)
        if message.get("method") == "item/completed":
            items.append(message["params"]["item"]["id"])
        turns -= message.get("method") == "turn/completed"
    terminal.kill()
    return items


def texts(turn: Json, kind: str) -> list[str]:
    return [
        part["text"] for item in turn["items"] if item["type"] == kind for part in item["content"]
    ]


def test_a_restart_lets_an_answer_come_to_its_end_or_has_it_asked_for_again(home: Home) -> None:
    words = ("one", "two", "three", "four", "five")
    held = Held(Say(words), after=2)
    with holding(held, held) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew()
        with begin(home, "send", "hello") as sending:
            model.wait_holding()
            assert codexctl(home, "restart", "--wait", "0", "--json").json["cut"] == 1
            model.wait_asked(2)
            model.wait_holding()
            with begin(home, "restart", "--wait", "60", "--json") as restarting:
                daemon.wait_said("have 60 s to come to their ends")
                model.resume()
                out, _ = restarting.communicate(timeout=PATIENCE_SECONDS)
            assert msgspec.json.decode(out)["cut"] == 0
            out, err = sending.communicate(timeout=PATIENCE_SECONDS)
        assert (sending.returncode, out) == (0, "onetwothreefourfive\n"), err
        assert len(model.asked) == 2


def test_a_daemon_that_drains_is_stopped_at_once_by_a_second_signal(home: Home) -> None:
    with holding(Held(Say(("one", "two")), after=1)) as model:
        home.use_model(model.base_url)
        daemon = home.start_anew("--drain", "60")
        with begin(home, "send", "--json", "hello") as sending:
            model.wait_holding()
            daemon.terminate()
            daemon.wait_said("stopping: the next daemon takes up what runs")
            assert daemon.process.poll() is None
            daemon.terminate()
            daemon.wait_said("stopping at once")
            assert daemon.wait() == 0
            sending.kill()


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        ("0.0.9", "`codexctl restart` starts the newer one"),
        ("9.1", "use the codexctl of codexd 9.1"),
    ],
)
def test_a_client_of_another_version_is_told_what_to_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], version: str, advice: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        agent = {"userAgent": f"codexd/0.169.0 (Linux) codexd/{version} (codexctl; 1)"}
        fake.answer("initialize", agent)
        fake.refuse("thread/list", "unknown method", -32601)
        assert main(["--socket", fake.path, "list"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"codexctl: unknown method (codexd {version} runs, and this is ")
    assert advice in said
