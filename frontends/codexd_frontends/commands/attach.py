"""codexctl attach: a terminal on a live thread: its past, then its notifications, and typed input.

Typed lines are taken when stdin is a terminal, unless `--no-input` is given; else attach only watches. With
`--observe` it is not asked either, and the others see that it only watches.
A line is a prompt; while a turn runs it steers that turn; while a question is open it answers it.
`!COMMAND` runs a command of the person in the thread, beside a turn that runs.
`/image FILE`, or a line that is nothing but paths of images, goes with the next prompt.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Callable, Sequence

import msgspec

from codexd.protocol.display.titles import TITLE_CHARACTERS_MAX, title_of
from codexd.protocol.usage import ThreadTokenUsage
from codexd_frontends.cli.answering import Answering
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.questions import Question, how_to_answer
from codexd_frontends.cli.start import connect, reconnect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.cli.watch import (
    CtrlC,
    InputEnded,
    InputLines,
    Interrupts,
    NotTaken,
    Seen,
    Typed,
    Watch,
)
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import ConnectionCut, RequestRefused, UsageError
from codexd_frontends.client.exits import DONE, LEFT, Exit
from codexd_frontends.client.follow import Followed, past_turns, read_answer, running_turn
from codexd_frontends.client.messages import (
    Message,
    StoppingNote,
    Thread,
    Turn,
    TurnAnswer,
    TurnNote,
    UsageNote,
)
from codexd_frontends.client.passed_env import passed_variables, session_of_turn
from codexd_frontends.commands.show import EARLIER
from codexd_frontends.screen.drawn import one_line, title
from codexd_frontends.screen.images import Part, image_parts, input_of, pasted_images
from codexd_frontends.screen.numbers import status_line, summary_line
from codexd_frontends.screen.reasoning import Thoughts, wanted_thoughts
from codexd_frontends.screen.render import TerminalScreen

PROMPT = "› "


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Attach to a thread until the person leaves."""
    only_watches = arguments.no_input or arguments.observe or console.json
    takes_input = not only_watches and sys.stdin.isatty()
    console.observes = arguments.observe
    daemon = connect(console)
    with Interrupts() as interrupts:
        lines = InputLines(sys.stdin.fileno()) if takes_input else None
        try:
            followed = Followed(find_thread_id(daemon, arguments.thread))
            thoughts = wanted_thoughts(daemon, arguments.reasoning)
            attached = Attached(daemon, followed, console, Watch(interrupts, lines), thoughts)
            ended = attached.stay(arguments.turns)
            attached.say_usage()
            return ended
        finally:
            daemon.close()


