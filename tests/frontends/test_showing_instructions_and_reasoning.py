"""A model's instructions, as much of its reasoning as a person wants to see, and titles of threads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd_frontends.client.messages import Turn
from codexd_frontends.ctl import main
from codexd_frontends.screen.instructions import ModelInstructions
from codexd_frontends.screen.reasoning import Thoughts
from codexd_frontends.screen.render import TerminalScreen
from codexd_frontends.screen.style import PLAIN

from . import said
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]
THREAD = "019a1111-0000-7000-8000-000000000001"


def record(seq: int, kind: str, **data: Any) -> Json:
    return {"seq": seq, "at": "2026-11-21T00:00:00.000000Z", "type": kind, "data": data}


def added(seq: int, category: str, text: str, **more: Any) -> Json:
    return record(seq, "context.added", category=category, role="user", text=text, **more)


SOURCES = [{"path": "/w/AGENTS.md", "bytes": 8, "sha256": "9f"}]
LOG = [
    record(1, "thread.started", originator="t"),
    added(3, "user_instructions", "old", sources=[{"path": "/w/OLD.md", "bytes": 3}]),
    added(4, "environment", "<cwd>/w</cwd>"),
    record(5, "turn.started", turnId="t1", instructions="You are a coding agent.\nWork."),
    record(6, "turn.completed"),
    added(7, "user_instructions", "Be kind.", sources=SOURCES),
    added(8, "environment", "<cwd>/else</cwd>"),
    added(9, "turn_aborted", "stopped"),
    record(10, "turn.started", turnId="t2"),
]


def logged(fake: FakeDaemon) -> None:
    """Its log comes in two pages."""

    def page(request: Json) -> list[Json]:
        after = request["params"]["after"]
        records = LOG[after : after + 5]
        more = after + 5 if after + 5 < len(LOG) else None
        return [{"id": request["id"], "result": {"records": records, "nextAfter": more}}]

    fake.answer_by("thread/log/read", page)


def test_the_newest_of_each_is_shown_with_its_record_and_its_files(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        logged(fake)
        assert main(["--socket", fake.path, "show", THREAD, "--instructions"]) == 0
    assert capfd.readouterr().out == (
        "— instructions, record 5 —\n"
        "You are a coding agent.\n"
        "Work.\n"
        "— user instructions, record 7 —\n"
        "Be kind.\n"
        "— environment, record 4 —\n"
        "<cwd>/w</cwd>\n"
        "— environment, record 8 —\n"
        "<cwd>/else</cwd>\n"
        "— from /w/AGENTS.md: 8 bytes —\n"
    )


def test_programs_get_it_as_a_document(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        logged(fake)
        assert main(["--socket", fake.path, "show", THREAD, "--instructions", "--json"]) == 0
    shown = msgspec.json.decode(capfd.readouterr().out)
    assert shown["instructions"] == {"seq": 5, "text": "You are a coding agent.\nWork."}
    assert shown["context"]["user_instructions"] == [{"seq": 7, "text": "Be kind."}]
    assert [source["path"] for source in shown["sources"]] == ["/w/AGENTS.md"]


def test_of_a_thread_that_has_not_begun_that_is_said() -> None:
    assert list(ModelInstructions().lines(PLAIN)) == ["— nothing was sent yet —"]


def test_a_threads_own_instructions_are_those_of_its_first_record() -> None:
    told = ModelInstructions()
    own = record(1, "thread.started", originator="t", instructions="You are a cook.")
    told.take(msgspec.Raw(msgspec.json.encode(own)))
    assert list(told.lines(PLAIN))[-1] == "You are a cook."


# What it thinks.

THOUGHT: Json = {
    "type": "reasoning",
    "id": "r1",
    "summary": ["**Looking**"],
    "content": ["First the files,", "then the tests."],
}


def shown(item: Json, thoughts: Thoughts) -> list[str]:
    turn = msgspec.json.decode(msgspec.json.encode(said.turn("completed", item)), type=Turn)
    pieces = TerminalScreen(thoughts=thoughts).turn(turn)
    return "".join(piece.text for piece in pieces).splitlines()[:-1]


def test_summaries_are_shown_unless_something_else_is_wanted() -> None:
    assert shown(THOUGHT, "summary") == ["· **Looking**"]
    assert shown(THOUGHT, "none") == []
    assert shown(THOUGHT, "raw") == ["· First the files,", "· then the tests."]


def test_where_no_raw_thoughts_came_the_summary_has_to_do() -> None:
    assert shown({**THOUGHT, "content": []}, "raw") == ["· **Looking**"]


@pytest.mark.parametrize(
    ("config", "words", "first"),
    [
        ({}, (), "· **Looking**"),
        ({"hide_agent_reasoning": True}, (), "— done"),
        ({"show_raw_agent_reasoning": True}, (), "· First the files,"),
        ({"hide_agent_reasoning": True}, ("--reasoning", "raw"), "· First the files,"),
        (None, (), "· **Looking**"),
    ],
    ids=["default", "hidden", "raw", "asked", "unreadable"],
)
def test_the_config_says_how_much_unless_the_command_line_does(
    tmp_path: Path, capfd: Captured, config: Json | None, words: tuple[str, ...], first: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread(THREAD)})
        fake.answer(
            "thread/turns/list", {"data": [said.turn("completed", THOUGHT)], "nextCursor": None}
        )
        if config is None:
            fake.refuse("config/read", "c.toml:1: no")
        else:
            fake.answer("config/read", {"config": config, "origins": {}})
        assert main(["--socket", fake.path, "show", THREAD, *words]) == 0
    lines = capfd.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("— turn "))
    assert lines[at + 1].startswith(first)


# Titles.


def test_a_thread_without_a_name_is_listed_by_a_title(tmp_path: Path, capfd: Captured) -> None:
    preview = "# Fix the parser\n\nIt fails on:\n```\nx\n```"
    threads = [said.thread(THREAD, updatedAt=int(time.time()), preview=preview)]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": threads, "nextCursor": None})
        assert main(["--socket", fake.path, "list"]) == 0
    assert capfd.readouterr().out.endswith("idle      Fix the parser\n")


def test_a_name_that_comes_in_mid_answer_is_shown_after_it() -> None:
    screen = TerminalScreen()
    messages = [
        said.note("item/started", {"turnId": said.TURN, "item": said.agent("", done=False)}),
        delta("Half ", 5),
        said.note("thread/name/updated", {"threadId": THREAD, "threadName": "Moon"}),
        delta("and half", 13),
        said.note("item/completed", {"turnId": said.TURN, "item": said.agent("Half and half")}),
    ]
    pieces = [piece.text for message in messages for piece in screen.note(said.as_message(message))]
    assert "".join(pieces) == "Half and half\n— renamed to Moon —\n"


def delta(text: str, offset: int) -> Json:
    params = {"turnId": said.TURN, "itemId": "m1", "delta": text}
    return said.note("item/agentMessage/delta", params, offset=offset)
