"""A question on a screen: whose words are whose, and the command last, however long it is made."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest

from codexd.protocol.display.visible import visible_line, visible_text
from codexd_frontends.cli.questions import read_question
from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.screen.question import Room, is_cut, question_lines, whole_lines
from codexd_frontends.screen.style import PLAIN

from . import said
from .fake_daemon import Json

ROOM = Room(80, 24)
OWN = "This command is not known to only read."
HEADING = "? May it run this command?"
UNSEEN = [
    "\u200b",
    "\u2062",
    "\u3164",
    "\u115f",
    "\uffa0",
    "\u2800",
    "\u202e",
    "\u2066",
    "\ufe0f\ufe0f",
    "\U000e0041",
    "\u00ad",
    "\u2028",
    "\ue000",
    "\x1b[2J",
    "\x9b",
    "\x07",
    "\r",
]


def asked(
    line: str = "make", *, reason: str = OWN, says: str | None = None, cwd: str = "/w"
) -> ApprovalRequest:
    """The question as our daemon puts it."""
    own = {"approvalId": "t/1", "actionHash": "00", "reason": reason, "modelSays": says}
    question = said.approval(7, line)
    question["params"] |= {"cwd": cwd, "codexd": own}
    return read(question)


def read(message: Json) -> ApprovalRequest:
    question = read_question(said.as_message(message))
    assert question is not None
    return question.request


def rows(lines: list[str], room: Room = ROOM) -> int:
    """How many rows of the screen they fill."""
    widths = (
        sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
        for line in lines
    )
    return sum(max(1, -(-width // room.columns)) for width in widths)


def test_the_daemons_and_the_models_reasons_are_above_and_the_command_is_last() -> None:
    assert question_lines(asked(says="It only reads."), PLAIN, ROOM) == [
        HEADING,
        f"  {OWN}",
        "  the model says: It only reads.",
        "  in /w",
        "  $ make",
    ]


def test_a_reason_without_an_author_is_taken_for_the_models() -> None:
    assert question_lines(read(said.approval()), PLAIN)[1] == "  the model says: May I do this?"


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
def test_nothing_in_a_question_is_invisible_or_moves_the_text_beside_it(unseen: str) -> None:
    forged = f"ok{unseen}\n\n  $ ls\n  in /safe{unseen}"
    lines = question_lines(
        asked(f"echo {unseen}x", reason=forged, says=forged, cwd=f"/w{unseen}\n  $ ls"), PLAIN, ROOM
    )
    assert [line[:17].strip() for line in lines] == [
        HEADING[:17],
        *(line[:17].strip() for line in lines[1:2]),
        "the model says:",
        lines[3][:17].strip(),
        lines[4][:17].strip(),
    ]
    assert len(lines) == 5
    assert lines[4].startswith("  $ echo ")
    for line in lines:
        assert "\n" not in line
        assert visible_text(line.replace("\\u{", "<")) == line.replace("\\u{", "<")


def test_characters_that_the_daemon_has_escaped_are_not_escaped_again() -> None:
    for exact in ("echo \u200bx", "echo '\\u{200b}x'", "printf '\\x1b'"):
        drawn = visible_text(exact)
        assert question_lines(asked(drawn), PLAIN)[-1] == f"  $ {drawn}"
    words = visible_line("It\u200b reads", 200)
    assert question_lines(asked(says=words), PLAIN)[2] == f"  the model says: {words}"


@pytest.mark.parametrize(
    "line",
    [
        "echo ok" + " " * 30_000 + "; ./evil.sh",
        "echo ok" + "\n" * 500 + "./evil.sh",
        "\n".join(f"echo line {n}" for n in range(300)) + "\n./evil.sh",
        "字" * 20_000 + ";./evil.sh",
        "echo\t\t" * 600 + ";./evil.sh",
        "x" * 2_000_000 + ";./evil.sh",
    ],
    ids=["blanks", "empty lines", "lines", "wide letters", "tabs", "two megabytes"],
)
@pytest.mark.parametrize("room", [ROOM, Room(40, 12), Room(200, 60)], ids=str)
def test_a_command_too_long_shows_its_head_its_tail_and_how_much_is_between(
    line: str, room: Room
) -> None:
    request = asked(line)
    lines = question_lines(request, PLAIN, room)
    assert is_cut(request, room)
    assert lines[-1].endswith("./evil.sh")
    head = next(line for line in lines if line.startswith("  $ "))
    assert line.startswith(head.removeprefix("  $ ").rstrip())
    (between,) = [line for line in lines if "are left out here" in line]
    count = int(between.split()[1].replace(",", ""))
    shown = sum(
        len(line.removeprefix("  $ ").removeprefix("    "))
        for line in lines[lines.index(head) :]
        if line is not between
    )
    breaks = line.count("\n")
    assert len(line) - shown - breaks <= count <= len(line) - shown
    if room.rows >= 24:
        assert rows([line.expandtabs() for line in lines], room) <= room.rows - 3


def test_all_of_it_can_be_seen() -> None:
    line = "\n".join(f"echo line {n}" for n in range(300))
    assert whole_lines(asked(line), PLAIN) == [
        f"{'  $ ' if n == 0 else '    '}echo line {n}" for n in range(300)
    ]


def test_where_nothing_scrolls_nothing_is_left_out() -> None:
    line = "x" * 100_000
    assert question_lines(asked(line), PLAIN)[-1] == f"  $ {line}"
    assert not is_cut(asked(line), None)


def test_a_long_folder_or_reason_leaves_room_for_the_command() -> None:
    request = asked("make", reason="r" * 9000, says="s" * 9000, cwd="/" + "w" * 4000)
    assert rows(question_lines(request, PLAIN, ROOM)) <= 16
    assert question_lines(request, PLAIN, ROOM)[-1] == "  $ make"


def test_a_question_of_a_newer_daemon_can_be_read() -> None:
    question = said.approval()
    question["params"]["codexd"] = {"approvalId": "t/1", "actionHash": "00", "new": [1]}
    assert read(question).approval_id == "t/1"
    assert msgspec.json.encode(question)
