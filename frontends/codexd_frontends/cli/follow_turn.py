"""Following one turn to its end: what `send` does once its turn is started, and the demo too."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from codexd.protocol.usage import TokenUsageBreakdown
from codexd_frontends.cli.answering import Answering
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.questions import how_to_answer, read_question
from codexd_frontends.cli.start import is_stopped, reconnect
from codexd_frontends.cli.streams import OutputFailed
from codexd_frontends.cli.watch import CtrlC, InputEnded, NotTaken, Typed, Watch
from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut, RequestRefused
from codexd_frontends.client.exits import DONE, FAILED, INTERRUPTED, LEFT, WAITING, Exit
from codexd_frontends.client.follow import Followed
from codexd_frontends.client.messages import (
    InterruptAnswer,
    Message,
    ThreadNote,
    Turn,
    TurnNote,
    UsageNote,
)
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.numbers import tokens_minus
from codexd_frontends.screen.question import question_lines
from codexd_frontends.screen.reasoning import Thoughts
from codexd_frontends.screen.render import TerminalScreen


class Ended(NamedTuple):
    """How following a turn ended, and the turn if it has ended too."""

    exit: Exit
    turn: Turn | None = None

    def members(self) -> dict[str, object]:
        """For programs."""
        turn = self.turn
        error = None if turn is None or turn.error is None else turn.error.message
        status = self.exit.word if turn is None else turn.status
        return {"exit": self.exit.number, "status": status, "error": error}


class Shows(Protocol):
    """Where a turn is shown: on a screen, or as JSON lines."""

    def message(self, message: Message) -> None: ...
    def lines(self, *lines: str) -> None: ...


def turn_screen(console: Console, thoughts: Thoughts = "summary") -> TerminalScreen:
    """The screen of a command that follows one turn and then ends."""
    return TerminalScreen(
        answer=console.out_style,
        talk=console.talk_style,
        whole=False,
        one_screen=console.one_screen,
        holds=not console.is_seen,
        thoughts=thoughts,
    )


class OnScreen:
    """Shows a turn to a person."""

    def __init__(self, console: Console, screen: TerminalScreen) -> None:
        self._console = console
        self._screen = screen

    def message(self, message: Message) -> None:
        self._console.write(self._screen.note(message))

    def lines(self, *lines: str) -> None:
        self._console.write(self._screen.lines(lines))


class AsJson:
    """Shows a turn to a program: the daemon's messages, a line each, as they came."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def message(self, message: Message) -> None:
        self._console.json_line(message.line)

    def lines(self, *lines: str) -> None:
        """Text for a person is not put among the messages."""


