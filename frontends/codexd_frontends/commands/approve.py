"""codexctl approve: answer, from anywhere, the approval that a thread waits for."""

from __future__ import annotations

import argparse
import time

from codexd_frontends.asking import Question, Questions, read_question, said
from codexd_frontends.client import Daemon
from codexd_frontends.console import Console
from codexd_frontends.exits import DONE, FAILED, Exit
from codexd_frontends.follow import Followed, read_answer
from codexd_frontends.items import question_lines
from codexd_frontends.start import connect
from codexd_frontends.trouble import ConnectionCut, Trouble
from codexd_frontends.which import find_thread_id

# The question follows the answer to thread/resume at once, and so does the word that it is answered.
QUESTION_SECONDS_MAX = 5.0


class NothingAsked(Trouble):
    """No approval is waited for."""

    exit = FAILED


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Answer the oldest open approval of a thread, and show what it was."""
    decision = _decision(arguments)
    with connect(console) as daemon:
        followed = Followed(find_thread_id(daemon, arguments.thread))
        waits = (
            "waitingOnApproval" in read_answer(followed.attach(daemon)).thread.status.active_flags
        )
        question = _first_question(daemon, followed) if waits else None
        if question is None:
            raise NothingAsked(f"{followed.thread_id} waits for no approval; nothing was answered")
        daemon.answer(question.id, {"decision": decision})
        _wait_resolved(daemon, followed, question)
    _report(question, decision, console)
    return DONE


def _decision(arguments: argparse.Namespace) -> str:
    if arguments.decline:
        return "decline"
    if arguments.cancel:
        return "cancel"
    return "acceptForSession" if arguments.session else "accept"


def _first_question(daemon: Daemon, followed: Followed) -> Question | None:
    deadline = time.monotonic() + QUESTION_SECONDS_MAX
    while (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        if message is None:
            return None
        if followed.take(message) and message.is_request:
            question = read_question(message)
            if question is not None:
                return question
    return None


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


def _report(question: Question, decision: str, console: Console) -> None:
    if console.json:
        request = question.request
        console.document(
            {
                "threadId": request.thread_id,
                "itemId": request.item_id,
                "command": request.shell_line,
                "decision": decision,
            }
        )
        return
    for line in question_lines(question.request, console.out_style):
        console.answer(line)
    console.answer(f"  {said(decision)}")
