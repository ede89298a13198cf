"""`codexctl revert` and `codexctl compact --undo`: which turn is meant, and the output for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd.models.scripted.scripts import Say
from codexd_frontends.ctl import main
from daemon_house import Daemon

from . import said
from .codexctl import codexctl, playing
from .fake_daemon import FakeDaemon

Captured = pytest.CaptureFixture[str]

TURNS = [f"019a1111-0000-7000-8000-00000000000{n}" for n in range(1, 5)]  # the oldest first


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def turns(ids: list[str]) -> dict[str, Any]:
    """A page of turns, the newest first."""
    data = [{"id": id_, "items": [], "status": "completed"} for id_ in reversed(ids)]
    return {"data": data, "nextCursor": None}


def reverted(count: int) -> dict[str, Any]:
    return {"thread": said.thread(), "turns": count}


@pytest.mark.parametrize(
    ("word", "before"),
    [("-1", 3), ("-4", 0), ("0", 0), ("1", 1), ("3", 3), (TURNS[1], 2), (TURNS[2].upper(), 3)],
)
def test_the_named_turn_is_the_last_that_is_kept(
    tmp_path: Path, capfd: Captured, word: str, before: int
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/turns/list", turns(TURNS))
        fake.answer("thread/revert", reverted(4 - before))
        assert run(fake, "revert", said.THREAD, "--to", word) == 0
        asked = fake.wait_for("thread/revert")
    assert asked == {"threadId": said.THREAD, "beforeTurnId": TURNS[before]}
    out, err = capfd.readouterr()
    words = "1 turn" if before == 3 else f"{4 - before} turns"
    assert out == f"reverted {words} of {said.THREAD}; files on the disk were not changed\n"
    assert err == f"codexctl revert {said.THREAD} --undo restores them\n"


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("4", "the thread has 4"),
        ("-5", "the thread has no more"),
        (TURNS[3], "there is no later turn to revert"),
        ("019a2222-0000-7000-8000-000000000001", "the thread has no turn"),
        ("last", "no turn of the thread has an id that begins with 'last'"),
    ],
)
def test_the_last_turn_and_a_missing_turn_are_refused_by_name(
    tmp_path: Path, capfd: Captured, word: str, complaint: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/turns/list", turns(TURNS))
        assert run(fake, "revert", said.THREAD, "--to", word) == 2
    assert complaint in capfd.readouterr().err


def test_an_undo_reports_the_restored_turns(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/revert/undo", reverted(2))
        assert run(fake, "revert", said.THREAD, "--undo") == 0
    out = capfd.readouterr().out
    assert out == f"restored 2 turns of {said.THREAD}; files on the disk were not changed\n"


def test_without_a_thread_it_is_the_most_recently_used(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": [said.thread()], "nextCursor": None})
        fake.answer("thread/revert/undo", reverted(1))
        assert run(fake, "revert", "--undo", "--json") == 0
    document = msgspec.json.decode(capfd.readouterr().out)
    assert document["turns"] == 1
    assert document["thread"] == said.thread()


def test_either_where_to_or_back_must_be_said(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        assert run(fake, "revert", said.THREAD) == 2
        assert run(fake, "revert", said.THREAD, "--undo", "--to", "1") == 2
    assert "expected --to TURN or --undo" in capfd.readouterr().err


def test_a_history_that_no_longer_fits_is_announced(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(
            "thread/compact/undo",
            {"contextTokens": 250_000, "compactAt": 240_000, "fits": False, "left": True},
        )
        assert run(fake, "compact", said.THREAD, "--undo") == 0
    out, err = capfd.readouterr()
    assert "250,000 tokens" in out
    assert "the next turn compacts it again" in err
    assert "an earlier compaction still counts" in err


@pytest.mark.slow
def test_beside_the_real_daemon(daemon: Daemon) -> None:
    with playing(Say(("one!",)), Say(("two!",))) as model:
        daemon.home.use_model(model.base_url)
        codexctl(daemon.home, "send", "one?")
        codexctl(daemon.home, "send", "--last", "two?")
        done = codexctl(daemon.home, "revert", "--to", "-1")
        assert (done.code, done.out[:11]) == (0, "reverted 1 ")
        thread = done.err.split()[2]
        shown = codexctl(daemon.home, "show", thread).out
        assert "one!" in shown
        assert "two!" not in shown
        assert "two!" in codexctl(daemon.home, "log", thread, "--json").out
        assert codexctl(daemon.home, "revert", thread, "--undo").code == 0
        assert "two!" in codexctl(daemon.home, "show", thread).out
        refused = codexctl(daemon.home, "compact", thread, "--undo")
        assert refused.code != 0
        assert "there is nothing to undo" in refused.err