class RunningTurn:
    """One turn, from its start to its end."""

    def __init__(
        self, daemon: Daemon, followed: Followed, turn_id: str, console: Console, shows: Shows
    ) -> None:
        self._daemon = daemon
        self._followed = followed
        self._turn_id = turn_id
        self._console = console
        self._shows = shows
        self._answering: Answering | None = None  # None: there is no person to ask
        self._left_open: ApprovalRequest | None = None  # that was asked last
        self._began = False  # not while an earlier turn runs
        self._total: TokenUsageBreakdown | None = None  # of the thread, by the last notification
        self._total_before = TokenUsageBreakdown()  # what it was in front of this turn

    @property
    def used(self) -> TokenUsageBreakdown | None:
        """The usage of the turn; None: the provider has not reported it."""
        return None if self._total is None else tokens_minus(self._total, self._total_before)

    def follow(self, watch: Watch, *, seconds: float | None = None) -> Ended:
        """Show the turn until it ends, or waits for a person who is not here.

        If the daemon goes away, follow the turn in the next one, after the cursor.

        Raises:
            Unreachable: there was no next one in time.
            ConnectionCut: with `seconds`: the daemon ended, or sent nothing for so long.
        """
        try:
            while True:
                try:
                    return self._follow(watch, seconds)
                except ConnectionCut as cut:
                    if seconds is not None or is_stopped(self._console.socket_path):
                        raise
                    self._talk(f"— {one_line(str(cut))}; reconnecting —")
                if not reconnect(self._daemon, self._console, watch, self._attach_again):
                    self._leave()
                    return Ended(LEFT)
        except (CommandError, OutputFailed):
            self._leave()
            raise
        except KeyboardInterrupt:
            self._leave()
            return Ended(LEFT)

    def _attach_again(self, daemon: Daemon) -> None:
        if self._answering is not None:
            self._answering.forget()  # Those that are still open are asked again.
        self._followed.attach(daemon, again=True)
        self._talk("— connected again —")

    def _talk(self, line: str) -> None:
        self._shows.lines(self._console.talk_style.dim(line))

    def _leave(self) -> None:
        """A turn outlives the connection and the daemon: it continues when the daemon runs again."""
        self._shows.lines(
            "The result of the turn is shown by",
            f"  codexctl attach {self._followed.thread_id}",
        )

    def _follow(self, watch: Watch, seconds: float | None) -> Ended:
        if self._console.may_ask and not self._console.json and watch.lines is not None:
            style = self._console.talk_style
            self._answering = self._answering or Answering(
                self._say, style, self._console, watch.lines
            )
        asking = self._answering
        while True:
            pause = asking.tick() if asking is not None else None
            listens = asking is not None and asking.listens
            waits = seconds if pause is None else pause
            daemon = None if asking is not None and asking.holds else self._daemon
            match watch.next(daemon, listen=listens, join_pasted=False, seconds=waits):
                case None if pause is not None:
                    pass  # The question takes answers now.
                case None:
                    raise ConnectionCut(f"nothing was heard of the turn for {seconds:g} s")
                case Message() as message:
                    ended = self._message(message)
                    if ended is not None:
                        return ended
                case Typed(text):
                    if asking is not None:
                        asking.typed(text, self._daemon)
                case NotTaken():
                    if asking is not None:
                        asking.typed("", self._daemon)  # It is no answer.
                case InputEnded():
                    return self._waiting()
                case CtrlC():
                    watch.leave_next()
                    ended = self._interrupt()
                    if ended is not None:
                        return ended

    def _say(self, lines: Sequence[str]) -> None:
        self._shows.lines(*lines)

    def _message(self, message: Message) -> Ended | None:
        if not self._followed.take(message):
            return None
        if message.method == "thread/tokenUsage/updated":
            self._count(message)
        is_ours = self._is_ours(message)
        if not is_ours and not message.is_request:
            return None
        self._shows.message(message)
        if message.is_request:
            if not is_ours:
                self._shows.lines(
                    "An earlier turn of this thread waits for an answer, and this one for its end."
                )
            return self._question(message)
        match message.method:
            case "turn/started":
                self._began = True
            case "serverRequest/resolved" if self._answering is not None:
                self._answering.resolved(message)
            case "turn/completed":
                turn = msgspec.json.decode(message.params, type=TurnNote).turn
                return Ended(_EXITS.get(turn.status, FAILED), turn)
            case "thread/archived" if not self._began:
                self._shows.lines("withdrawn before its turn began: the thread was archived")
                return Ended(INTERRUPTED)
            case "thread/closed":
                self._shows.lines(
                    "The turn continues when the thread is resumed:",
                    f"  codexctl attach {self._followed.thread_id}",
                )
                return Ended(FAILED)
        return None

    def _count(self, message: Message) -> None:
        total = msgspec.json.decode(message.params, type=UsageNote).token_usage.total
        if self._is_ours(message):
            self._total = total
        else:
            self._total_before = total

    def _is_ours(self, message: Message) -> bool:
        """Whether a message is about our turn, or about the thread as a whole."""
        if message.method in ("turn/started", "turn/completed"):
            return msgspec.json.decode(message.params, type=TurnNote).turn.id == self._turn_id
        note = msgspec.json.decode(message.params, type=ThreadNote)
        return note.turn_id in (None, self._turn_id)

    def _question(self, message: Message) -> Ended | None:
        question = read_question(message)
        if question is None:
            return None
        self._left_open = question.request
        if self._answering is None:
            self._shows.lines(*question_lines(question.request, self._console.talk_style))
            return self._waiting()
        self._answering.ask(message)
        return None

    def _waiting(self) -> Ended:
        """Leave the question open: it waits in the daemon, through restarts too."""
        first = self._answering.first if self._answering is not None else None
        request = self._left_open if first is None else first.request
        assert request is not None, "a question is open"
        self._shows.lines("It waits for an answer; give it with one of", *how_to_answer(request))
        return Ended(WAITING)

    def _interrupt(self) -> Ended | None:
        if self._answering is not None:
            self._answering.release_input()
        style = self._console.talk_style
        self._shows.lines(style.dim("interrupting; Ctrl-C again leaves at once"))
        params = {"threadId": self._followed.thread_id, "turnId": self._turn_id}
        if self._began:
            # It may have ended meanwhile; then its end is on the way, and says how.
            self._daemon.post("turn/interrupt", params)
            return None
        with contextlib.suppress(RequestRefused):  # The same.
            if self._daemon.call("turn/interrupt", params, InterruptAnswer).withdrawn:
                self._shows.lines("withdrawn before its turn began")
                return Ended(INTERRUPTED)
        return None


_EXITS = {"completed": DONE, "interrupted": INTERRUPTED, "failed": FAILED}
