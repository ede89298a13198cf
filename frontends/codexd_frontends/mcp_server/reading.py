"""What is told of a thread: its state, the texts of its last turns within a bound, its open questions. I/O through the connection."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

import msgspec

from codexd_frontends.cli.questions import Question, read_question
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.follow import Followed, past_turns, running_turn_id, turns_params
from codexd_frontends.client.messages import Item, RawPage, Thread, ThreadAnswer, Turn, user_inputs

State = Literal["idle", "running", "asking", "error"]

# A thread that waits for a person asks those that attach at once; the rest of its questions come with the first.
QUESTION_SECONDS_MAX: Final = 5.0
ITEM_CHARACTERS_MAX: Final = 8000  # one long output must not hide the rest
PREVIEW_CHARACTERS_MAX: Final = 300
ERROR_CHARACTERS_MAX: Final = 1000  # some providers answer with a whole page
QUESTIONS_MAX: Final = 20


def state_of(thread: Thread) -> State:
    """One word for what it does."""
    status = thread.status
    if status.type == "active":
        return "asking" if status.active_flags else "running"
    return "error" if status.type == "systemError" else "idle"


def read_state(daemon: Daemon, thread_id: str) -> State:
    """As it is now. Raises: RequestRefused: there is no such thread."""
    state = state_of(read_thread(daemon, thread_id))
    # A daemon that has just begun has not taken up yet what ran before.
    goes_on = state == "idle" and running_turn(daemon, thread_id) is not None
    return "running" if goes_on else state


def read_thread(daemon: Daemon, thread_id: str) -> Thread:
    """The thread without its turns. Raises: RequestRefused."""
    return daemon.call("thread/read", {"threadId": thread_id}, ThreadAnswer).thread


def row(thread: Thread) -> dict[str, object]:
    """A thread in a list."""
    members = {
        "threadId": thread.id,
        "state": state_of(thread),
        "name": thread.name,
        "preview": shortened(thread.preview, PREVIEW_CHARACTERS_MAX),
        "cwd": thread.cwd,
        "model": thread.model,
        "updatedAt": thread.updated_at,
        "forkedFrom": thread.forked_from_id,
        "parentThread": thread.parent_thread_id,
        "trouble": thread.trouble,
    }
    return {name: value for name, value in members.items() if value is not None}


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and end with a note of how much is missing."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def turns_of(daemon: Daemon, thread_id: str, limit: int, characters: int) -> dict[str, Any]:
    """The last turns, the oldest first; the newest texts are given where not all fit in so many characters."""
    past = past_turns(daemon, thread_id, limit)
    left, told, whole = characters, list[dict[str, object]](), not past.more
    for raw in reversed(past.turns):
        turn = msgspec.json.decode(raw, type=Turn)
        items: list[dict[str, object]] = []
        for item in reversed(turn.read_items()):
            if left <= 0:
                whole = False
                break
            text = shortened(text_of(item), min(left, ITEM_CHARACTERS_MAX))
            left -= len(text)
            items.append(_item(item, turn, text))
        told.append(_turn(turn, items[::-1]))
        if left <= 0:
            whole = whole and len(told) == len(past.turns)
            break
    return {"turns": told[::-1], "isWhole": whole}


def _turn(turn: Turn, items: list[dict[str, object]]) -> dict[str, object]:
    return {"turnId": turn.id, "status": turn.status, **_error(turn), "items": items}


def _error(turn: Turn) -> dict[str, object]:
    if turn.error is None:
        return {}
    return {"error": shortened(turn.error.message, ERROR_CHARACTERS_MAX)}


def _item(item: Item, turn: Turn, text: str) -> dict[str, object]:
    told: dict[str, object] = {"type": item.type, "text": text}
    if item.is_open(turn):
        told["isOpen"] = True  # more is to come
    if item.status:
        told["status"] = item.status
    if item.exit_code is not None:
        told["exitCode"] = item.exit_code
    return told


def text_of(item: Item) -> str:
    """What an item says, by its kind."""
    match item.type:
        case "userMessage":
            return "\n".join(part.text or f"[{part.type}]" for part in user_inputs(item))
        case "reasoning":
            return "\n".join(item.summary)
        case "commandExecution":
            return f"$ {item.shell_line}\n{item.aggregated_output or ''}".rstrip()
        case "fileChange":
            return "\n".join(f"{file.kind.type} {file.path}" for file in item.changes)
        case "mcpToolCall":
            parts = () if item.result is None else item.result.content
            answers = [part.text for part in parts if part.text]
            arguments = bytes(item.arguments).decode()
            return "\n".join([f"{item.server}.{item.tool} {arguments}", *answers])
        case "dynamicToolCall":
            return "\n".join([item.tool, *(part.text for part in item.content_items or ())])
        case "collabAgentToolCall":
            return "\n".join([" ".join([item.tool, *item.receiver_thread_ids]), item.prompt or ""])
        case "webSearch":
            return item.query
        case "imageView":
            return item.path
        case _:
            return item.text or item.review or item.tool


def last_message(daemon: Daemon, thread_id: str, characters: int) -> dict[str, object]:
    """How the last turn stands, and its agent's last message."""
    past = past_turns(daemon, thread_id, 1)
    if not past.turns:
        return {}
    turn = msgspec.json.decode(past.turns[0], type=Turn)
    said = [item.text for item in turn.read_items() if item.type == "agentMessage"]
    message = {"lastMessage": shortened(said[-1], characters)} if said else {}
    return {"turnId": turn.id, "turnStatus": turn.status, **message, **_error(turn)}


def running_turn(daemon: Daemon, thread_id: str) -> str | None:
    """The id of the turn that runs."""
    params = turns_params(thread_id, None, "desc", limit=1, view="notLoaded")
    return running_turn_id(daemon.call("thread/turns/list", params, RawPage))


def open_questions(daemon: Daemon, thread_id: str) -> list[Question]:
    """What the thread asks. The connection is attached to it until `leave`."""
    followed = Followed(thread_id)
    followed.attach(daemon)
    found: list[Question] = []
    deadline = time.monotonic() + QUESTION_SECONDS_MAX
    while not found and (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        while message is not None and len(found) < QUESTIONS_MAX:
            asked = read_question(message) if followed.take(message) else None
            if asked is not None:
                found.append(asked)
            message = daemon.receive_nowait()
    return found


def leave(daemon: Daemon, thread_id: str) -> None:
    """Follow the thread no longer: this process does not wait for its questions."""
    daemon.call("thread/unsubscribe", {"threadId": thread_id}, object)


def question_row(question: Question) -> dict[str, object]:
    """An open question."""
    asked = question.request
    told: dict[str, object] = {
        "question": asked.approval_id,
        "text": shortened(asked.shown or "", ITEM_CHARACTERS_MAX),
        "cwd": asked.cwd,
        "reason": asked.own_reason,
        "modelSays": asked.model_says,
        "host": asked.host,
        "fields": [field.id for field in asked.questions] or list(asked.fields) or None,
    }
    return {name: value for name, value in told.items() if value is not None}
