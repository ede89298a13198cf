"""Questions on a terminal, and which typed lines are answers. All commands that ask use it. I/O.

The law: nothing answers a question that began before the question was drawn, and the question is the last thing
on the screen when it is answered. When a question is drawn, all typed input is discarded, a line
without its end too. Then a moment without typing must pass: more input is discarded, and the moment begins again.
Then the keys are drawn, and from then on a typed line is an answer: one line and nothing after it, since several
lines at once were pasted. Where anything was written below the question, it is drawn again first: a model that
continues to write could draw another question there. So that it can be answered, nothing more is then read from the
daemon for a while; the daemon sends the rest later.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.elicited import choice_keys, chosen, keys_of
from codexd_frontends.cli.questions import (
    INSTEAD_CHARACTERS_MAX,
    Question,
    Questions,
    Verdict,
    read_question,
    said,
    said_elsewhere,
    verdict_for,
)
from codexd_frontends.cli.watch import CtrlC, InputLines, Interrupts, Typed, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.messages import Message
from codexd_frontends.screen.drawn import title
from codexd_frontends.screen.question import Room, is_cut, question_lines, rule_lines, whole_lines
from codexd_frontends.screen.style import Style

# Longer than the gap between two keys of a person who types, shorter than the time to read a command.
ATTENTION_SECONDS = 0.5
KEYS = (
    "[y] yes   [a] yes, in this thread from now on   [n] no   [n WORDS] no, do this instead   "
    "[c] no, and stop the turn"
)
# The command goes on with any answer, so the model is told nothing.
KEYS_FOR_HOST = "[y] yes, this command   [a] yes, in this thread from now on   [n] no   [c] no, and stop the turn"
SHOW_KEY = "   [s] show all of it"
# The longest wait of the keys for the end of the output below the question.
WRITING_SECONDS_MAX = 5.0
# The time without output below a question that was drawn again: enough to read a command, and the screen does not
# fall far behind a thread that continues.
HOLD_SECONDS = 10.0
# The most of the discarded input that is shown.
TAKEN_CHARACTERS_MAX = 100


def confirmed(question: str, console: Console) -> bool:
    """Whether a person types yes after a question is drawn, in a line of its own. Raises: KeyboardInterrupt."""
    with Interrupts() as interrupts:
        lines = InputLines(sys.stdin.fileno())
        lines.drop()  # What was typed by now was typed to something else.
        console.ask(f"{question} [y/N] ")
        match Watch(interrupts, lines).next(None, join_pasted=False):
            case Typed(text):
                return not lines.drop() and text.strip().lower() in ("y", "yes")
            case CtrlC():
                raise KeyboardInterrupt
            case _:
                return False


class Typing(Protocol):
    """Where lines are typed."""

    def drop(self) -> str:
        """Take away all that was typed and not read, a line without its end too."""


class QuestionScreen(Protocol):
    """Where questions are drawn."""

    @property
    def room(self) -> Room | None:
        """How large it is; None where nothing scrolls."""

    @property
    def written(self) -> int:
        """How many characters were written on it."""


class Answering:
    """The open questions of a thread on one terminal."""

    def __init__(
        self,
        say: Callable[[Sequence[str]], None],
        style: Style,
        screen: QuestionScreen,
        typing: Typing | None,
        *,
        elsewhere: Callable[[Question], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`typing` is None without a keyboard; then `elsewhere` says how a question is answered."""
        self._say, self._style, self._screen = say, style, screen
        self._typing, self._elsewhere, self._clock = typing, elsewhere, clock
        self._questions = Questions()
        # When the keys are to be drawn; None: they are, or nothing is asked.
        self._opens_at: float | None = None
        self._drawn_at = 0.0  # when the question was drawn first
        self._mark = 0  # how much was written when our last word about it was
        self._seen = 0  # and at the last look
        self._holds_until: float | None = None
        self._taken = ""  # what was typed before the keys were drawn

    @property
    def first(self) -> Question | None:
        """The question that is on the screen."""
        return self._questions.first

    @property
    def listens(self) -> bool:
        """Whether a line that is typed now is an answer."""
        return self.first is not None and self._typing is not None and self._opens_at is None

    def ask(self, message: Message) -> bool:
        """Take a request of the daemon's; returns whether it can be answered here."""
        question = read_question(message)
        if question is None:
            return False
        if self._questions.ask(question) and self.first == question:
            self._draw()
        return True

    @property
    def holds(self) -> bool:
        """Whether nothing is to be read from the daemon now."""
        return self._holds_until is not None

    def tick(self) -> float | None:
        """Do what it is time for; how long until there is more to do, None: nothing is awaited."""
        now = self._clock()
        if self._holds_until is not None and now >= self._holds_until:
            self._holds_until = None
        if self._opens_at is None:
            return None if self._holds_until is None else self._holds_until - now
        if now >= self._opens_at:
            self._try_to_open(now)
        return None if self._opens_at is None else self._opens_at - now

    def _try_to_open(self, now: float) -> None:
        """Draw the keys if no key is pressed and nothing is written."""
        is_written = self._screen.written != self._seen
        self._seen = self._screen.written
        if self._take_away():
            self._opens_at = now + ATTENTION_SECONDS
        elif not self._is_covered:
            self._open()
        elif is_written and now - self._drawn_at < WRITING_SECONDS_MAX:
            self._opens_at = now + ATTENTION_SECONDS
        else:
            self._draw(again=True)

    def _open(self) -> None:
        self._opens_at = None
        question = self.first
        assert question is not None, "nothing is asked"
        lines = []
        if self._taken.strip():
            words = title(self._taken, TAKEN_CHARACTERS_MAX)
            note = f"  typed before the question could be answered, and not taken: {words}"
            lines.append(self._style.dim(note))
        self._taken = ""
        show = SHOW_KEY if is_cut(question.request, self._screen.room) else ""
        lines += [self._style.yellow(line) for line in rule_lines(question.request)]
        self._tell([*lines, self._style.yellow(f"  {_keys(question)}{show}")])

    def typed(self, text: str, daemon: Daemon) -> str | None:
        """Take a line; the decision, if it is one. Raises: ConnectionCut."""
        question = self.first
        if question is None or not self.listens:
            return None
        if self._take_away():
            self._again("more than one line came at once, so none was taken as an answer")
            return None
        if self._is_covered:
            self._again("more was written below the question; here it is again")
            return None
        if text.strip().lower() == "s":
            self._draw(whole=True)
            return None
        verdict = verdict_for(text, question.request)
        if verdict is None and question.asks_more:
            given = chosen(text, question.request.questions[0])
            if given is not None and len(given[0]) <= INSTEAD_CHARACTERS_MAX:
                question = question.with_answer(given)
                self._questions.put(question)
                if question.asks_more:
                    self._draw()
                    return None
                verdict = Verdict("accept")
        if verdict is None:
            self._tell([f"  {_keys(question, short=True)}"])
            return None
        if len(verdict.instead or "") > INSTEAD_CHARACTERS_MAX:
            self._tell([f"  expected {INSTEAD_CHARACTERS_MAX} characters at most; not answered"])
            return None
        daemon.answer(question.id, question.answer(verdict))
        self._questions.answer(question)
        self._tell([self._style.dim(f"  {said(verdict, question.request)}")])
        self._draw()
        return verdict.decision

    def resolved(self, message: Message) -> bool:
        """A question needs no answer any more; whether it was open here."""
        shown = self.first
        gone = self._questions.resolve(message)
        if gone is None:
            return False
        self._say([self._style.dim(f"  {said_elsewhere(message)}")])
        if gone == shown:
            self._draw()
        return True

    def release_input(self) -> None:
        """Read from the daemon again: the person wants to see the result of something else."""
        self._holds_until = None

    def forget(self) -> None:
        """The connection was cut: what is still open is asked again."""
        self._questions, self._opens_at, self._holds_until = Questions(), None, None

    def _again(self, why: str) -> None:
        self._tell([self._style.dim(f"  {why}")])
        self._draw(again=True)

    def _draw(self, *, again: bool = False, whole: bool = False) -> None:
        """Draw the first question, if there is one, and begin the moment without typing."""
        question, now = self.first, self._clock()
        self._opens_at = self._holds_until = None
        if question is None:
            return
        self._taken = self._taken if again else ""
        if whole:
            self._tell(whole_lines(question.request, self._style))
        else:
            self._tell(question_lines(question.request, self._style, self._screen.room))
        if self._typing is None:
            self._tell([self._elsewhere(question)] if self._elsewhere else [])
            return
        # After it was drawn: what was typed by then was typed to something else.
        self._take_away()
        self._opens_at, self._seen = now + ATTENTION_SECONDS, self._screen.written
        if again:
            self._holds_until = now + HOLD_SECONDS
        else:
            self._drawn_at = now

    def _tell(self, lines: Sequence[str]) -> None:
        self._say(lines)
        self._mark = self._screen.written

    def _take_away(self) -> bool:
        taken = self._typing.drop() if self._typing is not None else ""
        self._taken += taken
        return bool(taken)

    @property
    def _is_covered(self) -> bool:
        """Whether anything was written since below the question."""
        return self._screen.written != self._mark


def _keys(question: Question, *, short: bool = False) -> str:
    """What may be typed; `short`: once more, after something else was."""
    request = question.request
    if request.elicits:
        return keys_of(request)
    if request.questions:
        return choice_keys(request.questions[0])
    if short:
        more = "p, v, " if request.host is not None else ""
        return f"y, a, {'p, ' if request.proposed_rule else more}n or c?"
    return KEYS if request.host is None else KEYS_FOR_HOST
