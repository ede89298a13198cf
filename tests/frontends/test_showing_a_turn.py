"""A turn on a screen: whole screens are compared."""

from __future__ import annotations

import msgspec
import pytest

from codexd_frontends.client.messages import Turn
from codexd_frontends.screen.render import Piece, TerminalScreen
from codexd_frontends.screen.style import Style

from . import said
from .said import Json


def shown(*messages: Json, screen: TerminalScreen | None = None) -> str:
    screen = screen or TerminalScreen()
    return "".join(
        piece.text for said_ in messages for piece in screen.note(said.as_message(said_))
    )


def shown_past(turn: Json, screen: TerminalScreen | None = None) -> str:
    read = msgspec.json.decode(msgspec.json.encode(turn), type=Turn)
    return "".join(piece.text for piece in (screen or TerminalScreen()).turn(read))


OUTPUT = "".join(f"line {n}\n" for n in range(1, 31))
ITEMS = (
    said.user("make it so"),
    said.agent("First I look.\n\nThen I act."),
    said.command("seq 30", OUTPUT),
    said.agent("Done.", "m2"),
)
WHOLE_TURN = """\
› make it so
First I look.

Then I act.
$ seq 30
  line 1
  line 2
  line 3
  line 4
  line 5
  line 6
  line 7
  line 8
  … 18 more lines
  line 27
  line 28
  line 29
  line 30
  exit 0 · 0.3 s
Done.
— done after 1.2 s —
"""


def live(text_bytes: int, output_bytes: int) -> list[Json]:
    """The turn of ITEMS as it happens, its text and output cut into pieces of these sizes."""
    user, first, command, last = ITEMS
    started = said.command("seq 30", None, status="inProgress")
    text = first["text"]
    return [
        said.turn_started(),
        said.item_started(user),
        said.item_completed(user),
        said.item_started(said.agent("", done=False)),
        *(
            said.text_delta(text[at : at + text_bytes], offset=min(at + text_bytes, len(text)))
            for at in range(0, len(text), text_bytes)
        ),
        said.item_completed(first),
        said.item_started(started),
        *(
            said.output_delta(
                OUTPUT[at : at + output_bytes], offset=min(at + output_bytes, len(OUTPUT))
            )
            for at in range(0, len(OUTPUT), output_bytes)
        ),
        said.item_completed(command),
        said.item_started(said.agent("", "m2", done=False)),
        said.item_completed(last),
        said.turn_completed(),
    ]


@pytest.mark.parametrize("text_bytes", [1, 3, 100])
@pytest.mark.parametrize("output_bytes", [1, 7, 1000])
def test_a_live_turn_looks_the_same_however_it_is_cut(text_bytes: int, output_bytes: int) -> None:
    assert shown(*live(text_bytes, output_bytes)) == WHOLE_TURN


def test_a_past_turn_looks_like_a_live_turn() -> None:
    assert shown_past(said.turn("completed", *ITEMS)) == WHOLE_TURN


@pytest.mark.parametrize("seen", range(1, len(live(5, 50))))
def test_items_that_come_twice_are_shown_once(seen: int) -> None:
    messages = live(5, 50)
    assert shown(*messages[:seen], *messages) == WHOLE_TURN


def test_a_client_that_attaches_in_mid_answer_sees_the_same_in_the_end() -> None:
    screen = TerminalScreen()
    running = said.turn("inProgress", ITEMS[0], said.agent("First I l", done=False))
    seen = shown_past(running, screen)
    assert seen == "› make it so\nFirst I l"
    rest = shown(said.text_delta("ook.", offset=13), *live(4, 50)[8:], screen=screen)
    assert seen + rest == WHOLE_TURN


def test_a_client_that_attaches_while_a_command_runs_sees_the_same_in_the_end() -> None:
    screen = TerminalScreen()
    running = said.command("seq 30", "line 1\nli", status="inProgress")
    seen = shown_past(said.turn("inProgress", *ITEMS[:2], running), screen)
    rest = shown(
        said.output_delta("ne 2\nline 3\n", offset=21),
        said.item_completed(ITEMS[2]),
        said.item_completed(ITEMS[3]),
        said.turn_completed(),
        screen=screen,
    )
    assert seen + rest == WHOLE_TURN


