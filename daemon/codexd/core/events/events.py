"""The events of a thread, as they are stored in the log's `data`.

An event is a fact in the past tense and is never rewritten. Its tag is fixed for ever; a new member must have
a default. A change of meaning gets a new `v` and an upcaster in `UPCASTERS`. An event with an unknown tag is
kept as `Unknown`: it is passed on, and folds ignore it. This module has all events, for folds that name many.
"""
# mypy: implicit-reexport

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from codexd.core.events.base import NOTHING, UNREADABLE, Fact
from codexd.core.events.goals import GoalChanged, GoalCleared, GoalTold
from codexd.core.events.history import (
    CompactionFailed,
    CompactionStarted,
    HistoryCompacted,
    HistoryCompactionUndone,
    HistoryInjected,
    HistoryReverted,
    HistoryRevertUndone,
    PinAdded,
    PinRemoved,
    ReviewEntered,
    ReviewExited,
    ThreadImported,
    ThreadTakenIn,
)
from codexd.core.events.marks import ReadStateSet
from codexd.core.events.model import (
    ItemCompleted,
    ItemCut,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    RequestPrint,  # noqa: F401 - a member of its event
    ToolCallRef,  # noqa: F401 - the same
)
from codexd.core.events.queue import InputQueued, InputsReordered, InputWithdrawn
from codexd.core.events.title import TitleEnded, TitleRequested
from codexd.core.events.tools import (
    ApprovalDecided,
    ApprovalRequested,
    GrantsRevoked,
    OutputKept,
    PlanChanged,
    ProcessEnded,
    StdinWritten,
    ToolEnded,
    ToolSpawned,
    ToolStarted,
    ToolTaskCreated,
    decode_present,
)
from codexd.core.events.waiting import TurnQueued, TurnWithdrawn
from codexd.core.events.warnings import ThreadWarned
from codexd.core.values.agents_md import InstructionFile
from codexd.core.values.dynamic_tools import DynamicTool
from codexd.core.values.environment import TurnEnvironment
from codexd.core.values.ids import ItemId, ModelCallId, ThreadId, TurnId
from codexd.core.values.items import TurnError, UserInput
from codexd.core.values.limits import Limits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.settings import Collaboration, Settings, SettingsChange, Tuning
from codexd.core.values.thread_calls import Spawned

# "No value", for members that hold JSON of any shape: a union of Raw and None cannot be decoded.
NO_JSON = NOTHING


def or_nothing(json: msgspec.Raw | None) -> msgspec.Raw:
    """The value for a member: the JSON, or the object `NO_JSON`, which is left out when the event is encoded."""
    return NO_JSON if json is None or given(json) is None else json


def given(json: msgspec.Raw) -> msgspec.Raw | None:
    """The JSON in a member; None for no value or null."""
    return None if bytes(json) in (b"", b"null") else json


