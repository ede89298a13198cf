"""The daemon's messages: only the members that frontends use.

A tolerant reader: unknown members, methods and kinds of items pass, so that a newer daemon does not
break an older terminal. The full shapes are those of `codexd.protocol`; of its modules, frontends import those
that cost nothing to import (`codexd_methods`, `usage`): all of its structs take longer than a command does.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from codexd.protocol.codexd_methods import ImportedFrom, Indexing
from codexd.protocol.usage import ThreadTokenUsage

RequestId = int | str


class ErrorData(msgspec.Struct, frozen=True):
    """The part of an error that programs recognise."""

    code: str | None = None


class RpcError(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    code: int
    message: str
    data: ErrorData | None = None


class Message(msgspec.Struct, frozen=True):
    """One line from the daemon."""

    line: bytes = b""  # as it came, without the newline
    id: RequestId | None = None
    method: str | None = None
    params: Raw = Raw(b"null")
    result: Raw = Raw(b"")  # empty in everything but an answer
    error: RpcError | None = None
    seq: int | None = None  # the place in the thread's log, on notifications
    offset: int | None = None  # bytes of the item's text after this delta

    @property
    def is_answer(self) -> bool:
        return self.method is None

    @property
    def is_request(self) -> bool:
        return self.method is not None and self.id is not None


_messages = msgspec.json.Decoder(Message)


def read_message(line: bytes) -> Message:
    """Read one line. Raises: msgspec.DecodeError."""
    return msgspec.structs.replace(_messages.decode(line), line=line)


class Received(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The base of what comes from the daemon."""


class TurnTrouble(Received, frozen=True, kw_only=True):
    """Why a turn failed, or why a request to the model is tried again."""

    message: str
    additional_details: str | None = None
    codex_error_info: Any = None  # a word, or an object that has it as its member


class CommandAction(Received, frozen=True, kw_only=True):
    """A command as the model wrote it, without the shell around it."""

    command: str = ""


class FileKind(msgspec.Struct, frozen=True):
    """What happens to a file."""

    type: str = "update"  # add, delete, update
    move_path: str | None = None


class FileUpdate(Received, frozen=True, kw_only=True):
    """One file of a patch."""

    path: str
    kind: FileKind = FileKind()
    diff: str = ""


class ToolText(Received, frozen=True, kw_only=True):
    """Text that a tool answered; other kinds of content have none."""

    text: str = ""


class McpResult(Received, frozen=True, kw_only=True):
    """The result of a call of an MCP server; content of other kinds has no text."""

    content: tuple[McpContent, ...] = ()
    structured_content: Raw = Raw(b"")


class McpContent(Received, frozen=True, kw_only=True):
    """A part of such a result."""

    text: str | None = None


class McpError(Received, frozen=True, kw_only=True):
    """Why there is no result."""

    message: str = ""


class Item(Received, frozen=True, kw_only=True):
    """Any item of a turn: members that its kind does not have keep their defaults."""

    type: str
    id: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None
    text: str = ""  # agentMessage, plan
    phase: str | None = None  # agentMessage
    client_id: str | None = None  # userMessage
    content: Raw = Raw(b"")  # userMessage: inputs; reasoning: texts
    summary: tuple[str, ...] = ()  # reasoning
    command: str = ""  # commandExecution, from here
    cwd: str = ""
    command_actions: tuple[CommandAction, ...] = ()
    status: str = ""  # inProgress, completed, failed, declined
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    output_seq: int | None = None  # the record with the whole output, where there is more of it
    tool: str = ""  # dynamicToolCall, mcpToolCall, collabAgentToolCall
    server: str = ""  # mcpToolCall
    prompt: str | None = None  # collabAgentToolCall, as the next
    receiver_thread_ids: tuple[str, ...] = ()
    arguments: Raw = Raw(b"")
    result: McpResult | None = None  # mcpToolCall
    error: McpError | None = None  # mcpToolCall
    content_items: tuple[ToolText, ...] | None = None
    changes: tuple[FileUpdate, ...] = ()  # fileChange
    problem: str | None = None  # fileChange: why it was not applied
    review: str = ""  # enteredReviewMode, exitedReviewMode
    query: str = ""  # webSearch
    path: str = ""  # imageView

    @property
    def shell_line(self) -> str:
        """The command as the model wrote it, where the daemon sends that; else with the shell around it."""
        if len(self.command_actions) == 1 and self.command_actions[0].command:
            return self.command_actions[0].command
        return self.command

    def is_open(self, turn: Turn) -> bool:
        """Whether more of it is to come, in a snapshot of its turn."""
        ended = self.completed_at_ms is not None and self.status != "inProgress"
        return turn.status == "inProgress" and not ended


class UserInput(Received, frozen=True, kw_only=True):
    """One part of what a person said."""

    type: str
    text: str = ""
    url: str = ""  # image
    path: str = ""
    name: str = ""


class _Kind(Received, frozen=True, kw_only=True):
    type: str
    id: str


def read_item(raw: Raw) -> Item:
    """An item; only its kind and id where its members have other types than here."""
    try:
        return msgspec.json.decode(raw, type=Item)
    except msgspec.ValidationError:
        kind = msgspec.json.decode(raw, type=_Kind)
        return Item(type=kind.type, id=kind.id)


_inputs = msgspec.json.Decoder(tuple[UserInput, ...])


