"""What MCP servers want of people: questions within calls, progress, and how servers start.

A question is asked of all who follow the call's thread, of those too who come while it is open; the first answer
counts. It is in no log: the call that asks it does not outlive the daemon, and ends with the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
import trio

from codexd.core.values.foreign_json import TooMuchJson, check_foreign
from codexd.core.values.ids import ThreadId
from codexd.mcp.connection import Answered, Asked
from codexd.mcp.servers import Update
from codexd.projections.clients.deltas import Outgoing
from codexd.protocol.clients import DecidedBy
from codexd.protocol.display.visible import visible_json, visible_line, visible_text
from codexd.protocol.mcp import (
    ELICITATION,
    PROGRESS,
    STARTUP_UPDATED,
    ElicitationResponse,
    McpServerStatusUpdatedNotification,
    McpToolCallProgressNotification,
    StartupStatus,
)
from codexd.protocol.requests import ElicitationParams
from codexd.protocol.wire.rpc import ClientReply
from codexd.server.feed.unlogged import OpenQuestion, OpenQuestions, say
from codexd.server.hub import Hub
from codexd.tools.registry import CallContext

# A form that a person fills in.
QUESTION_BYTES_MAX: Final = 64 * 1024
MESSAGE_CHARACTERS_MAX: Final = 4000
# Open questions of all servers: more is a server that has lost its way.
OPEN_MAX: Final = 16

_STATUS: Final[dict[str, StartupStatus]] = {
    "starting": "starting",
    "connected": "ready",
    "failed": "failed",
    "authenticationRequired": "failed",
    "cancelled": "cancelled",
}


class _Question(msgspec.Struct, frozen=True, rename="camel"):
    """The params of `elicitation/create`."""

    message: str = ""
    mode: Literal["form", "url"] = "form"
    requested_schema: Mapping[str, msgspec.Raw] | None = None
    url: str | None = None
    elicitation_id: str | None = None


class _Open(OpenQuestion):
    """A question that waits."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer = Answered("cancel")


class Elicitations:
    """The audience of MCP servers: all connections, or those that follow a thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open = OpenQuestions[_Open](ELICITATION)

    def progress(self, context: CallContext, message: str) -> None:
        params = McpToolCallProgressNotification(
            thread_id=context.thread_id,
            turn_id=context.turn_id,
            item_id=context.call_id,
            message=message,
        )
        say(self._hub.feed(ThreadId(context.thread_id)), Outgoing(PROGRESS, params))

    def updated(self, update: Update) -> None:
        """A server starts, is ready, or is not."""
        status = _STATUS.get(update.state)
        if status is None:
            return
        login = update.state == "authenticationRequired"
        params = McpServerStatusUpdatedNotification(
            name=update.name,
            status=status,
            error=update.error,
            failure_reason="reauthenticationRequired" if login else None,
        )
        self._hub.announce(Outgoing(STARTUP_UPDATED, params))

    async def ask(self, context: CallContext, server: str, asked: Asked) -> Answered:
        params = _params(context, server, asked)
        if params is None or len(self._open) >= OPEN_MAX:
            return Answered("cancel")
        feed = self._hub.feed(ThreadId(context.thread_id))
        with self._open.asked(feed, params, _Open()) as waits:
            await waits.answered.wait()
        return waits.answer

    def is_open(self, request_id: object) -> bool:
        """Whether a question of this number waits."""
        return request_id in self._open

    def answer(self, reply: ClientReply, by: str) -> str | None:
        """A client answered a question, `by` as the log names it. Returns why the answer is none, if it is not."""
        waits = self._open.of(reply)
        if waits is None:
            return None
        if reply.error is not None:
            return f"the client answered with error {reply.error.code}: {reply.error.message}"
        try:
            read = msgspec.json.decode(reply.result, type=ElicitationResponse)
            content = None
            if read.action == "accept":
                content = msgspec.json.decode(
                    msgspec.json.encode(read.content or {}), type=dict[str, object]
                )
        except msgspec.ValidationError as error:
            return f"unreadable answer: {error}"
        waits.answer, waits.decided = Answered(read.action, content), DecidedBy(read.action, by)
        waits.answered.set()
        return None


# The members of a form that Codex's clients know; they refuse a form with others.
_FORM_MEMBERS: Final = ("type", "properties", "required")


def _form(schema: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    members = {name: schema[name] for name in _FORM_MEMBERS if name in schema}
    return msgspec.Raw(visible_json(msgspec.json.encode(members)))


def _params(context: CallContext, server: str, asked: Asked) -> ElicitationParams | None:
    """The question for clients; None where it is no question."""
    if len(asked.params) > QUESTION_BYTES_MAX:
        return None
    try:
        check_foreign(asked.params)
        question = msgspec.json.decode(asked.params, type=_Question)
    except (TooMuchJson, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    schema = question.requested_schema
    if question.mode == "url" and (question.url is None or question.elicitation_id is None):
        return None
    if question.mode == "form" and schema is None:
        return None
    return ElicitationParams(
        thread_id=context.thread_id,
        turn_id=context.turn_id or None,
        server_name=visible_line(server, 128),
        mode=question.mode,
        message=visible_text(question.message)[:MESSAGE_CHARACTERS_MAX],
        requested_schema=msgspec.UNSET if schema is None else _form(schema),
        url=msgspec.UNSET if question.url is None else visible_line(question.url, 2048),
        elicitation_id=question.elicitation_id or msgspec.UNSET,
    )