class Attached:
    """A terminal that is attached, over as many connections as it takes."""

    def __init__(
        self,
        daemon: Daemon,
        followed: Followed,
        console: Console,
        watch: Watch,
        thoughts: Thoughts = "summary",
    ) -> None:
        self._daemon = daemon
        self._followed = followed
        self._console = console
        self._watch = watch
        self._screen = TerminalScreen(answer=console.out_style, thoughts=thoughts)
        self._asking = Answering(
            self._lines, console.out_style, console, watch.lines, elsewhere=self._elsewhere
        )
        self._running: str | None = None  # the turn that runs
        self._has_prompt = False  # the last line of the screen is our prompt
        self._leaving = False  # Ctrl-C came, and nothing has happened since
        self._images: list[Part] = []  # that go with the next prompt
        self._usage: ThreadTokenUsage | None = None  # by the last notification

    def stay(self, turns: int) -> Exit:
        """Show the past, then what happens, until the person leaves. Raises: Trouble."""
        self._show_past(turns)
        while True:
            self._prompt()
            try:
                pause = self._asking.tick()
                idle = self._asking.first is None
                listen = self._watch.lines is not None and (idle or self._asking.listens)
                daemon = None if self._asking.holds else self._daemon
                seen = self._watch.next(daemon, listen=listen, join_pasted=idle, seconds=pause)
                ended = self._saw(seen)
            except ConnectionCut as cut:
                ended = self._reconnect(str(cut))
            if ended is not None:
                return ended

    def say_usage(self) -> None:
        """Print the thread's usage when the person leaves."""
        if self._usage is not None and not self._console.json:
            self._console.talk(self._console.talk_style.dim(summary_line(self._usage.total)))

    def _show_past(self, turns: int) -> None:
        message = self._followed.attach(self._daemon)
        answer = read_answer(message)
        past = past_turns(
            self._daemon,
            self._followed.thread_id,
            turns,
            before=answer.turns_backwards_cursor,
        )
        if self._console.json:
            self._console.document({"attached": message.result, "turns": past.turns})
            return
        self._say(_heading(answer.thread))
        if past.more:
            self._say(f"— {EARLIER.format(self._followed.thread_id)} —")
        read = [msgspec.json.decode(raw, type=Turn) for raw in past.turns]
        for turn in read:
            self._console.write(self._screen.turn(turn))
        running = running_turn(read)
        self._running = None if running is None else running.id

    def _saw(self, seen: Seen | None) -> Exit | None:
        match seen:
            case Message():
                self._message(seen)
            case Typed(text):
                # The newline that was typed ended the line, be it the prompt's or the answer's.
                self._has_prompt = False
                self._screen.line_ended()
                return self._typed(text)
            case NotTaken(why):
                self._has_prompt = False
                self._screen.line_ended()
                self._not_taken(why)
            case InputEnded():
                self._clear_prompt(keep=True)
                return DONE
            case CtrlC():
                return self._interrupt()
        return None

    def _message(self, message: Message) -> None:
        if message.method == "daemon/stopping":
            note = msgspec.json.decode(message.params, type=StoppingNote)
            self._say(f"— the daemon {'restarts' if note.reason == 'restart' else 'stops'} —")
        if not self._followed.take(message):
            return
        self._leaving = False
        if message.method == "thread/unarchived":
            self._followed.attach(self._daemon)  # An archived thread has no followers.
        if self._console.json:
            self._console.json_line(message.line)
            return
        if message.is_request:
            self._asking.ask(message)
            return
        pieces = self._screen.note(message)
        if pieces:
            self._clear_prompt()
        self._console.write(pieces)
        match message.method:
            case "turn/started":
                self._clear_prompt()
                self._running = msgspec.json.decode(message.params, type=TurnNote).turn.id
            case "thread/tokenUsage/updated":
                self._usage = msgspec.json.decode(message.params, type=UsageNote).token_usage
            case "thread/closed":
                self._running = None  # The next prompt has the daemon load it again.
            case "turn/completed":
                self._turn_ended(msgspec.json.decode(message.params, type=TurnNote).turn)
            case "serverRequest/resolved":
                self._asking.resolved(message)

    def _turn_ended(self, turn: Turn) -> None:
        if turn.id == self._running:
            self._running = None

    def _lines(self, lines: Sequence[str]) -> None:
        self._clear_prompt()
        self._console.write(self._screen.lines(lines))

    def _elsewhere(self, question: Question) -> str:
        return f"{how_to_answer(question.request)[0]} answers it"

    def _typed(self, text: str) -> Exit | None:
        self._leaving = False
        word = text.strip()
        if word == "/quit":
            return DONE
        if word == "/interrupt":
            self._stop_turn()
        elif self._asking.first is not None:
            self._asking.typed(text, self._daemon)
        elif word.startswith("!"):
            return self._run(word[1:].strip())
        elif word == "/image" or word.startswith("/image "):
            named = word.removeprefix("/image").strip()
            self._attach_images(pasted_images(named) or [named])
        elif images := pasted_images(word):
            self._attach_images(images)
        elif word.startswith("/") and " " not in word and "/" not in word[1:]:
            self._say(f"{one_line(word)} is not known here; there are /image, /interrupt and /quit")
        elif word:
            return self._send(text)
        return None

    def _not_taken(self, why: str) -> None:
        self._leaving = False
        if self._asking.first is not None:
            self._asking.typed("", self._daemon)  # It is no answer.
        else:
            self._say(f"not sent: {one_line(why)}")

    def _attach_images(self, words: list[str]) -> None:
        """Have images go with the next prompt; none named: let those go that were to."""
        try:
            found = image_parts(words)
        except UsageError as trouble:
            self._say(f"  {one_line(str(trouble))}")
            return
        self._images = [*self._images, *found] if found else []
        names = ", ".join(os.path.basename(part["path"]) for part in self._images)
        with_it = f"goes with your next prompt: {names}" if names else "no image is attached now"
        self._say(f"  {one_line(with_it)}")

    def _send(self, text: str) -> Exit | None:
        """Start a turn with the typed text, or steer the running turn."""
        client_id = str(uuid.uuid4())
        params: dict[str, object] = {
            "threadId": self._followed.thread_id,
            "input": input_of(self._images, text),
            "clientUserMessageId": client_id,
            "idempotencyKey": client_id,
        }
        if self._running is None:
            self._screen.hide_own(client_id)  # It is on this screen already, after the prompt.
        return self._until_sent(lambda: self._send_once(params))

    def _run(self, line: str) -> Exit | None:
        """Run a command of the person in the thread."""
        if not line:
            self._say("expected a command after !, for example !git status")
            return None
        params = {
            "threadId": self._followed.thread_id,
            "command": line,
            "updateEnvironment": passed_variables(),
            "idempotencyKey": str(uuid.uuid4()),
        }
        return self._until_sent(lambda: self._daemon.call("thread/shellCommand", params, object))

    def _until_sent(self, send: Callable[[], object]) -> Exit | None:
        """Send something; its key lets the daemon tell a second try from a second one."""
        while True:
            try:
                send()
            except RequestRefused as refused:
                self._say(f"not sent: {one_line(str(refused))}")
            except ConnectionCut as cut:
                left = self._reconnect(str(cut))
                if left is not None:
                    return left
                continue
            return None

    def _send_once(self, params: dict[str, object]) -> None:
        if self._running is not None:
            steer = {**params, "expectedTurnId": self._running}
            try:
                self._daemon.call("turn/steer", steer, object)
                self._images = []
                return
            except RequestRefused as refused:
                if refused.reason in ("disk_full", "storage_busy"):
                    raise
                if refused.reason != "turn_not_steerable":
                    self._running = None  # The turn has just ended: start the next turn.
        begin = {**params, **session_of_turn(self._daemon.key_variables)}
        turn = self._daemon.call("turn/start", begin, TurnAnswer).turn
        self._images = []
        if self._running is None:
            self._running = turn.id
        else:  # A compaction or a review takes no prompts.
            self._say("the prompt waits for the end of the running turn")

    def _interrupt(self) -> Exit | None:
        if self._watch.lines is None:
            return DONE
        if self._leaving:
            self._clear_prompt(keep=True)
            return LEFT
        self._leaving = True
        if self._running is not None:
            self._stop_turn()
        else:
            self._clear_prompt(keep=True)
            self._say("Ctrl-D or /quit leaves; the thread continues without you")
        return None

    def _stop_turn(self) -> None:
        if self._running is None:
            self._say("no turn runs")
            return
        self._clear_prompt(keep=True)
        self._asking.release_input()
        self._daemon.post(
            "turn/interrupt",
            {"threadId": self._followed.thread_id, "turnId": self._running},
        )

    def _reconnect(self, why: str) -> Exit | None:
        """Connect again and continue after the cursor. Raises: Unreachable: it took too long."""
        self._say(f"— {one_line(why)}; reconnecting —")
        stayed = reconnect(self._daemon, self._console, self._watch, self._attach_again)
        return None if stayed else LEFT

    def _attach_again(self, daemon: Daemon) -> None:
        """Attach after the cursor: the daemon sends all that happened meanwhile."""
        self._asking.forget()  # Those that are still open are asked again.
        self._followed.attach(daemon)
        self._say("— connected again —")

    def _prompt(self) -> None:
        """Show the prompt if a line typed now would be the next prompt."""
        idle = self._running is None and self._asking.first is None
        if self._daemon.has_heard:
            return  # A notification of the status is here already: the prompt shows the status too.
        if self._watch.lines is not None and idle and not self._has_prompt:
            status = "" if self._usage is None else f"{status_line(self._usage)} "
            self._console.prompt(f"{self._console.out_style.dim(status)}{PROMPT}")
            self._has_prompt = True

    def _clear_prompt(self, *, keep: bool = False) -> None:
        """Take the prompt off the screen; `keep`: go to the next line instead, since ^C follows it."""
        if self._has_prompt:
            self._console.end_prompt(erase=not keep)
            self._has_prompt = False

    def _say(self, line: str) -> None:
        if self._console.json:
            return
        self._clear_prompt()
        self._console.write(self._screen.lines([self._console.out_style.dim(line)]))


def _heading(thread: Thread) -> str:
    name = title(thread.name or title_of(thread.preview), TITLE_CHARACTERS_MAX)
    facts = (thread.id, name, one_line(thread.cwd), one_line(thread.model or ""))
    return " · ".join(fact for fact in facts if fact)
