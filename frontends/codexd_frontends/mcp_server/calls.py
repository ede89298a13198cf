"""What each tool does: a few requests to the daemon. A call may be made again after a restart: its key makes it one. I/O."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from codexd_frontends.cli.questions import Verdict
from codexd_frontends.cli.thread_ref import SOURCE_KINDS, find_thread_id
from codexd_frontends.client.approval_messages import ResolvedNote
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import RequestRefused, UsageError
from codexd_frontends.client.messages import Received, Thread, ThreadAnswer, TurnAnswer
from codexd_frontends.mcp_server import parameters as p
from codexd_frontends.mcp_server import reading

# A list of one state looks at so many threads at most; its cursor goes on from there.
PAGES_MAX: Final = 10
LAST_MESSAGE_CHARACTERS: Final = 8000
RESOLVED_SECONDS_MAX: Final = 5.0

Told = dict[str, Any]


class _Threads(Received, frozen=True, kw_only=True):
    """A page of thread/list."""

    data: tuple[Thread, ...]
    next_cursor: str | None = None


class _Begun(TurnAnswer, frozen=True, kw_only=True):
    """The answer to turn/start."""

    queued: bool = False


def list_threads(daemon: Daemon, asked: p.ListThreads, _key: str) -> Told:
    """A page of threads, those used last first."""
    found: list[Thread] = []
    cursor = asked.cursor
    for _ in range(PAGES_MAX):
        page = daemon.call(
            "thread/list",
            {
                "archived": asked.archived,
                "cursor": cursor,
                "limit": asked.limit - len(found),
                "searchTerm": asked.search,
                "cwd": asked.cwd,
                "sortKey": "updated_at",
                "sortDirection": "desc",
                "sourceKinds": SOURCE_KINDS,
            },
            _Threads,
        )
        found += [thread for thread in page.data if asked.state in (None, reading.state_of(thread))]
        cursor = page.next_cursor
        if cursor is None or len(found) >= asked.limit:
            break
    more = {} if cursor is None else {"nextCursor": cursor}
    return {"threads": [reading.row(thread) for thread in found], **more}


def read_thread(daemon: Daemon, asked: p.ReadThread, _key: str) -> Told:
    """Its row, its last turns, and its open questions."""
    thread = reading.read_thread(daemon, find_thread_id(daemon, asked.thread))
    told = reading.row(thread) | reading.turns_of(daemon, thread.id, asked.turns, asked.characters)
    return told | _questions(daemon, thread)


def _questions(daemon: Daemon, thread: Thread) -> Told:
    if reading.state_of(thread) != "asking":
        return {}
    try:
        return {
            "questions": [
                reading.question_row(question)
                for question in reading.open_questions(daemon, thread.id)
            ]
        }
    finally:
        reading.leave(daemon, thread.id)


def state_now(daemon: Daemon, thread_id: str) -> Told:
    """The answer of `await_thread`: how it stands, its last message, and what it asks."""
    thread = reading.read_thread(daemon, thread_id)
    said = reading.last_message(daemon, thread_id, LAST_MESSAGE_CHARACTERS)
    told = {"threadId": thread_id, "state": reading.read_state(daemon, thread_id)}
    return told | said | _questions(daemon, thread)


def start_thread(daemon: Daemon, asked: p.StartThread, key: str) -> Told:
    """A thread with a first turn; where that is refused, no empty thread is left."""
    params = {"cwd": asked.cwd or os.getcwd(), "model": asked.model, "idempotencyKey": key}
    if not os.path.isabs(str(params["cwd"])):
        raise UsageError(
            f"expected an absolute path for cwd, found {asked.cwd!r}; no thread was started"
        )
    thread_id = daemon.call("thread/start", params, ThreadAnswer).thread.id
    try:
        begun = _begin(daemon, thread_id, asked.prompt, key)
    except RequestRefused:
        daemon.call("thread/delete", {"threadId": thread_id}, object)
        raise
    if asked.name is not None:
        daemon.call("thread/name/set", {"threadId": thread_id, "name": asked.name}, object)
    reading.leave(daemon, thread_id)
    return {"threadId": thread_id, "turnId": begun.turn.id, "delivery": "started"}


def _begin(daemon: Daemon, thread_id: str, prompt: str, key: str) -> _Begun:
    parts = [{"type": "text", "text": prompt}]
    params = {"threadId": thread_id, "input": parts, "idempotencyKey": f"{key} turn"}
    return daemon.call("turn/start", params, _Begun)


def send_prompt(daemon: Daemon, asked: p.SendPrompt, key: str) -> Told:
    """A turn of its own, now or later; or words into the one that runs."""
    thread_id = find_thread_id(daemon, asked.thread)
    turn_id = reading.running_turn(daemon, thread_id) if asked.mode == "steer" else None
    if turn_id is not None:
        params = {
            "threadId": thread_id,
            "expectedTurnId": turn_id,
            "input": [{"type": "text", "text": asked.prompt}],
            "idempotencyKey": key,
        }
        try:
            daemon.call("turn/steer", params, object)
        except RequestRefused:
            if reading.running_turn(daemon, thread_id) == turn_id:
                raise  # It takes nothing, such as a review; else it has ended meanwhile.
        else:
            return {"threadId": thread_id, "turnId": turn_id, "delivery": "steered"}
    begun = _begin(daemon, thread_id, asked.prompt, key)
    delivery = "queued" if begun.queued else "started"
    return {"threadId": thread_id, "turnId": begun.turn.id, "delivery": delivery}


def interrupt_thread(daemon: Daemon, asked: p.InterruptThread, _key: str) -> Told:
    """The turn that was interrupted, or none."""
    thread_id = find_thread_id(daemon, asked.thread)
    turn_id = reading.running_turn(daemon, thread_id)
    if turn_id is None:
        return {"threadId": thread_id, "wasInterrupted": False}
    daemon.call("turn/interrupt", {"threadId": thread_id, "turnId": turn_id}, object)
    return {"threadId": thread_id, "turnId": turn_id, "wasInterrupted": True}


def fork_thread(daemon: Daemon, asked: p.ForkThread, key: str) -> Told:
    """The new thread."""
    source = find_thread_id(daemon, asked.thread)
    params = {
        "threadId": source,
        "lastTurnId": asked.last_turn,
        "excludeTurns": True,
        "idempotencyKey": key,
    }
    thread_id = daemon.call("thread/fork", params, ThreadAnswer).thread.id
    reading.leave(daemon, thread_id)
    return {"threadId": thread_id, "forkedFrom": source}


def archive_thread(daemon: Daemon, asked: p.ArchiveThread, _key: str) -> Told:
    """Whether it is there."""
    thread_id = find_thread_id(daemon, asked.thread)
    daemon.call("thread/archive", {"threadId": thread_id}, object)
    return {"threadId": thread_id, "archived": True}


def answer_question(daemon: Daemon, asked: p.AnswerQuestion, _key: str) -> Told:
    """The answer, once the daemon has it in its log."""
    thread_id = find_thread_id(daemon, asked.thread)
    try:
        open_now = reading.open_questions(daemon, thread_id)
        found = [one for one in open_now if one.request.approval_id == asked.question]
        if not found:
            raise UsageError(
                f"expected an open question of {thread_id}, found {asked.question!r}; nothing was answered: "
                "read_thread has those that are open"
            )
        question = found[0]
        if question.request.elicits:
            verdict = Verdict(asked.decision, content=asked.answers or None)
        else:
            verdict = Verdict(asked.decision, asked.instead)
            while question.asks_more and asked.decision == "accept":
                first = question.request.questions[0].id
                given = asked.answers.get(first)
                if given is None:
                    raise UsageError(
                        f"expected an answer to {first!r}, found none; nothing was answered"
                    )
                question = question.with_answer((given,))
        daemon.answer(question.id, question.answer(verdict))
        _wait_resolved(daemon, question.id)
    finally:
        reading.leave(daemon, thread_id)
    return {"threadId": thread_id, "question": asked.question, "decision": asked.decision}


def _wait_resolved(daemon: Daemon, request_id: int | str) -> None:
    deadline = time.monotonic() + RESOLVED_SECONDS_MAX
    while (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        if message is not None and message.method == "serverRequest/resolved":
            note = msgspec.json.decode(message.params, type=ResolvedNote)
            if note.request_id == request_id:
                return
    raise UsageError("the daemon did not say that the question is answered; read_thread shows it")


class Tool(NamedTuple):
    """A tool as it is declared, and what it does; None: the server waits by itself."""

    parameters: type[p.Parameters]
    title: str
    run: Callable[[Daemon, Any, str], Told] | None
    reads_only: bool = False
    destroys: bool = False
    answers: bool = False  # offered only where a person has said so


TOOLS: Final[Mapping[str, Tool]] = {
    "list_threads": Tool(p.ListThreads, "List threads", list_threads, reads_only=True),
    "read_thread": Tool(p.ReadThread, "Read a thread", read_thread, reads_only=True),
    "start_thread": Tool(p.StartThread, "Start a thread", start_thread),
    "send_prompt": Tool(p.SendPrompt, "Send a prompt", send_prompt),
    "await_thread": Tool(p.AwaitThread, "Await a thread", None, reads_only=True),
    "notify_when_idle": Tool(p.NotifyWhenIdle, "Notify when idle", None, reads_only=True),
    "interrupt_thread": Tool(
        p.InterruptThread, "Interrupt a thread", interrupt_thread, destroys=True
    ),
    "fork_thread": Tool(p.ForkThread, "Fork a thread", fork_thread),
    "archive_thread": Tool(p.ArchiveThread, "Archive a thread", archive_thread, destroys=True),
    "answer_question": Tool(
        p.AnswerQuestion, "Answer a question", answer_question, destroys=True, answers=True
    ),
}


def declarations(*, answers: bool) -> list[dict[str, Any]]:
    """The tools as `tools/list` has them."""
    return [
        {
            "name": name,
            "title": tool.title,
            "description": tool.parameters.__doc__,
            "inputSchema": p.input_schema(tool.parameters),
            "annotations": {
                "readOnlyHint": tool.reads_only,
                "destructiveHint": tool.destroys,
                "openWorldHint": not tool.reads_only,
            },
        }
        for name, tool in TOOLS.items()
        if answers or not tool.answers
    ]
