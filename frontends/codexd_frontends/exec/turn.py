"""A turn of `exec`, followed to its end. Nobody is asked: what needs a person is declined. I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from codexd_frontends.cli.console import Console
from codexd_frontends.cli.follow_turn import Ended, RunningTurn, Shows
from codexd_frontends.cli.questions import Verdict, read_question
from codexd_frontends.cli.streams import talk_on_stderr
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.follow import Followed
from codexd_frontends.client.messages import ItemNote, Message
from codexd_frontends.exec.events import Events
from codexd_frontends.screen.drawn import last_look, one_line
from codexd_frontends.screen.render import TerminalScreen

_OF_ALL = frozenset({"configWarning", "deprecationNotice"})
_USER_INPUT = "item/tool/requestUserInput"


class AsEvents:
    """Shows a turn to a program: the events of `codex exec --json`."""

    def __init__(self, console: Console) -> None:
        self._console, self._events = console, Events()

    def begin(self, thread_id: str, warnings: list[str]) -> None:
        """The first events, of the thread."""
        self._write({"type": "thread.started", "thread_id": thread_id})
        for text in warnings:
            self._write(self._events.warning(text))

    def message(self, message: Message) -> None:
        for event in self._events.of(message):
            self._write(event)

    def lines(self, *lines: str) -> None:
        """Text for a person is no event."""
        for line in lines:
            self._console.talk(line)

    def _write(self, event: dict[str, object]) -> None:
        self._console.json_line(msgspec.json.encode(event))


class OnStderr:
    """Shows a turn to a person who reads the log of a job: all of it on stderr."""

    def __init__(self, console: Console, screen: TerminalScreen) -> None:
        self._console, self._screen = console, screen

    def begin(self, thread_id: str, warnings: list[str]) -> None:
        style = self._console.talk_style
        self._console.talk(style.dim(f"thread {thread_id}"))
        for text in warnings:
            self._console.talk(style.yellow(f"warning: {text}"))

    def message(self, message: Message) -> None:
        for piece in self._screen.note(message):
            talk_on_stderr(last_look(piece.text))

    def lines(self, *lines: str) -> None:
        for line in lines:
            self._console.talk(line)


class ExecTurn(RunningTurn):
    """One turn, which ends with this process: the daemon interrupts it when the connection closes."""

    def __init__(
        self,
        daemon: Daemon,
        followed: Followed,
        turn_id: str,
        console: Console,
        shows: Shows,
        tie_again: Callable[[], object] | None,
    ) -> None:
        super().__init__(daemon, followed, turn_id, console, shows)
        self._tie_again = tie_again
        self.last_message: str | None = None  # of the model
        self._last_plan: str | None = None

    @property
    def result(self) -> str | None:
        """What the turn has come to: the last message, else the plan that was proposed."""
        return self._last_plan if self.last_message is None else self.last_message

    def _attach_again(self, daemon: Daemon) -> None:
        if self._tie_again is not None:
            self._tie_again()
        super()._attach_again(daemon)

    def _leave(self) -> None:
        """Nothing goes on that could be attached to."""

    def _message(self, message: Message) -> Ended | None:
        if message.method in _OF_ALL:
            self._shows.message(message)
            return None
        ended = super()._message(message)
        if message.method == "item/completed" and self._is_ours(message):
            item = msgspec.json.decode(message.params, type=ItemNote).read_item()
            if item.type == "agentMessage":
                self.last_message = item.text
            elif item.type == "plan":
                self._last_plan = item.text
        return ended

    def _question(self, message: Message) -> Ended | None:
        """Decline it, and let the model go on without."""
        assert message.id is not None
        question = read_question(message)
        if question is not None:
            self._daemon.answer(message.id, question.answer(Verdict("decline")))
        elif message.method == _USER_INPUT:
            self._daemon.answer(message.id, {"answers": {}})
        self._shows.lines(
            f"declined: {one_line(message.method or '', 80)}, since nobody can be asked"
        )
        return None