def test_a_delta_after_a_gap_waits_for_the_whole() -> None:
    text = said.agent("one two three")
    assert (
        shown(
            said.item_started(said.agent("", done=False)),
            said.text_delta("one ", offset=4),
            said.text_delta("three", offset=13),
            said.item_completed(text),
        )
        == "one two three\n"
    )


def test_the_whole_text_counts() -> None:
    assert (
        shown(
            said.text_delta("I think"),
            said.item_completed(said.agent("It is so.")),
        )
        == "I think\nIt is so.\n"
    )


def test_deltas_without_an_offset_follow_each_other() -> None:
    assert shown(said.text_delta("ä"), said.text_delta("ö")) == "äö"


def test_an_interrupted_turn_keeps_its_text() -> None:
    assert (
        shown(
            said.item_started(said.agent("", done=False)),
            said.text_delta("I was abou"),
            said.turn_completed("interrupted"),
        )
        == "I was abou\ninterrupted after 1.2 s\n"
    )


def test_a_failed_turn_says_why_and_says_it_once() -> None:
    error = {"message": "The model is gone.", "additionalDetails": "connection refused"}
    retry = {"message": "Reconnecting... 1/5", "additionalDetails": "status 401"}
    of_turn = {"threadId": said.THREAD, "turnId": said.TURN}
    assert (
        shown(
            said.note("error", {**of_turn, "error": retry, "willRetry": True}),
            said.note("error", {**of_turn, "error": error, "willRetry": False}),
            said.turn_completed("failed", error=error),
        )
        == "Reconnecting... 1/5\n  status 401\nfailed: The model is gone.\n  connection refused\n"
    )


def test_commands_that_did_not_end_well_say_how() -> None:
    assert shown_past(
        said.turn(
            "completed",
            said.command("false", "", "c1", "failed", 1),
            said.command("rm -r /", None, "c2", "declined"),
        )
    ) == ("$ false\n  exit 1 · 0.3 s\n$ rm -r /\n  declined\n— done after 1.2 s —\n")


def test_no_output_can_drive_the_terminal() -> None:
    evil = "\x1b]0;title\x07\x1b[2Jred\rblue\r\n\x9b31m"
    assert shown_past(
        said.turn("completed", said.command("cat\x1b[1m evil", evil), said.agent("hi\x1b[5m"))
    ) == (
        "$ cat\\u{1b}[1m evil\n"
        "  \\u{1b}]0;title\\u{7}\\u{1b}[2Jred\\u{d}blue\n"
        "  \\u{9b}31m\n"
        "  exit 0 · 0.3 s\n"
        "hi\\u{1b}[5m\n"
        "— done after 1.2 s —\n"
    )


def test_items_of_every_kind_have_a_line_and_unknown_items_too() -> None:
    items: list[Json] = [
        {"type": "reasoning", "id": "r1", "summary": ["**Looking**\n\nat files"], "content": []},
        {"type": "reasoning", "id": "r2"},
        {
            "type": "fileChange",
            "id": "f1",
            "status": "completed",
            "changes": [{"path": "/w/a", "kind": {"type": "add"}, "diff": ""}],
        },
        {
            "type": "fileChange",
            "id": "f2",
            "status": "failed",
            "changes": [{"path": "/w/b", "kind": {"type": "delete"}, "diff": "x\n"}],
            "problem": "It was not applied.\nRead it again.",
        },
        {"type": "mcpToolCall", "id": "t1", "server": "db", "tool": "query", "status": "failed"},
        {
            "type": "dynamicToolCall",
            "id": "t2",
            "tool": "fly",
            "arguments": {"to": "moon"},
            "status": "failed",
            "contentItems": [{"type": "inputText", "text": "unknown tool"}],
        },
        {"type": "webSearch", "id": "w1", "query": "weather"},
        {"type": "contextCompaction", "id": "k1"},
        {"type": "contextCompaction", "id": "k2", "status": "failed"},
        {"type": "exitedReviewMode", "id": "e1", "review": "Looks\ngood"},
        {"type": "fromTheFuture", "id": "x1", "status": {"odd": True}, "text": 5},
    ]
    assert shown_past(said.turn("completed", *items)) == (
        "· **Looking**\n"
        "  \n"
        "  at files\n"
        "± /w/a\n"
        "± /w/b · failed\n"
        "  x\n"
        "  It was not applied.\n"
        "  Read it again.\n"
        "⚒ db.query · failed\n"
        '⚒ fly {"to":"moon"} · failed\n'
        "  unknown tool\n"
        "⌕ weather\n"
        "— the model's history was shortened here —\n"
        "— the model's history was not shortened here: that came to nothing —\n"
        "Looks\n"
        "good\n"
        "[fromTheFuture]\n"
        "— done after 1.2 s —\n"
    )


