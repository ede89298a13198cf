"""codexctl approve: look at the approval that a thread waits for, and answer it, from anywhere.

An answer is one to the approval that was seen: either it is named on the command line, or it is drawn here
first and then answered with a key. Other open questions are not answered.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from codexd_frontends.cli.answering import Answering
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.questions import (
    INSTEAD_CHARACTERS_MAX,
    Question,
    Questions,
    Verdict,
    can_have_rule,
    how_to_answer,
    read_question,
    said,
)
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.cli.watch import (
    CtrlC,
    InputEnded,
    InputLines,
    Interrupts,
    NotTaken,
    Typed,
    Watch,
)
from codexd_frontends.client.approval_messages import ALWAYS
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, ConnectionCut, UsageError
from codexd_frontends.client.exits import DONE, LEFT, WAITING, Exit
from codexd_frontends.client.follow import Followed, read_answer
from codexd_frontends.client.messages import Message
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.question import question_lines
from codexd_frontends.screen.render import TerminalScreen

# The questions follow the answer to thread/resume at once, and so do notifications of answered questions.
QUESTION_SECONDS_MAX = 5.0
# And they come together: the wait after the first question is short.
NEXT_QUESTION_SECONDS_MAX = 1.0


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Answer one approval of a thread; without its id, show the oldest and ask for a key."""
    verdict, wanted = _verdict(arguments), arguments.approval
    if wanted is None and verdict is not None:
        raise UsageError(
            "expected the id of the approval that is to be answered, found none: "
            "`codexctl approve THREAD` shows it; nothing was answered"
        )
    with connect(console) as daemon, Interrupts() as interrupts:
        followed = Followed(find_thread_id(daemon, arguments.thread))
        waits = bool(read_answer(followed.attach(daemon)).thread.status.active_flags)
        asked = _question(daemon, followed, wanted) if waits else None
        if asked is None:
            raise CommandError(_not_open(followed.thread_id, wanted))
        needs_words = verdict is None and _read(asked).asks_more
        if wanted is not None and not needs_words:
            return _answer(daemon, followed, asked, verdict or Verdict("accept"), console)
        if console.may_ask and not console.json:
            watch = Watch(interrupts, InputLines(sys.stdin.fileno()))
            return Asking(daemon, followed, console, watch).ask(asked)
    _show(_read(asked), console)
    return WAITING


def _verdict(arguments: argparse.Namespace) -> Verdict | None:
    if arguments.no is not None:
        if len(arguments.no) > INSTEAD_CHARACTERS_MAX:
            raise UsageError(
                f"expected {INSTEAD_CHARACTERS_MAX} characters for the model at most, found "
                f"{len(arguments.no)}; nothing was answered"
            )
        return Verdict("decline", arguments.no)
    if arguments.decline:
        return Verdict("decline")
    if arguments.cancel:
        return Verdict("cancel")
    if arguments.always:
        return Verdict(ALWAYS)
    return Verdict("acceptForSession") if arguments.session else None


def _not_open(thread_id: str, wanted: str | None) -> str:
    if wanted is None:
        return f"{thread_id} waits for no approval; nothing was answered"
    return f"{thread_id} does not wait for the approval {one_line(wanted)}; nothing was answered"


def _question(daemon: Daemon, followed: Followed, wanted: str | None) -> Message | None:
    """The question that is wanted, or the first."""
    deadline = time.monotonic() + QUESTION_SECONDS_MAX
    while (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        if message is None:
            return None
        if not followed.take(message) or not message.is_request:
            continue
        question = read_question(message)
        if question is not None and wanted in (None, question.request.approval_id):
            return message
        deadline = min(deadline, time.monotonic() + NEXT_QUESTION_SECONDS_MAX)
    return None


def _read(message: Message) -> Question:
    question = read_question(message)
    assert question is not None, "it was read before"
    return question


def _answer(
    daemon: Daemon, followed: Followed, asked: Message, verdict: Verdict, console: Console
) -> Exit:
    """Show the approval that was named, and answer it."""
    question = _read(asked)
    if verdict.decision == ALWAYS and not can_have_rule(question.request):
        raise CommandError(
            "expected an approval that proposes a rule, found none; nothing was answered"
        )
    if verdict.instead is not None and question.request.host is not None:
        raise CommandError(
            "expected an approval of what is to be done, found one of a host, which the model is told "
            "nothing of; nothing was answered"
        )
    if not console.json:
        console.answers(question_lines(question.request, console.out_style, console.room))
    daemon.answer(question.id, question.answer(verdict))
    _wait_resolved(daemon, followed, question)
    if console.json:
        console.document(_members(question, verdict.decision))
    else:
        console.answer(f"  {said(verdict, question.request)}")
    return DONE


def _wait_resolved(daemon: Daemon, followed: Followed, question: Question) -> None:
    """Wait until the daemon has it in its log; before that the answer could still be lost."""
    questions = Questions()
    questions.ask(question)
    deadline = time.monotonic() + QUESTION_SECONDS_MAX
    while (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        if message is None:
            break
        if not followed.take(message) or message.method != "serverRequest/resolved":
            continue
        if questions.resolve(message) is not None:
            return
    raise ConnectionCut("the daemon did not say that the approval is answered; see `codexctl show`")


def _show(question: Question, console: Console) -> None:
    """Show the approval, and how to answer it; nothing is decided."""
    if console.json:
        console.document(_members(question, None))
        return
    console.answers(question_lines(question.request, console.out_style, console.room))
    console.answer("Nothing was answered; do that with one of")
    console.answers(how_to_answer(question.request))


def _members(question: Question, decision: str | None) -> dict[str, object]:
    request = question.request
    return {
        "threadId": request.thread_id,
        "approvalId": request.approval_id,
        "itemId": request.item_id,
        "command": request.shell_line,
        "cwd": request.cwd,
        "reason": request.own_reason,
        "modelSays": request.model_says,
        "proposedRule": request.proposed_rule,
        "decision": decision,
    }


class Asking:
    """One approval asked for with a key."""

    def __init__(self, daemon: Daemon, followed: Followed, console: Console, watch: Watch) -> None:
        self._daemon, self._followed, self._watch = daemon, followed, watch
        screen = TerminalScreen(answer=console.out_style)
        self._console, self._screen = console, screen
        self._answering = Answering(self._say, console.out_style, console, watch.lines)

    def ask(self, asked: Message) -> Exit:
        """Draw it, and wait for its answer, here or elsewhere. Raises: ConnectionCut."""
        question, asking = _read(asked), self._answering
        asking.ask(asked)
        while True:
            pause = asking.tick()
            daemon = None if asking.holds else self._daemon
            match self._watch.next(daemon, listen=asking.listens, join_pasted=False, seconds=pause):
                case Typed(text):
                    if asking.typed(text, self._daemon) is not None:
                        _wait_resolved(self._daemon, self._followed, question)
                        return DONE
                case NotTaken():
                    asking.typed("", self._daemon)  # It is no answer.
                case Message() as message if self._followed.take(message):
                    if message.method == "serverRequest/resolved" and asking.resolved(message):
                        return DONE
                case Message() | None:
                    pass
                case CtrlC():
                    return LEFT
                case InputEnded():
                    how = how_to_answer(question.request)
                    self._say(["It waits for an answer; give it with one of", *how])
                    return WAITING

    def _say(self, lines: Sequence[str]) -> None:
        self._console.write(self._screen.lines(lines))
