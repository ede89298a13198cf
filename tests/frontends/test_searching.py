"""codexctl search, and show at the place that it found."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
MOON = "019a1111-0000-7000-8000-000000000001"
HIT = {
    "seq": 12,
    "kind": "answer",
    "turnId": "u",
    "itemId": "i",
    "snippet": "\U0001f600 the parser\x1b[31m fails",
    "ranges": [{"start": 7, "end": 13}],
}


def result() -> dict[str, object]:
    thread = said.thread(MOON, updatedAt=int(time.time()) - 3700, name="moon")
    return {"thread": thread, "snippet": HIT["snippet"], "hits": [HIT]}


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def test_a_thread_has_a_line_and_each_place_in_it_another(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/search", {"data": [result()], "nextCursor": None})
        assert run(fake, "search", "parser", "an empty", "--color", "always") == 0
        asked = fake.wait_for("thread/search")
    assert asked["searchTerm"] == 'parser "an empty"'
    out, err = capfd.readouterr()
    assert "moon" in out
    assert "the \x1b[33mparser\x1b[0m\\u{1b}[31m fails" in out
    assert "\x1b[31m" not in out
    assert f"codexctl show {MOON} --at SEQ" in err


def test_nothing_found_is_said_and_is_no_success(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/search", {"data": [], "nextCursor": None})
        assert run(fake, "search", "nowhere") == 1
        assert capfd.readouterr() == ("", "codexctl: nothing was found\n")
        assert run(fake, "search", "nowhere", "--json") == 1
    assert msgspec.json.decode(capfd.readouterr().out)["threads"] == []


def test_while_threads_are_indexed_lists_say_how_far_it_is(tmp_path: Path, capfd: Captured) -> None:
    page: Json = {"data": [], "nextCursor": None, "indexing": {"done": 3400, "total": 100_000}}
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", page)
        assert run(fake, "list") == 0
    assert capfd.readouterr().err == "codexctl: indexed 3,400 of 100,000 threads\n"


def test_show_at_a_record_shows_its_turn(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread(MOON)})
        fake.answer("thread/turns/list", {"data": [said.turn(turn_id="u7")], "nextCursor": "more"})
        assert run(fake, "show", MOON, "--at", "12") == 0
        asked = fake.wait_for("thread/turns/list")
    assert (asked["atSeq"], asked["limit"], asked["sortDirection"]) == (12, 1, "desc")
    assert "turn u7" in capfd.readouterr().out