class GitHead(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The commit and branch of the working directory's repository when the thread started."""

    sha: str | None = None
    branch: str | None = None
    origin_url: str | None = None


class ThreadStarted(Fact, frozen=True):
    """A thread was started."""

    type = "thread.started"
    settings: Settings
    originator: str  # the name of the client
    daemon_version: str
    instructions: str | None = None  # the client's own base instructions, if it sent any
    developer_instructions: str | None = None
    git: GitHead | None = None
    ephemeral: bool = False  # kept in memory only
    history_mode: Literal["legacy", "paginated"] = "legacy"  # how the client wants to read it
    thread_source: str | None = None  # the client's reason for starting it
    reviews: ReviewOf | None = None  # set for a reviewer's thread, which no list shows
    source: str | None = None  # the kind of program, in Codex's words; None: it was not recorded
    spawned: Spawned | None = None  # set for a thread that the agent of another one started
    dynamic_tools: tuple[DynamicTool, ...] = ()  # that the client has declared, and performs


class ThreadForked(Fact, frozen=True):
    """This thread shares its parent's records up to a point; its own records begin here."""

    type = "thread.forked"
    parent: ThreadId
    at_seq: int
    ephemeral: bool = False  # kept in memory only, with copies of its parent's records


class ThreadRenamed(Fact, frozen=True):
    """The thread was renamed; None removes the name."""

    type = "thread.renamed"
    name: str | None


class ThreadArchived(Fact, frozen=True):
    """The thread was archived."""

    type = "thread.archived"


class ThreadUnarchived(Fact, frozen=True):
    """The thread was unarchived."""

    type = "thread.unarchived"


class SettingsChanged(Fact, frozen=True):
    """Settings were changed, from the next turn on."""

    type = "thread.settings_changed"
    change: SettingsChange


class LogRepaired(Fact, frozen=True):
    """A torn tail was cut off when the log was opened."""

    type = "log.repaired"
    lost: str


class TurnSteered(Fact, frozen=True):
    """A person added input to the running turn; the model sees it with its next call."""

    type = "turn.steered"
    item_id: ItemId
    content: tuple[UserInput, ...]
    client_id: str | None = None
    cut: ModelCallId | None = None  # the request that was given up for it while it was answered


TurnKind = Literal["user", "review", "compact", "shell"]


class TurnStarted(Fact, frozen=True):
    """A turn started, with the queued inputs that it answers."""

    type = "turn.started"
    turn_id: TurnId
    settings: Settings
    inputs: tuple[ItemId, ...] = ()
    kind: TurnKind = "user"
    limits: Limits = Limits()
    tuning: Tuning | None = None  # the options of the model's requests; None: those of the settings
    # The base instructions, if they differ from those of the turn before; a thread's own are in its first event.
    instructions: str | None = None


class TurnCompleted(Fact, frozen=True):
    """A turn ended because the model had nothing more to do."""

    type = "turn.completed"


class TurnInterrupted(Fact, frozen=True):
    """A turn was interrupted, by a person or by the daemon."""

    type = "turn.interrupted"
    reason: Literal["interrupted", "archived", "shutdown", "restarted", "forked", "replaced"] = (
        "interrupted"
    )


class TurnFailed(Fact, frozen=True):
    """A turn failed."""

    type = "turn.failed"
    error: TurnError


ContextCategory = Literal["environment", "user_instructions", "developer", "turn_aborted"]


class ContextAdded(Fact, frozen=True):
    """The daemon added context to the model's history."""

    type = "context.added"
    category: ContextCategory
    role: Literal["user", "developer"]
    text: str
    environment: TurnEnvironment | None = None  # the environment that the model knows after this
    digest: str | None = None  # of user instructions: equal digests mean equal instructions
    sources: tuple[InstructionFile, ...] = ()  # the files of the instructions
    within: bool = False  # it is among the items of the compaction just before
    # Of instructions for a mode: the mode that the model knows after this.
    collaboration: Collaboration | None = None


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """An event of an unknown type, from a later version: kept and passed on."""

    type: str
    v: int
    raw: msgspec.Raw


Event = (
    ThreadStarted
    | ThreadForked
    | ThreadRenamed
    | ThreadArchived
    | ThreadUnarchived
    | SettingsChanged
    | LogRepaired
    | InputQueued
    | InputWithdrawn
    | InputsReordered
    | TurnQueued
    | TurnWithdrawn
    | TurnSteered
    | TurnStarted
    | TurnCompleted
    | TurnInterrupted
    | TurnFailed
    | ContextAdded
    | ModelCallStarted
    | ItemCompleted
    | ItemCut
    | ModelCallEnded
    | ModelCallFailed
    | ApprovalRequested
    | ApprovalDecided
    | GrantsRevoked
    | ToolStarted
    | ToolSpawned
    | ToolTaskCreated
    | ToolEnded
    | ProcessEnded
    | StdinWritten
    | PlanChanged
    | OutputKept
    | CompactionStarted
    | CompactionFailed
    | HistoryCompacted
    | HistoryInjected
    | HistoryReverted
    | HistoryRevertUndone
    | HistoryCompactionUndone
    | PinAdded
    | PinRemoved
    | ReviewEntered
    | ReviewExited
    | ThreadImported
    | ThreadTakenIn
    | ThreadWarned
    | ReadStateSet
    | TitleRequested
    | TitleEnded
    | GoalChanged
    | GoalCleared
    | GoalTold
)

EVENTS: dict[str, type[Event]] = {kind.type: kind for kind in Event.__args__}

# (tag, v) of an older shape -> a function from its decoded members to those of v + 1.
UPCASTERS: dict[tuple[str, int], Callable[[dict[str, object]], dict[str, object]]] = {}

_ENCODER = msgspec.json.Encoder()


class InvalidEvent(ValueError):
    """A record's data does not fit its type."""


def encode_event(event: Event) -> bytes:
    """The event's `data` as JSON."""
    return _ENCODER.encode(event)


def decode_event(tag: str, v: int, data: msgspec.Raw | bytes) -> Event | Unknown:
    """Read a record's `data`. Raises: InvalidEvent."""
    kind = EVENTS.get(tag)
    if kind is None or v > kind.v:
        return Unknown(tag, v, msgspec.Raw(data))
    try:
        if v == kind.v:
            return decode_present(kind, data)
        members = msgspec.json.decode(data, type=dict[str, object])
        for old in range(v, kind.v):
            members = UPCASTERS[tag, old](members)
        return msgspec.convert(members, kind)
    except UNREADABLE as error:
        raise InvalidEvent(f"event {tag} version {v}: {error}") from error
