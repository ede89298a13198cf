"""Asking on a terminal, and when what is typed is an answer. The one place for all commands that ask. I/O.

The law: nothing answers a question that began before the question was drawn. When one is drawn, all that was
typed so far is taken away, a line without its end too. Then nobody may type for a moment; who does has more
taken away, and the moment begins again. Only after it the keys are drawn, and from there on a typed line is
an answer: one line and nothing after it, since more than a line at once was pasted. And it is an answer only
while the question is still on the screen: once other output has pushed it off, it is drawn again first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from codexd_frontends.asking import Question, Questions, decision_for, read_question, said
from codexd_frontends.client import Daemon
from codexd_frontends.drawn import title
from codexd_frontends.messages import Message
from codexd_frontends.question import Room, is_cut, question_lines, whole_lines
from codexd_frontends.style import Style

# Longer than the gap between two keys of somebody who types on, shorter than anybody reads a command.
ATTENTION_SECONDS = 0.5
KEYS = "[y] yes   [a] yes, in this thread from now on   [n] no   [c] no, and stop the turn"
SHOW_KEY = "   [s] show all of it"
# Of what was taken away so much is said.
TAKEN_CHARACTERS_MAX = 100


class Typing(Protocol):
    """Where lines are typed."""

    def drop(self) -> str:
        """Take away all that was typed and not read, a line without its end too."""


class Screen(Protocol):
    """Where questions are drawn."""

    @property
    def room(self) -> Room | None:
        """How large it is; None where nothing scrolls."""

    @property
    def rows_written(self) -> int:
        """How many rows were written on it so far."""


class Answering:
    """The open questions of a thread on one terminal."""

    def __init__(
        self,
        say: Callable[[Sequence[str]], None],
        style: Style,
        screen: Screen,
        typing: Typing | None,
        *,
        elsewhere: Callable[[Question], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`typing` is None where nobody types; then `elsewhere` says how a question is answered."""
        self._say, self._style, self._screen = say, style, screen
        self._typing, self._elsewhere, self._clock = typing, elsewhere, clock
        self._questions = Questions()
        self._opens_at: float | None = (
            None  # when the keys are drawn; None: they are, or nothing is asked
        )
        self._rows_before = 0  # rows on the screen in front of the question
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
        """Take a request of the daemon's; whether it is a question that can be answered here."""
        question = read_question(message)
        if question is None:
            return False
        if self._questions.ask(question) and self.first == question:
            self._draw()
        return True

    def tick(self) -> float | None:
        """Draw the keys once nobody has typed for a moment; how long until that may be, None: it is not awaited."""
        question = self.first
        if question is None or self._opens_at is None:
            return None
        left = self._opens_at - self._clock()
        if left > 0:
            return left
        if self._take_away():
            self._opens_at = self._clock() + ATTENTION_SECONDS
            return ATTENTION_SECONDS
        self._opens_at = None
        lines = []
        if self._taken.strip():
            words = title(self._taken, TAKEN_CHARACTERS_MAX)
            lines.append(
                self._style.dim(
                    f"  typed before the question could be answered, and not taken: {words}"
                )
            )
        self._taken = ""
        show = SHOW_KEY if is_cut(question.request, self._screen.room) else ""
        self._say([*lines, self._style.yellow(f"  {KEYS}{show}")])
        return None

    def typed(self, text: str, daemon: Daemon) -> str | None:
        """Take a line; the decision, if it is one. Raises: ConnectionCut."""
        question = self.first
        if question is None or not self.listens:
            return None
        if self._take_away():
            self._again("more than one line came at once, so none was taken as an answer")
            return None
        if self._is_covered:
            self._again("the question was no longer on the screen; here it is again")
            return None
        if text.strip().lower() == "s":
            self._draw(whole=True)
            return None
        decision = decision_for(text)
        if decision is None:
            self._say(["  y, a, n or c?"])
            return None
        daemon.answer(question.id, question.answer(decision))
        self._questions.answer(question)
        self._say([self._style.dim(f"  {said(decision)}")])
        self._draw()
        return decision

    def resolved(self, message: Message) -> bool:
        """A question needs no answer any more; whether it was open here."""
        shown = self.first
        gone = self._questions.resolve(message)
        if gone is None:
            return False
        self._say([self._style.dim("  answered on another screen")])
        if gone == shown:
            self._draw()
        return True

    def forget(self) -> None:
        """The connection was cut: what is still open is asked again."""
        self._questions, self._opens_at = Questions(), None

    def _again(self, why: str) -> None:
        self._say([self._style.dim(f"  {why}")])
        self._draw()

    def _draw(self, *, whole: bool = False) -> None:
        question = self.first
        if question is None:
            self._opens_at = None
            return
        self._rows_before = self._screen.rows_written
        self._taken = ""
        lines = question_lines(question.request, self._style, self._screen.room)
        if self._typing is None:
            self._opens_at = None
            self._say([*lines, *([self._elsewhere(question)] if self._elsewhere else [])])
            return
        if whole:
            self._say(whole_lines(question.request, self._style))
            self._rows_before = self._screen.rows_written
        else:
            self._say(lines)
        # After it was drawn: what was typed by then was typed to something else.
        self._take_away()
        self._opens_at = self._clock() + ATTENTION_SECONDS

    def _take_away(self) -> bool:
        taken = self._typing.drop() if self._typing is not None else ""
        self._taken += taken
        return bool(taken)

    @property
    def _is_covered(self) -> bool:
        """Whether so much was written since that some of the question has scrolled away."""
        room = self._screen.room
        return room is not None and self._screen.rows_written - self._rows_before > room.rows
