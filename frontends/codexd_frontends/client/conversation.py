"""What programs see of threads: notifications, questions and their answers, and the params of what they ask. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.client.messages import Message, RequestId
from codexd_frontends.client.session import Cursor, Params

# How long a program waits for a daemon that is restarted or updated, as Codex's own terminal does.
RECONNECT_SECONDS_MAX = 120.0
RECONNECT_FIRST_SECONDS = 0.05
RECONNECT_PAUSE_SECONDS_MAX = 1.0

# The result of a request, a decision as a word (accept, acceptForSession, decline, cancel), or None: others may answer.
Answer = Mapping[str, object] | str | None


class Notification(NamedTuple):
    """What the daemon told; `codexd schema` has the shapes."""

    method: str
    params: dict[str, Any]
    seq: int | None = (
        None  # the place in the thread's log: all of the events up to it have been told
    )


class Question(NamedTuple):
    """What the daemon asks a person, such as whether a command may run."""

    id: RequestId
    method: str
    params: dict[str, Any]

    @property
    def text(self) -> str:
        """What would run or be changed, on as many lines as it has; it is foreign text."""
        return self._request.shown or ""

    def result(self, answer: Mapping[str, object] | str) -> Params:
        """The result to send; with a decision as a word, it is bound to what was asked."""
        return self._request.answer(answer) if isinstance(answer, str) else answer

    @property
    def _request(self) -> ApprovalRequest:
        return msgspec.convert(self.params, ApprovalRequest)


def reconnect_pauses() -> Iterator[float]:
    """The seconds between two attempts to connect again, for as long as they are asked for."""
    pause = RECONNECT_FIRST_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, RECONNECT_PAUSE_SECONDS_MAX)


def read_notification(message: Message) -> Notification:
    """A message that is no request."""
    return Notification(message.method or "", _object(message), message.seq)


def read_question(message: Message) -> Question:
    """A message that is a request."""
    assert message.id is not None
    return Question(message.id, message.method or "", _object(message))


def _object(message: Message) -> dict[str, Any]:
    return msgspec.json.decode(message.params, type=dict[str, Any] | None) or {}


def ends(note: Notification, turn_id: str) -> bool:
    """Whether this is the end of a turn."""
    return note.method == "turn/completed" and note.params["turn"]["id"] == turn_id


def begun_once(params: Params) -> dict[str, object]:
    """The params with a key by which the daemon knows the request if it comes again."""
    return {"idempotencyKey": str(uuid.uuid4()), **params}


def resume_params(thread_id: str, after: Cursor | None, params: Params) -> dict[str, object]:
    """The params of thread/resume; after a cursor, the turns before it are not wanted."""
    past = {} if after is None else {"after": after.as_params(), "excludeTurns": True}
    return {"threadId": thread_id, **params, **past}


def turn_params(
    thread_id: str, prompt: str | list[Mapping[str, object]], params: Params
) -> dict[str, object]:
    """The params of turn/start; a prompt is a text, or its parts as the wire has them."""
    parts = _input(prompt) if isinstance(prompt, str) else prompt
    return begun_once({"threadId": thread_id, "input": parts, **params})


def steer_params(thread_id: str, turn_id: str, prompt: str) -> dict[str, object]:
    """The params of turn/steer."""
    return {"threadId": thread_id, "expectedTurnId": turn_id, "input": _input(prompt)}


def _input(text: str) -> list[Mapping[str, object]]:
    return [{"type": "text", "text": text}]
