"""The commands to a thread, from people through a frontend, or from effects of the daemon.

A command carries the inputs of a decision: ids, the date, drafts. Those of people are imperatives; effects report.
"""
# mypy: implicit-reexport

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from codexd.core.commands_on_hold import (
    CommandBase,
    InjectItems,
    MarkRead,
    RenameThread,
    ReorderInputs,
    ReviseInput,
    UnarchiveThread,
    WithdrawInput,
)
from codexd.core.events.events import NO_JSON, GitHead, ToolCallRef
from codexd.core.events.history import KeptItems
from codexd.core.events.waiting import ReviewAsked
from codexd.core.goal_commands import ClearGoal, SetGoal
from codexd.core.values.dynamic_tools import DynamicTool
from codexd.core.values.exchange import Exchange
from codexd.core.values.ids import (
    ApprovalId,
    CallId,
    ItemId,
    ModelCallId,
    ProcessId,
    ThreadId,
    TurnId,
)
from codexd.core.values.items import TurnError, UserInput
from codexd.core.values.model_output import ItemKind, ModelItemDone, ModelResponseDone
from codexd.core.values.request_size import RequestSize, Shorter
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.settings import Settings, SettingsChange
from codexd.core.values.taken_from import TakenFrom
from codexd.core.values.thread_calls import Spawned
from codexd.core.values.tool_actions import (
    Answers,
    Decision,
    HostDecision,
    Permissions,
    ReachHost,
    ToolAction,
    ToolResult,
)
from codexd.core.values.usage import Tokens


class StartThread(CommandBase, frozen=True, kw_only=True):
    """Start a thread."""

    settings: Settings
    originator: str
    daemon_version: str
    instructions: str | None = None
    developer_instructions: str | None = None
    git: GitHead | None = None
    ephemeral: bool = False
    history_mode: Literal["legacy", "paginated"] = "legacy"
    thread_source: str | None = None
    reviews: ReviewOf | None = None
    source: str | None = None
    spawned: Spawned | None = None
    dynamic_tools: tuple[DynamicTool, ...] = ()


class ArchiveThread(CommandBase, frozen=True, kw_only=True):
    """Archive the thread; a running turn is interrupted."""

    open_items: tuple[OpenItem, ...] = ()


class ChangeSettings(CommandBase, frozen=True, kw_only=True):
    """Change settings of the thread."""

    change: SettingsChange


class StartTurn(CommandBase, frozen=True, kw_only=True):
    """Start a turn with an input, now or when the turns before it have ended."""

    turn_id: TurnId
    item_id: ItemId
    content: tuple[UserInput, ...]
    client_id: str | None = None
    change: SettingsChange = SettingsChange()
    service_tier: str | None = None  # of this turn alone
    today: str | None = None
    output_schema: msgspec.Raw = NO_JSON
    traceparent: str | None = None
    client_metadata: Mapping[str, str] | None = None


class StartReview(CommandBase, frozen=True, kw_only=True):
    """Start a review, in a turn of its own, now or when the turns before it have ended."""

    turn_id: TurnId
    asked: ReviewAsked


class RunPersonCommand(CommandBase, frozen=True, kw_only=True):
    """Run a shell line of a person: in the running turn, or in a turn of its own."""

    turn_id: TurnId  # of its own turn, if none runs
    call_id: CallId
    line: str
    argv: tuple[str, ...]  # for readers of the log
    timeout_ms: int
    today: str | None = None


class CompactThread(CommandBase, frozen=True, kw_only=True):
    """Compact the model's history, in a turn of its own, now or when the turns before it have ended."""

    turn_id: TurnId


class PinRecord(CommandBase, frozen=True, kw_only=True):
    """Keep the model's items of a record in every compaction."""

    seq: int
    items: tuple[msgspec.Raw, ...]


class UnpinRecord(CommandBase, frozen=True, kw_only=True):
    """Remove the pin of a record."""

    seq: int


class SteerTurn(CommandBase, frozen=True, kw_only=True):
    """Add input to the running turn."""

    expected_turn: TurnId
    item_id: ItemId
    content: tuple[UserInput, ...]
    client_id: str | None = None
    open_items: tuple[OpenItem, ...] = ()


class RevertHistory(CommandBase, frozen=True, kw_only=True):
    """Revert a turn and all later turns."""

    before_turn: TurnId
    to_seq: int  # the end of the last turn that is kept; 0: no turn is kept
    turns: int  # how many are reverted
    turns_left: int
    markers: int  # the thread's number of markers when this was looked up


class UndoRevert(CommandBase, frozen=True, kw_only=True):
    """Undo the last revert that is in force."""

    reverted_seq: int
    turns: int
    markers: int


class UndoCompaction(CommandBase, frozen=True, kw_only=True):
    """Restore the model's history as if a compaction had not happened."""

    compacted_seq: int
    markers: int


class OpenItem(msgspec.Struct, frozen=True):
    """An item that was still streaming, with the text that was shown."""

    item_id: ItemId  # for a `call`: the call's id, and `text` is the output of its command
    kind: ItemKind
    text: str = ""
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    started_ms: int | None = None


class InterruptTurn(CommandBase, frozen=True, kw_only=True):
    """Interrupt the running turn."""

    turn_id: TurnId | None = None  # None: any turn
    reason: Literal["interrupted", "shutdown"] = "interrupted"
    open_items: tuple[OpenItem, ...] = ()


