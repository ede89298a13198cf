"""Everything that can be asked of a thread: by people, through a frontend, or by our own effects.

A command brings along what a decision needs from the world: ids, the date, the text of drafts. Commands
of people are imperatives; those of effects report.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events.compaction import KeptMessage
from codexd.core.events.events import NO_JSON, GitHead, ToolCallRef
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
from codexd.core.values.review_target import ReviewOf, ReviewTarget
from codexd.core.values.settings import Settings, SettingsChange
from codexd.core.values.tool_actions import Decision, ToolAction, ToolResult
from codexd.core.values.usage import Tokens


class _Command(msgspec.Struct, frozen=True, kw_only=True):
    pass


class StartThread(_Command, frozen=True, kw_only=True):
    """Begin a conversation."""

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


class RenameThread(_Command, frozen=True, kw_only=True):
    """Give it a name, or take it away."""

    name: str | None


class ArchiveThread(_Command, frozen=True, kw_only=True):
    """Put it aside; a running turn is interrupted."""

    open_items: tuple[OpenItem, ...] = ()


class UnarchiveThread(_Command, frozen=True, kw_only=True):
    """Bring it back."""


class ChangeSettings(_Command, frozen=True, kw_only=True):
    """Change some of its settings."""

    change: SettingsChange


class StartTurn(_Command, frozen=True, kw_only=True):
    """Answer this input, now or as soon as the turns before it have ended."""

    turn_id: TurnId
    item_id: ItemId
    content: tuple[UserInput, ...]
    client_id: str | None = None
    change: SettingsChange = SettingsChange()
    today: str | None = None
    output_schema: msgspec.Raw = NO_JSON


class StartReview(_Command, frozen=True, kw_only=True):
    """Have a reviewer look at the work, in a turn of its own; a turn that runs makes way."""

    turn_id: TurnId
    target: ReviewTarget
    child_id: ThreadId  # of the reviewer's thread, and of its turn
    child_turn_id: TurnId
    today: str | None = None
    open_items: tuple[OpenItem, ...] = ()


class CompactThread(_Command, frozen=True, kw_only=True):
    """Shorten the model's history, in a turn of its own."""

    turn_id: TurnId


class PinRecord(_Command, frozen=True, kw_only=True):
    """Have every compaction keep what the model was given of a record."""

    seq: int
    items: tuple[msgspec.Raw, ...]


class UnpinRecord(_Command, frozen=True, kw_only=True):
    """Let it go with the next compaction."""

    seq: int


class SteerTurn(_Command, frozen=True, kw_only=True):
    """Add input to the turn that runs."""

    expected_turn: TurnId
    item_id: ItemId
    content: tuple[UserInput, ...]
    client_id: str | None = None


class WithdrawInput(_Command, frozen=True, kw_only=True):
    """Take back an input that still waits for its turn."""

    item_id: ItemId


class RevertHistory(_Command, frozen=True, kw_only=True):
    """Take back a turn and all turns behind it."""

    before_turn: TurnId
    to_seq: int  # the end of the last turn that is left; 0: none is
    turns: int  # so many are taken back
    turns_left: int
    markers: int  # so many the thread had when that was looked up


class UndoRevert(_Command, frozen=True, kw_only=True):
    """Bring back what the last revert that stands took away."""

    reverted_seq: int
    turns: int
    markers: int


class UndoCompaction(_Command, frozen=True, kw_only=True):
    """Have the model's history as if that compaction had not happened."""

    compacted_seq: int
    markers: int


class OpenItem(msgspec.Struct, frozen=True):
    """An item that was still streaming, with what had been shown of it."""

    item_id: ItemId  # of a `call`: the call's id, and `text` is what its command had printed
    kind: ItemKind
    text: str = ""
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    started_ms: int | None = None


class InterruptTurn(_Command, frozen=True, kw_only=True):
    """Stop the turn that runs."""

    turn_id: TurnId | None = None  # None: whichever runs
    reason: Literal["interrupted", "shutdown"] = "interrupted"
    open_items: tuple[OpenItem, ...] = ()


class DecideApproval(_Command, frozen=True, kw_only=True):
    """Answer the question whether a tool may run."""

    approval_id: ApprovalId
    action_hash: str  # of the action that was shown to whoever answers
    decision: Decision
    note: str | None = None
    open_items: tuple[OpenItem, ...] = ()  # for `cancel`, which interrupts


class ToolCallDone(msgspec.Struct, frozen=True):
    """A whole item with a tool call in it, the call's arguments read."""

    item: ModelItemDone
    ref: ToolCallRef
    action: ToolAction