def user_inputs(item: Item) -> tuple[UserInput, ...]:
    """The parts of a userMessage."""
    return _inputs.decode(item.content) if bytes(item.content) else ()


class PlanStep(Received, frozen=True, kw_only=True):
    """One step of a plan."""

    step: str
    status: str  # pending, inProgress, completed


class Plan(Received, frozen=True, kw_only=True):
    """turn/plan/updated, and the member of a turn: the model's plan."""

    explanation: str | None = None
    plan: tuple[PlanStep, ...] = ()


class Turn(Received, frozen=True, kw_only=True):
    """A turn, with as many of its items as were asked for."""

    id: str
    status: str  # inProgress, completed, interrupted, failed
    items: tuple[Raw, ...] = ()
    error: TurnTrouble | None = None
    duration_ms: int | None = None
    plan: Plan | None = None

    def read_items(self) -> list[Item]:
        return [read_item(raw) for raw in self.items]


class ThreadStatus(Received, frozen=True, kw_only=True):
    """Whether a thread runs, and whether it waits for a person."""

    type: str = "notLoaded"
    active_flags: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """One word for a list."""
        if "waitingOnApproval" in self.active_flags:
            return "approval"
        return {"notLoaded": "", "active": "running", "systemError": "error"}.get(
            self.type, self.type
        )


class Thread(Received, frozen=True, kw_only=True):
    """A conversation."""

    id: str
    preview: str = ""
    name: str | None = None
    cwd: str = ""
    model: str | None = None
    model_provider: str = ""
    created_at: int = 0  # seconds since 1970
    updated_at: int = 0
    status: ThreadStatus = ThreadStatus()
    path: str | None = None  # of its log
    forked_from_id: str | None = None
    parent_thread_id: str | None = None  # the thread whose agent has started it
    trouble: str | None = None  # why it cannot be worked with, and what mends it
    imported_from: ImportedFrom | None = None
    turns: tuple[Turn, ...] = ()


class RawPage(Received, frozen=True, kw_only=True):
    """A page of thread/list or thread/turns/list, its elements as they came."""

    data: tuple[Raw, ...]
    next_cursor: str | None = None
    indexing: Indexing | None = None  # not all threads are in it yet


class ThreadAnswer(Received, frozen=True, kw_only=True):
    """The answer to thread/start, resume, fork and read."""

    thread: Thread
    model: str = ""
    model_provider: str = ""
    seq: int = 0  # notifications continue after this event
    turns_backwards_cursor: str | None = None  # thread/turns/list from here on agrees with `seq`


class RawThreadAnswer(Received, frozen=True, kw_only=True):
    """The answer to thread/read, the thread as it came."""

    thread: Raw


class TurnAnswer(Received, frozen=True, kw_only=True):
    """The answer to turn/start."""

    turn: Turn


class ShellAnswer(Received, frozen=True, kw_only=True):
    """The answer to thread/shellCommand, for a request with an idempotencyKey."""

    turn_id: str  # of the turn that has its item


class InterruptAnswer(Received, frozen=True, kw_only=True):
    """The answer to turn/interrupt."""

    withdrawn: bool = False  # the turn had not begun, and will not


class LoggedRecord(msgspec.Struct, frozen=True):
    """The members of a record that a line about it shows."""

    seq: int = 0
    at: str = ""
    type: str = ""
    data: Raw = Raw(b"null")


class ItemNote(Received, frozen=True, kw_only=True):
    """item/started, item/completed."""

    turn_id: str
    item: Raw

    def read_item(self) -> Item:
        return read_item(self.item)


class DeltaNote(Received, frozen=True, kw_only=True):
    """item/agentMessage/delta, item/commandExecution/outputDelta, and their like."""

    turn_id: str
    item_id: str
    delta: str = ""
    offset: int | None = None


class TypedNote(Received, frozen=True, kw_only=True):
    """item/commandExecution/terminalInteraction: somebody typed into a command."""

    process_id: str
    stdin: str = ""


class TurnNote(Received, frozen=True, kw_only=True):
    """turn/started, turn/completed."""

    turn: Turn


class ErrorNote(Received, frozen=True, kw_only=True):
    """error: a request to the model failed, and will be tried again or not."""

    error: TurnTrouble
    will_retry: bool = False
    turn_id: str = ""


class WarningNote(Received, frozen=True, kw_only=True):
    """warning."""

    message: str


class NameNote(Received, frozen=True, kw_only=True):
    """thread/name/updated."""

    thread_name: str | None = None


class StoppingNote(Received, frozen=True, kw_only=True):
    """daemon/stopping: the daemon is about to end."""

    reason: str = ""


class UsageNote(Received, frozen=True, kw_only=True):
    """thread/tokenUsage/updated."""

    token_usage: ThreadTokenUsage = ThreadTokenUsage()


class RevertAnswer(Received, frozen=True, kw_only=True):
    """The answer to thread/revert and thread/revert/undo."""

    thread: Raw
    turns: int = 0


class RevertedNote(Received, frozen=True, kw_only=True):
    """thread/reverted; without `before_turn_id`, turns were brought back."""

    turns: int = 0
    before_turn_id: str | None = None


class ThreadNote(Received, frozen=True, kw_only=True):
    """Any message that names its thread, and perhaps its turn."""

    thread_id: str | None = None
    turn_id: str | None = None
