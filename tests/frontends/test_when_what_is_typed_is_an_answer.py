"""What is typed answers a question only if it began after the question was drawn, and while it can be seen."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from codexd_frontends.cli.answering import (
    ATTENTION_SECONDS,
    HOLD_SECONDS,
    WRITING_SECONDS_MAX,
    Answering,
)
from codexd_frontends.cli.watch import InputLines, Typed
from codexd_frontends.client.client import Daemon
from codexd_frontends.screen.question import Room
from codexd_frontends.screen.style import PLAIN

from . import said
from .fake_daemon import FakeDaemon, Json


class Terminal:
    """A terminal of which a test is the person, the screen and the clock."""

    def __init__(self, typing: bool = True) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.room: Room | None = Room(80, 24)
        self.written = 0
        self.ahead = ""  # typed, and not read
        self.asking = Answering(
            self._say,
            PLAIN,
            self,
            self if typing else None,
            elsewhere=lambda question: f"{question.request.approval_id} is answered elsewhere",
            clock=lambda: self.now,
        )

    def drop(self) -> str:
        taken, self.ahead = self.ahead, ""
        return taken

    def _say(self, lines: Sequence[str]) -> None:
        self.lines += lines
        self.written += sum(map(len, lines))

    def write(self, text: str) -> None:
        """Something else comes on the screen."""
        self.lines.append(text)
        self.written += len(text)

    def wait(self, seconds: float = ATTENTION_SECONDS) -> None:
        self.now += seconds
        self.asking.tick()

    @property
    def keys_drawn(self) -> int:
        return sum("[y] yes" in line for line in self.lines)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path) as fake:
        yield fake


@pytest.fixture
def connection(fake: FakeDaemon) -> Iterator[Daemon]:
    with Daemon.connect(fake.path) as connected:
        yield connected


def asked(request_id: int = 7, line: str = "touch x1", item_id: str = "c1") -> Json:
    question = said.approval(request_id, line, item_id)
    question["params"]["codexd"] = {"approvalId": f"t/{request_id}", "actionHash": line}
    return question


def ask(terminal: Terminal, question: Json) -> None:
    assert terminal.asking.ask(said.as_message(question))


def test_a_key_after_the_moment_answers_and_names_its_question(
    fake: FakeDaemon, connection: Daemon
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    assert terminal.asking.listens
    assert terminal.asking.typed("y", connection) == "accept"
    assert fake.wait_answer() == {
        "id": 7,
        "result": {"decision": "accept", "approvalId": "t/7", "actionHash": "touch x1"},
    }
    assert terminal.asking.first is None


def test_input_before_the_question_is_discarded_and_reported(connection: Daemon) -> None:
    terminal = Terminal()
    terminal.ahead = "y\ny\nand a prompt"
    ask(terminal, asked())
    assert terminal.ahead == ""
    assert not terminal.asking.listens
    terminal.wait()
    assert terminal.asking.listens
    assert "not taken: y y and a prompt" in terminal.lines[-2]
    assert terminal.asking.first is not None


def test_the_keys_are_drawn_only_after_a_moment_without_typing(connection: Daemon) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    assert terminal.asking.typed("y", connection) is None
    for _ in range(5):
        terminal.wait(ATTENTION_SECONDS / 2)
        terminal.ahead = "y\n"
        assert not terminal.asking.listens
        terminal.wait(ATTENTION_SECONDS / 2)
    assert terminal.keys_drawn == 0
    terminal.wait()
    assert terminal.keys_drawn == 1
    assert terminal.asking.first is not None


def test_it_knows_the_time_to_wait() -> None:
    terminal = Terminal()
    assert terminal.asking.tick() is None
    ask(terminal, asked())
    terminal.now += 0.1
    assert terminal.asking.tick() == pytest.approx(ATTENTION_SECONDS - 0.1)
    terminal.wait()
    assert terminal.asking.tick() is None


def test_the_next_question_has_a_moment_of_its_own(fake: FakeDaemon, connection: Daemon) -> None:
    terminal = Terminal()
    ask(terminal, asked(7))
    ask(terminal, asked(8, "rm -rf x", "c2"))
    terminal.wait()
    assert terminal.asking.typed("y", connection) == "accept"
    assert terminal.lines[-1] == "  $ rm -rf x"
    assert not terminal.asking.listens
    assert terminal.asking.typed("y", connection) is None
    assert terminal.asking.first is not None
    assert fake.wait_answer()["id"] == 7


@pytest.mark.parametrize("behind", ["y\n", "\n", "and half a line"])
def test_more_than_one_line_at_once_was_pasted_and_answers_nothing(
    connection: Daemon, behind: str
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    terminal.ahead = behind
    assert terminal.asking.typed("y", connection) is None
    assert terminal.asking.first is not None
    assert not terminal.asking.listens
    terminal.wait()
    assert terminal.keys_drawn == 2


FORGED = "? May it run this command?\n  $ ls\n  [y] yes"


@pytest.mark.parametrize("below", [FORGED, "x", "\n" * 100])
def test_a_question_below_which_anything_was_written_is_drawn_again_before_it_is_answered(
    fake: FakeDaemon, connection: Daemon, below: str
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    terminal.write(below)
    assert terminal.asking.typed("y", connection) is None
    assert terminal.lines[-1] == "  $ touch x1"
    assert terminal.asking.holds
    terminal.wait()
    assert terminal.asking.typed("y", connection) == "accept"
    assert not terminal.asking.holds
    assert fake.wait_answer()["id"] == 7


def test_the_keys_are_directly_below_the_question_that_they_answer() -> None:
    """A model goes on writing after its call: the question comes again after that."""
    terminal = Terminal()
    ask(terminal, asked())
    for _ in range(4):
        terminal.write("and more words ")
        terminal.wait()
        assert terminal.keys_drawn == 0
        assert not terminal.asking.holds
    terminal.wait()
    assert terminal.lines[-1] == "  $ touch x1"
    terminal.wait()
    assert terminal.lines[-2] == "  $ touch x1"
    assert terminal.keys_drawn == 1


def test_endless_output_is_held_so_that_the_question_can_be_answered(
    connection: Daemon,
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    waited = 0
    while not terminal.asking.holds:
        terminal.write("on and on ")
        terminal.wait()
        waited += 1
        assert waited * ATTENTION_SECONDS <= WRITING_SECONDS_MAX + 1
    terminal.wait()
    assert terminal.keys_drawn == 1
    terminal.wait(HOLD_SECONDS)
    assert not terminal.asking.holds
    terminal.write("on and on ")
    assert terminal.asking.typed("y", connection) is None
    terminal.wait()
    assert terminal.asking.typed("y", connection) == "accept"


def test_all_of_a_long_command_is_shown_on_a_key_and_then_it_can_be_answered(
    connection: Daemon,
) -> None:
    terminal = Terminal()
    line = "\n".join(f"echo {n}" for n in range(100))
    ask(terminal, asked(line=line))
    terminal.wait()
    assert terminal.lines[-1].endswith("[s] show all of it")
    assert terminal.asking.typed("s", connection) is None
    assert "    echo 50" in terminal.lines
    terminal.wait()
    assert terminal.asking.typed("n", connection) == "decline"


def test_other_input_is_no_answer(connection: Daemon) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    for word in ("", "ja", "yy", "y\u200b", "accept please"):
        assert terminal.asking.typed(word, connection) is None
    assert terminal.asking.first is not None


def test_a_question_with_an_id_that_was_seen_before_is_asked(connection: Daemon) -> None:
    """The model may give a second call the id of the first."""
    terminal = Terminal()
    ask(terminal, asked(7, item_id="c1"))
    ask(terminal, asked(8, "./evil.sh", "c1"))
    terminal.wait()
    assert terminal.asking.typed("y", connection) == "accept"
    assert terminal.lines[-1] == "  $ ./evil.sh"


def test_the_same_question_asked_again_is_drawn_once_and_a_changed_question_again(
    connection: Daemon,
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    ask(terminal, asked())
    assert terminal.lines.count("  $ touch x1") == 1
    terminal.wait()
    changed = asked(line="touch x2")
    changed["params"]["codexd"]["approvalId"] = "t/7"
    ask(terminal, changed)
    assert not terminal.asking.listens
    assert terminal.lines[-1] == "  $ touch x2"


def test_a_question_that_is_answered_elsewhere_is_replaced_by_the_next() -> None:
    terminal = Terminal()
    ask(terminal, asked(7))
    ask(terminal, asked(8, "make"))
    terminal.wait()
    assert terminal.asking.resolved(said.as_message(said.resolved(7)))
    assert terminal.lines[-1] == "  $ make"
    assert not terminal.asking.listens
    assert terminal.asking.resolved(said.as_message(said.resolved(8)))
    assert terminal.asking.first is None
    assert terminal.asking.tick() is None


def test_without_a_keyboard_the_way_to_answer_is_printed() -> None:
    terminal = Terminal(typing=False)
    ask(terminal, asked())
    assert terminal.lines[-1] == "t/7 is answered elsewhere"
    assert not terminal.asking.listens
    assert terminal.asking.tick() is None


def test_a_terminal_returns_whole_and_partial_lines_and_its_mode_is_restored() -> None:
    ours, theirs = pty.openpty()
    try:
        lines = InputLines(theirs)
        os.write(ours, b"y\nn\nhalf a li")
        assert lines.drop() == "y\nn\nhalf a li"
        assert lines.drop() == ""
        os.write(ours, b"y\n")
        lines.read()
        assert lines.next(join_pasted=False) == Typed("y")
        os.write(ours, b"a\nb\n")
        lines.read()
        assert lines.next(join_pasted=False) == Typed("a")
        assert lines.drop() == "b\n"
    finally:
        os.close(ours)
        os.close(theirs)


def proposing(*rule: str) -> Json:
    question = asked()
    question["params"]["proposedExecpolicyAmendment"] = list(rule)
    return question


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("n use pnpm", "use pnpm"),
        ("no, do this instead: use pnpm", "do this instead: use pnpm"),
        ("N: \tuse pnpm ", "use pnpm"),
        ("decline use `ls`; not find", "use `ls`; not find"),
        ("n n", "n"),
    ],
)
def test_a_no_may_say_what_to_do_instead(
    fake: FakeDaemon, connection: Daemon, typed: str, words: str
) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    assert terminal.asking.typed(typed, connection) == "decline"
    answered = fake.wait_answer()["result"]
    assert (answered["decision"], answered["instead"]) == ("decline", words)
    assert "  declined, with your words for the model" in terminal.lines


@pytest.mark.parametrize(
    "typed", ["nope", "note this", "now", "yn", "y please", "c use x", "p", "n" * 9]
)
def test_other_words_are_no_answer(connection: Daemon, typed: str) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    assert terminal.asking.typed(typed, connection) is None
    assert terminal.asking.first is not None
    assert terminal.lines[-1] == "  y, a, n or c?"


def test_words_that_are_too_many_are_no_answer(connection: Daemon) -> None:
    terminal = Terminal()
    ask(terminal, asked())
    terminal.wait()
    assert terminal.asking.typed("n " + "x" * 4001, connection) is None
    assert terminal.lines[-1] == "  expected 4000 characters at most; not answered"


def test_a_rule_is_added_with_its_own_key_beside_which_all_of_its_words_stand(
    fake: FakeDaemon, connection: Daemon
) -> None:
    terminal = Terminal()
    ask(terminal, proposing("git", "push", "a b", "\u202e\x1b[2Jx"))
    terminal.wait()
    assert (
        "  [p] yes, and from now on all commands that begin with: "
        "git push 'a b' '\\u{202e}\\u{1b}[2Jx'"
    ) in terminal.lines
    assert terminal.asking.typed("P", connection) == "acceptWithExecpolicyAmendment"
    rule = {"execpolicy_amendment": ["git", "push", "a b", "\u202e\x1b[2Jx"]}
    assert fake.wait_answer()["result"] == {
        "decision": {"acceptWithExecpolicyAmendment": rule},
        "approvalId": "t/7",
        "actionHash": "touch x1",
    }


def test_a_long_rule_takes_its_rows_from_the_command_and_the_question_stays_on_the_screen() -> None:
    terminal = Terminal()
    question = asked(line="x" * 4000)
    question["params"]["proposedExecpolicyAmendment"] = ["make", "y" * 380]
    ask(terminal, question)
    terminal.wait()
    rows = sum(max(1, -(-len(line) // 80)) for line in terminal.lines)
    assert rows <= 24 - 1  # what is typed is below


@pytest.mark.parametrize(
    ("typed", "members"),
    [
        ("y", {"decision": "accept", "scope": "turn"}),
        ("a", {"decision": "acceptForSession", "scope": "session"}),
        ("n", {"decision": "decline", "scope": "turn"}),
        ("c", {"decision": "cancel", "scope": "turn"}),
        ("n use /cache", {"decision": "decline", "scope": "turn", "instead": "use /cache"}),
    ],
)
def test_permissions_are_granted_as_they_were_asked_for_or_not_at_all(
    fake: FakeDaemon, connection: Daemon, typed: str, members: Json
) -> None:
    terminal = Terminal()
    question = asked()
    wanted = {"network": {"enabled": True}, "fileSystem": {"write": ["/a\x1b[2J", "/b"]}}
    for name in ("command", "commandActions"):
        del question["params"][name]
    question["params"]["permissions"] = wanted
    ask(terminal, question | {"method": "item/permissions/requestApproval"})
    terminal.wait()
    assert terminal.lines[:1] == ["? May commands do more than their sandbox allows?"]
    assert terminal.lines[-4:-1] == [
        "    use the network",
        "    write in /a\\u{1b}[2J",
        "    write in /b",
    ]
    assert terminal.asking.typed(typed, connection) == members["decision"]
    granted = wanted if typed in ("y", "a") else {}
    assert fake.wait_answer()["result"] == {
        **members,
        "permissions": granted,
        "approvalId": "t/7",
        "actionHash": "touch x1",
    }
