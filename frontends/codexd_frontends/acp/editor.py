"""The two pipes to the editor: its messages, and what it is sent, one JSON value a line. I/O.

A line is written before the next thing is done: an editor that reads slowly slows this process down, and nothing is
kept for it in memory. The daemon keeps a position for such a reader.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from codexd.protocol.display.visible import visible_json
from codexd.protocol.wire.framing import Lines
from codexd.protocol.wire.rpc import INVALID_REQUEST, PARSE_ERROR
from codexd_frontends.acp.translation.wire import Declined, Update
from codexd_frontends.cli.streams import writing_stdout
from codexd_frontends.client.messages import Message, RequestId, read_message

READ_BYTES: Final = 1 << 16
# Of an error that the editor answers with, on our stderr.
COMPLAINT_CHARACTERS_MAX: Final = 400

Answered = Callable[[Message], None]


class Unreadable(NamedTuple):
    """A line that is no message, and the error for it."""

    id: RequestId | None
    error: Declined


class Editor:
    """The program that has started this process."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._lines = Lines()  # As long as the daemon takes them: an image goes on to it.
        self._is_drawn = os.isatty(stdout)
        self._asked: dict[RequestId, Answered] = {}
        self._last = 0

    def fileno(self) -> int:
        """Readable when a message, or the end, is here."""
        return self._stdin

    def read(self) -> list[Message | Unreadable] | None:
        """What one read brings; None: the editor has closed the pipe."""
        try:
            data = os.read(self._stdin, READ_BYTES)
        except OSError:
            data = b""
        if not data:
            return None
        found: list[Message | Unreadable] = []
        for line in self._lines.feed(data):
            if isinstance(line, bytes):
                found.append(_read(line))
            else:
                error = Declined(INVALID_REQUEST, str(line), "message_too_long")
                found.append(Unreadable(getattr(line, "request_id", None), error))
        return found

    def answer(self, request_id: RequestId, result: object) -> None:
        """Answer a request of the editor's."""
        self._send({"id": request_id, "result": result})

    def refuse(self, request_id: RequestId | None, error: Declined) -> None:
        """Answer a request with an error."""
        data = {"code": error.reason}
        self._send(
            {"id": request_id, "error": {"code": error.code, "message": str(error), "data": data}}
        )

    def notify(self, method: str, params: Mapping[str, object]) -> None:
        """Tell the editor something."""
        self._send({"method": method, "params": params})

    def update(self, session_id: str, updates: list[Update]) -> None:
        """Say what happens in a session."""
        for update in updates:
            self.notify("session/update", {"sessionId": session_id, "update": update})

    def ask(self, method: str, params: Mapping[str, object], answered: Answered) -> RequestId:
        """Ask the editor; `answered` gets its answer, unless the question is withdrawn before."""
        self._last += 1
        self._asked[self._last] = answered
        self._send({"id": self._last, "method": method, "params": params})
        return self._last

    def withdraw(self, request_id: RequestId) -> None:
        """Take a question back: an editor that knows `$/cancel_request` closes it."""
        if self._asked.pop(request_id, None) is not None:
            self.notify("$/cancel_request", {"requestId": request_id})

    def take_answer(self, message: Message) -> None:
        """Give an answer to whoever asked; one to a question that was withdrawn is ignored."""
        answered = None if message.id is None else self._asked.pop(message.id, None)
        if answered is not None:
            answered(message)

    def _send(self, message: Mapping[str, object]) -> None:
        line = msgspec.json.encode({"jsonrpc": "2.0", **message})
        rest = memoryview((visible_json(line) if self._is_drawn else line) + b"\n")
        with writing_stdout():
            while rest:
                rest = rest[os.write(self._stdout, rest) :]


def _read(line: bytes) -> Message | Unreadable:
    try:
        return read_message(line)
    except msgspec.ValidationError as error:
        problem = f"expected a message of JSON-RPC, found something else: {error}"
        return Unreadable(None, Declined(INVALID_REQUEST, problem, "not_a_message"))
    except msgspec.DecodeError as error:
        return Unreadable(
            None, Declined(PARSE_ERROR, f"unreadable JSON: {error}", "unreadable_json")
        )