# What of a model's output is told to the thread.
ModelDone = ModelItemDone | ToolCallDone | ModelResponseDone


class Bridge(msgspec.Struct, frozen=True):
    """What stays of a history in front of the summary."""

    items: tuple[msgspec.Raw, ...] = ()
    context_at: int = 0  # in front of which of them fresh context belongs
    kept: tuple[KeptMessage, ...] = ()
    pins: tuple[int, ...] = ()
    left_out: int = 0  # items that the summary's request had no room for


class ReportModel(_Command, frozen=True, kw_only=True):
    """What one read of a model's stream brought, in order."""

    call_id: ModelCallId
    attempt: int
    seen: tuple[ModelDone, ...]
    open_items: tuple[OpenItem, ...] = ()  # where the response ends: an incomplete one leaves some
    bridge: Bridge | None = None  # where a summary's response ends


class Shorter(msgspec.Struct, frozen=True):
    """A summary's request with less in it."""

    left_out: int  # so many of the oldest items
    items: int  # that makes so many in all: a call goes with its answer


class ReportModelFailure(_Command, frozen=True, kw_only=True):
    """An attempt came to nothing."""

    call_id: ModelCallId
    attempt: int
    error: TurnError
    at: Literal["request", "stream"]
    retry: bool  # whether another attempt may help
    after_ms: int  # how long to wait before it
    attempts_max: int  # how many failures of this kind the provider's budget allows
    rate_limits: dict[str, str] | None = None
    open_items: tuple[OpenItem, ...] = ()
    shorter: Shorter | None = None  # of a summary's request that was too long: the next to try
    images: tuple[
        str, ...
    ] = ()  # that the provider did not accept, and that the next attempt goes without
    asked: tuple[str, str] = ("", "")  # the model and the provider


class RetryModelCall(_Command, frozen=True, kw_only=True):
    """The wait is over."""

    call_id: ModelCallId
    attempt: int  # the one that failed


class ReportSpawned(_Command, frozen=True, kw_only=True):
    """A tool's process runs."""

    call_id: CallId
    pid: int
    start_time: str


class ReportToolEnded(_Command, frozen=True, kw_only=True):
    """A tool call has its answer."""

    call_id: CallId
    result: ToolResult
    process: ProcessId | None = None  # what it started goes on as this one


class ReportProcessEnded(_Command, frozen=True, kw_only=True):
    """What a tool call had left running is over."""

    process: ProcessId
    result: ToolResult


class ReportTitle(_Command, frozen=True, kw_only=True):
    """A model was asked for the thread's title."""

    title: str | None = None
    usage: msgspec.Raw = NO_JSON
    duration_ms: int = 0
    error: str | None = None


class ReportReview(_Command, frozen=True, kw_only=True):
    """The reviewer's turn is over."""

    child_id: ThreadId
    ended: Literal["completed", "interrupted", "failed"] = "completed"
    answer: str = ""  # its last message
    error: TurnError | None = None  # of one that failed
    used: Tokens | None = None


class TakenFrom(msgspec.Struct, frozen=True):
    """Where the past of a thread comes from."""

    origin: Literal["package", "rollout", "log"]
    path: str | None = None  # the file, as somebody named it


class Recover(_Command, frozen=True, kw_only=True):
    """The daemon that ran this thread is gone; another has opened its log."""

    open_items: tuple[OpenItem, ...] = ()
    resume: bool = True  # False: a turn that was running is interrupted
    repaired: str | None = None  # what a torn tail lost
    forked: bool = False  # it is a fork, opened for the first time
    taken_from: TakenFrom | None = None  # its log was just brought in from elsewhere


class GoOn(_Command, frozen=True, kw_only=True):
    """Go on where nothing but the disk held the thread up."""


Command = (
    StartThread
    | RenameThread
    | ArchiveThread
    | UnarchiveThread
    | ChangeSettings
    | StartTurn
    | StartReview
    | CompactThread
    | PinRecord
    | UnpinRecord
    | SteerTurn
    | WithdrawInput
    | InterruptTurn
    | DecideApproval
    | RevertHistory
    | UndoRevert
    | UndoCompaction
    | ReportModel
    | ReportModelFailure
    | RetryModelCall
    | ReportSpawned
    | ReportToolEnded
    | ReportProcessEnded
    | ReportTitle
    | ReportReview
    | Recover
    | GoOn
)


class Rejected(Exception):
    """The command makes no sense in the thread's present state; a sentence for whoever asked.

    `code` is a stable snake_case word for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
