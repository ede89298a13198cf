"""`codexctl compact`, `pin` and `unpin`: the output for a person and for a program."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from codexd.models.scripted.scripts import Say
from codexd_frontends.ctl import main
from daemon_house import Daemon

from . import said
from .codexctl import codexctl, new_thread, playing
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]

PREVIEW = {
    "contextTokens": 18_500,
    "compactAt": 18_000,
    "history": {"userMessages": 3, "answers": 40, "tokens": 18_000},
    "kept": [
        {"seq": 2, "tokens": 12, "text": "fix the parser", "truncated": False, "pinned": False},
        {"seq": 57, "tokens": 900, "text": "a long\x1b[1m one", "truncated": True, "pinned": False},
        {"seq": 81, "tokens": 40, "text": "ok 12 tests", "truncated": False, "pinned": True},
    ],
    "keptTokens": 952,
    "lost": {"userMessages": 1, "answers": 40, "calls": 7, "outputs": 7, "tokens": 17_048},
    "compactions": 1,
    "summaryKnown": False,
}
PINS = {"pins": [{"seq": 81, "tokens": 1040, "text": "ok 12 tests"}]}


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def test_a_preview_lists_kept_and_lost_items_and_says_that_the_summary_is_not_known(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/compact/preview", PREVIEW)
        assert run(fake, "compact", said.THREAD, "--preview") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "now: 18,500 tokens in context; at 18,000 it is compacted"
    assert lines[1] == "kept, word for word: 952 tokens"
    assert [line.split()[:2] for line in lines[2:5]] == [["2", "12"], ["57", "900"], ["81", "40"]]
    assert lines[3].endswith("(cut in its middle)")
    assert lines[4].endswith("(pinned)")
    assert "\x1b" not in lines[3]
    assert lines[5] == (
        "lost, but for a summary: 17,048 tokens (messages of people and of the daemon: 1, "
        "answers: 40, tool calls: 7, outputs of tools: 7)"
    )
    assert "known only when" in lines[6]


def test_a_program_gets_the_preview_as_the_daemon_gave_it(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/compact/preview", PREVIEW)
        assert run(fake, "compact", said.THREAD, "--preview", "--json") == 0
    assert msgspec.json.decode(capfd.readouterr().out)["preview"] == PREVIEW


def test_looking_and_undoing_exclude_each_other(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        assert run(fake, "compact", said.THREAD, "--preview", "--undo") == 2


@pytest.mark.parametrize(
    ("words", "method", "told"),
    [
        (("pin", said.THREAD, "81"), "thread/pin/add", "record 81 is pinned\n"),
        (("unpin", said.THREAD, "81"), "thread/pin/remove", "record 81 is pinned no more\n"),
        (("pin", said.THREAD), "thread/pin/list", "    81    1,040  ok 12 tests\n"),
    ],
)
def test_pins_are_set_taken_away_and_listed(
    tmp_path: Path, capfd: Captured, words: tuple[str, ...], method: str, told: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(method, PINS)
        assert run(fake, *words) == 0
        asked = fake.wait_for(method)
    assert asked["threadId"] == said.THREAD
    assert asked.get("seq") == (81 if len(words) == 3 else None)
    assert capfd.readouterr().out == told


def test_no_pins_are_reported_in_a_sentence(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/pin/list", {"pins": []})
        assert run(fake, "pin", said.THREAD) == 0
    assert capfd.readouterr().out == "nothing is pinned\n"


def test_a_refused_pin_says_why(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.refuse("thread/pin/add", "record 81 takes about 9000 tokens")
        assert run(fake, "pin", said.THREAD, "81") != 0
    assert "9000 tokens" in capfd.readouterr().err


@pytest.mark.slow
def test_beside_the_real_daemon(daemon: Daemon) -> None:
    with playing(Say(("one!",)), Say(("They counted.",)), Say(("So far.",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home, "count to one")
        done = codexctl(daemon.home, "compact", thread)
        assert (done.code, done.out.split(":")[0]) == (0, f"{thread} is compacted")
        assert "They counted." not in done.out + done.err
        shown = codexctl(daemon.home, "show", thread).out
        assert "one!" in shown
        assert "the model's history was shortened here" in shown
        assert codexctl(daemon.home, "compact", thread, "--json").lines[-1]["contextTokens"] > 0