def test_own_input_is_not_repeated() -> None:
    screen = TerminalScreen()
    screen.hide_own("mine")
    mine = said.user("said by me", "u1", client_id="mine")
    theirs = said.user("said by\nher", "u2", client_id="hers")
    assert shown(said.item_started(mine), said.item_started(theirs), screen=screen) == (
        "› said by\n  her\n"
    )


def test_a_warning_is_shown_at_once_and_a_rename_after_the_answer() -> None:
    assert (
        shown(
            said.text_delta("half a"),
            said.note("warning", {"threadId": None, "message": "disk nearly full"}),
            said.note("thread/name/updated", {"threadId": said.THREAD, "threadName": "moon"}),
            said.turn_completed("interrupted"),
        )
        == "half a\ndisk nearly full\n— renamed to moon —\ninterrupted after 1.2 s\n"
    )


def test_a_revert_is_shown_at_once() -> None:
    taken = {"threadId": said.THREAD, "turns": 2, "beforeTurnId": said.TURN}
    assert (
        shown(
            said.note("thread/reverted", taken),
            said.note("thread/reverted", {**taken, "turns": 1, "beforeTurnId": None}),
        )
        == f"— 2 turns reverted: turn {said.TURN} and all later turns —\n"
        "— 1 turn restored —\n"
    )


def test_send_prints_only_the_answer_on_stdout() -> None:
    screen = TerminalScreen(whole=False, one_screen=False)
    pieces = [
        piece for message in live(100, 1000) for piece in screen.note(said.as_message(message))
    ]
    assert "".join(piece.text for piece in pieces if piece.is_answer) == (
        "First I look.\n\nThen I act.\nDone.\n"
    )
    talk = "".join(piece.text for piece in pieces if not piece.is_answer)
    assert talk.startswith("› make it so\n$ seq 30\n  line 1\n")
    assert talk.endswith("  exit 0 · 0.3 s\n")


def test_colour_is_put_around_lines_and_never_around_the_answer() -> None:
    style = Style(color=True)
    screen = TerminalScreen(answer=Style(), talk=style, whole=False)
    pieces = [
        piece
        for message in (
            said.item_started(said.command("ls", None, status="inProgress")),
            said.item_completed(said.command("ls", "a\n")),
            said.item_completed(said.agent("There is a.")),
        )
        for piece in screen.note(said.as_message(message))
    ]
    assert pieces == [
        Piece(f"{style.bold('$ ls')}\n", False),
        Piece(f"{style.dim('  a')}\n", False),
        Piece(f"{style.dim('  exit 0 · 0.3 s')}\n", False),
        Piece("There is a.", True),
        Piece("\n", True),
    ]


def planned(explanation: str | None, *statuses: str) -> Json:
    steps = [{"step": f"step {n}", "status": status} for n, status in enumerate(statuses, 1)]
    return {"explanation": explanation, "plan": steps}


PLAN = planned("It is in\nthe lexer.", "completed", "inProgress", "pending")
DRAWN = """\
plan: It is in
      the lexer.
✓ step 1
▸ step 2
· step 3
"""


def test_a_plan_is_drawn_where_it_changes_and_once() -> None:
    told = [
        {
            "method": "turn/plan/updated",
            "params": {"threadId": said.THREAD, "turnId": said.TURN} | p,
        }
        for p in (planned(None, "pending"), PLAN, PLAN)
    ]
    assert shown(*told) == f"· step 1\n{DRAWN}"
    # A snapshot of a running turn has its plan; whoever follows the turn is sent that again.
    screen = TerminalScreen()
    running = said.turn("inProgress", said.user("go"), plan=PLAN)
    assert shown_past(running, screen) == f"› go\n{DRAWN}"
    assert shown(told[-1], screen=screen) == ""
    assert shown(told[0], screen=screen) == "· step 1\n"


def test_a_past_turn_ends_with_its_plan() -> None:
    past = said.turn("completed", said.user("go"), said.agent("Done."), plan=PLAN)
    assert shown_past(past) == f"› go\nDone.\n{DRAWN}— done after 1.2 s —\n"