class DecideApproval(CommandBase, frozen=True, kw_only=True):
    """Answer the question whether a tool may run."""

    approval_id: ApprovalId
    action_hash: str  # of the action that was shown
    decision: Decision
    note: str | None = None
    rule: tuple[str, ...] | None = None  # the beginning of commands that is to be allowed for ever
    instead: str | None = None  # with a refusal: words of the person for the model
    granted: Permissions | None = None  # of the permissions that were asked for; None: all
    # For a question about a host: what is to hold for ever, and for which host.
    host_rule: HostDecision | None = None
    host: str | None = None
    answers: Answers | None = None  # for questions of the model
    open_items: tuple[OpenItem, ...] = ()  # for `cancel`, which interrupts


class RevokeGrants(CommandBase, frozen=True, kw_only=True):
    """Take back what was allowed for the rest of the thread."""

    grants: tuple[str, ...] = ()  # their ids
    all: bool = False


class ToolCallDone(msgspec.Struct, frozen=True):
    """A complete item with a tool call, whose arguments are parsed."""

    item: ModelItemDone
    ref: ToolCallRef
    action: ToolAction


# The parts of a model's output that are reported to the thread.
ModelDone = ModelItemDone | ToolCallDone | ModelResponseDone


class ReportModel(CommandBase, frozen=True, kw_only=True):
    """The output of one read of a model's stream, in order."""

    call_id: ModelCallId
    attempt: int
    seen: tuple[ModelDone, ...]
    open_items: tuple[OpenItem, ...] = ()  # at the end of an incomplete response
    kept_items: KeptItems | None = None  # at the end of a summary's response


class ReportModelFailure(CommandBase, frozen=True, kw_only=True):
    """An attempt failed."""

    call_id: ModelCallId
    attempt: int
    error: TurnError
    at: Literal["request", "stream"]
    retry: bool  # whether another attempt may help
    after_ms: int  # how long to wait before it
    attempts_max: int  # how many failures of this kind the provider's budget allows
    rate_limits: dict[str, str] | None = None
    open_items: tuple[OpenItem, ...] = ()
    shorter: Shorter | None = None  # the next request to try, if a summary's request was too long
    size: RequestSize | None = None  # of a request that was too long
    images: tuple[str, ...] = ()  # not accepted; the next attempt leaves them out
    asked: tuple[str, str] = ("", "")  # the model and the provider
    exchange: Exchange | None = None


class RetryModelCall(CommandBase, frozen=True, kw_only=True):
    """The wait is over."""

    call_id: ModelCallId
    attempt: int  # the failed attempt


class ReportSpawned(CommandBase, frozen=True, kw_only=True):
    """A tool's process runs."""

    call_id: CallId
    pid: int
    start_time: str
    at_ms: int | None = None  # Unix


class ReportTask(CommandBase, frozen=True, kw_only=True):
    """The server of a call goes on with it as a task."""

    call_id: CallId
    task: str


class ReportHostAsked(CommandBase, frozen=True, kw_only=True):
    """A process of a tool call connects to a host that no list names."""

    call_id: CallId
    action: ReachHost


class ReportToolEnded(CommandBase, frozen=True, kw_only=True):
    """A tool call has its result."""

    call_id: CallId
    result: ToolResult
    process: ProcessId | None = None  # the process that it left running


class ReportProcessEnded(CommandBase, frozen=True, kw_only=True):
    """The process that a tool call left running has ended."""

    process: ProcessId
    result: ToolResult


class WriteToSession(CommandBase, frozen=True, kw_only=True):
    """A person writes to a session; it is recorded first."""

    session: ProcessId
    chars: str = ""
    hidden: bool = False  # `chars` is left empty, since what is written is a secret


class ReportTitle(CommandBase, frozen=True, kw_only=True):
    """The request for the thread's title has ended."""

    title: str | None = None
    usage: msgspec.Raw = NO_JSON
    duration_ms: int = 0
    error: str | None = None


class ReportReview(CommandBase, frozen=True, kw_only=True):
    """The reviewer's turn is over."""

    child_id: ThreadId
    ended: Literal["completed", "interrupted", "failed"] = "completed"
    answer: str = ""  # its last message
    error: TurnError | None = None  # if it failed
    used: Tokens | None = None


class Recover(CommandBase, frozen=True, kw_only=True):
    """A new daemon has opened the log of a thread that another daemon ran."""

    open_items: tuple[OpenItem, ...] = ()
    resume: bool = True  # False: a running turn is interrupted
    repaired: str | None = None  # a sentence on the torn tail that was cut off
    forked: bool = False  # it is a fork, opened for the first time
    taken_from: TakenFrom | None = None  # its log was just imported


class GoOn(CommandBase, frozen=True, kw_only=True):
    """Continue a thread that only waited for the disk."""


Command = (
    StartThread
    | RenameThread
    | ArchiveThread
    | UnarchiveThread
    | ChangeSettings
    | StartTurn
    | StartReview
    | RunPersonCommand
    | CompactThread
    | PinRecord
    | UnpinRecord
    | SetGoal
    | ClearGoal
    | SteerTurn
    | WithdrawInput
    | ReviseInput
    | ReorderInputs
    | MarkRead
    | InjectItems
    | InterruptTurn
    | DecideApproval
    | RevokeGrants
    | RevertHistory
    | UndoRevert
    | UndoCompaction
    | ReportModel
    | ReportModelFailure
    | RetryModelCall
    | ReportSpawned
    | ReportTask
    | ReportHostAsked
    | ReportToolEnded
    | ReportProcessEnded
    | WriteToSession
    | ReportTitle
    | ReportReview
    | Recover
    | GoOn
)


class Rejected(Exception):
    """The thread's present state does not allow it: a message for the client, a stable word for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
