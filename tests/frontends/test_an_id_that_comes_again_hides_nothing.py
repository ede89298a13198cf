"""Models and servers use an id again: for another answer, another call, or for things of two kinds. All are shown."""

from __future__ import annotations

import msgspec
import pytest

from codexd_frontends.client.messages import Turn
from codexd_frontends.screen.render import TerminalScreen

from . import said
from .fake_daemon import Json

OTHER_TURN = "019a0000-0000-7000-8000-00000000a002"
EVIL = said.command("./evil.sh", "done\n", "x")
HARMLESS = said.command("ls", "a\n", "x")
ANSWER = said.agent("Only looking.", "x")
THOUGHT: Json = {"type": "reasoning", "id": "x", "summary": ["Hm."], "completedAtMs": 1}
CUT: Json = {**said.agent("Only", "x"), "phase": "partial_answer"}


def shown(*messages: Json, screen: TerminalScreen | None = None) -> str:
    screen = screen or TerminalScreen()
    return "".join(
        piece.text for message in messages for piece in screen.note(said.as_message(message))
    )


def shown_past(*items: Json) -> str:
    turn = msgspec.json.decode(msgspec.json.encode(said.turn("completed", *items)), type=Turn)
    return "".join(piece.text for piece in TerminalScreen().turn(turn))


def at(item: Json, started_ms: int) -> Json:
    return {**item, "startedAtMs": started_ms}


@pytest.mark.parametrize("before", [ANSWER, THOUGHT, said.user("x", "x"), at(HARMLESS, 1)])
def test_a_command_with_the_id_of_something_before_it_is_shown(before: Json) -> None:
    for evil in (at(EVIL, 2), at(EVIL, 3)):
        live = shown(
            said.item_completed(before), said.item_started(evil), said.item_completed(evil)
        )
        assert "$ ./evil.sh\n  done\n" in live
        assert "$ ./evil.sh\n  done\n" in shown_past(before, evil)


def test_a_command_with_the_id_of_an_answer_that_still_streams_is_shown_and_so_is_the_answer() -> (
    None
):
    live = shown(
        said.item_started(said.agent("", "x", done=False)),
        said.text_delta("Only ", "x"),
        said.item_started(said.command("./evil.sh", None, "x", "inProgress")),
        said.output_delta("done\n", "x"),
        said.text_delta("looking.", "x"),
        said.item_completed(EVIL),
        said.item_completed(ANSWER),
    )
    assert live == "Only \n$ ./evil.sh\n  done\nlooking.\n  exit 0 · 0.3 s\n"


def test_an_answer_with_the_id_of_an_earlier_answer_is_shown() -> None:
    first, second = at(ANSWER, 1), at(said.agent("Now I act.", "x"), 2)
    live = shown(
        said.item_completed(first),
        said.item_started(at(said.agent("", "x", done=False), 2)),
        said.text_delta("Now ", "x"),
        said.item_completed(second),
    )
    assert live == "Only looking.\nNow I act.\n"
    assert shown_past(first, second).startswith("Only looking.\nNow I act.\n")


def test_an_answer_with_the_id_of_an_answer_in_another_turn_is_shown() -> None:
    later = said.item_completed(ANSWER)
    later["params"] = {**later["params"], "turnId": OTHER_TURN}
    assert shown(said.item_completed(ANSWER), later) == "Only looking.\nOnly looking.\n"


def test_an_answer_with_the_id_of_a_cut_answer_in_another_turn_is_shown() -> None:
    screen = TerminalScreen()
    shown(
        said.item_started(said.agent("", "x", done=False)),
        said.text_delta("Only", "x"),
        said.turn_completed("interrupted"),
        screen=screen,
    )
    assert shown(said.item_completed(CUT), screen=screen) == ""
    later = said.item_completed(ANSWER)
    later["params"] = {**later["params"], "turnId": OTHER_TURN}
    assert shown(later, screen=screen) == "Only looking.\n"


def test_the_same_item_of_the_same_turn_is_shown_once_however_often_it_comes() -> None:
    screen = TerminalScreen()
    for item in (at(EVIL, 1), at(ANSWER, 2), at(THOUGHT, 3)):
        assert shown(said.item_completed(item), screen=screen) != ""
    for item in (at(EVIL, 1), at(ANSWER, 2), at(THOUGHT, 3)):
        again = (said.item_started(item), said.text_delta("Only", "x"), said.item_completed(item))
        assert shown(*again, screen=screen) == ""
