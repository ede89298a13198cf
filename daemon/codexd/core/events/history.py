"""Events about a thread's history: compactions, pins, reverts, reviews, imports.

They remove nothing from the log: screens still show all turns after a compaction, and `core/state/visibility.py`
alone decides which records count after a revert. `history.compacted` has the new history word for word, so that
it does not depend on the version of the daemon.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.events.base import Fact
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.items import TurnError
from codexd.core.values.review_findings import ReviewOutput
from codexd.core.values.review_target import ReviewTarget
from codexd.core.values.settings import Settings, Tuning
from codexd.core.values.usage import Tokens

Trigger = Literal["auto", "manual"]
Reason = Literal["limit", "model_downshift", "user", "window_exceeded"]
# When it happens: before a turn's first request, between two requests, or in a turn of its own.
Phase = Literal["pre_turn", "mid_turn", "standalone"]


class CompactionStarted(Fact, frozen=True):
    """A summary of the history is requested from the model."""

    type = "compaction.started"
    item_id: ItemId
    trigger: Trigger
    reason: Reason
    phase: Phase
    prompt: str  # as it is sent to the model
    limit: int | None = None  # the size of the context, in tokens, at which a compaction is due
    tokens: int | None = None  # the size of the context
    settings: Settings | None = None  # of another model to ask; None: the turn's own
    tuning: Tuning | None = None  # for these settings


class CompactionFailed(Fact, frozen=True):
    """The compaction failed: the history is unchanged."""

    type = "compaction.failed"
    item_id: ItemId
    error: TurnError


class KeptMessage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A person's message that stayed in the model's history."""

    seq: int  # of the message's record
    truncated: bool = False  # its middle was left out


class KeptItems(msgspec.Struct, frozen=True):
    """The items of a history that are kept before the summary."""

    items: tuple[msgspec.Raw, ...] = ()
    context_at: int = 0  # the index at which fresh context is inserted
    kept: tuple[KeptMessage, ...] = ()
    pins: tuple[int, ...] = ()
    left_out: int = 0  # items that did not fit into the summary's request
    unanswered: tuple[msgspec.Raw, ...] = ()  # items that no request had, which follow the summary


class PinAdded(Fact, frozen=True):
    """Every later compaction keeps the model's items of a record."""

    type = "pin.added"
    seq: int
    items: tuple[msgspec.Raw, ...]  # the kept items: a tool's answer is kept with its call


class PinRemoved(Fact, frozen=True):
    """The next compaction may drop the record's items."""

    type = "pin.removed"
    seq: int


class HistoryCompacted(Fact, frozen=True):
    """The model's history was replaced by a shorter one; screens still show all turns."""

    type = "history.compacted"
    item_id: ItemId
    summary: str
    items: tuple[msgspec.Raw, ...]  # input items that replace the whole history before this
    trigger: Trigger | None = None  # None: it was imported, and nothing else is known
    window: int = 0  # the number of the compaction in the thread: 1 for the first
    kept: tuple[KeptMessage, ...] = ()  # a person's messages among the items, by their records
    pins: tuple[int, ...] = ()  # the records that were kept because they are pinned
    tokens_before: int | None = None
    tokens_after: int | None = None  # an estimate
    left_out: int = 0  # how many of the oldest items did not fit into the summary's request
    # So many of the last items are the model's newest answer and its calls' results, word for word.
    unanswered: int = 0


class ReviewEntered(Fact, frozen=True):
    """A review of the work began."""

    type = "review.entered"
    item_id: ItemId
    review: str  # the subject of the review, in a sentence for people
    target: ReviewTarget | None = None  # None: it was imported, and nothing else is known
    child_id: ThreadId | None = None  # the thread in which the reviewer works, and its turn
    child_turn_id: TurnId | None = None
    model: str | None = None  # the reviewer's
    today: str | None = None  # the date in the person's time zone


class ReviewExited(Fact, frozen=True):
    """The review ended."""

    type = "review.exited"
    item_id: ItemId
    review: str  # its findings as text
    output: ReviewOutput | None = None  # None: there is no result
    raw: str | None = None  # the reviewer's answer, unchanged
    # The message about it in the model's history, in the user role; `review` follows in the assistant role.
    # None: the history has no such message.
    told: str | None = None
    used: Tokens | None = None  # by the reviewer; not part of this thread's usage


class ThreadImported(Fact, frozen=True):
    """The records before this whose `by` is `import:LINE` were read from a file of another program.
    It is the last record of an import: in a log without it, the import was cut off.
    """

    type = "thread.imported"
    source: str  # the path of the file at the time
    source_id: str  # the thread's id in the other program
    sha256: str  # of the first `size_bytes` bytes of the file
    size_bytes: int  # of the lines that were read, without a torn line at the end
    lines: int
    originator: str | None = None
    originator_version: str | None = None
    forked_from: str | None = None  # its parent's id in the other program
    complaints: int = 0  # lines, or parts of lines, that were not imported

    at_ms: int = 0  # when; the record itself has the time of the last line
    agent: str | None = None  # the kind of the agent that it is of; a person's thread has none
    parent: ThreadId | None = None  # the thread that the agent worked for


class ThreadTakenIn(Fact, frozen=True):
    """Some records before this were not written here: they are history and grant nothing.

    Everything that was open in them is closed by now. Their approvals no longer count, and their
    instructions are not used.
    """

    type = "thread.taken_in"
    origin: str  # "package", "rollout", or "log" (found in the log itself)
    settings: Settings  # from here on; the policies are those of this machine
    source: str | None = None  # the path of the file at the time
    instructions: str | None = None  # the thread's own, from before the foreign records
    developer_instructions: str | None = None  # the same, or this machine's
    dropped: tuple[str, ...] = ()  # settings and approvals that no longer count, for people


class HistoryReverted(Fact, frozen=True):
    """The thread was reverted to its state after record `to_seq`: a turn and all later turns no longer count."""

    type = "history.reverted"
    before_turn: TurnId  # the first turn that no longer counts
    to_seq: int  # the end of the last turn that is kept; 0: no turn is kept
    turns: int  # how many turns no longer count
    turns_left: int
    tokens: int = 0  # the size of the model's history now, an estimate


class HistoryRevertUndone(Fact, frozen=True):
    """A revert was undone: its turns count again, in their place; later turns stay after them."""

    type = "history.revert_undone"
    reverted_seq: int  # the record of the revert
    turns: int  # how many count again
    tokens: int = 0


class HistoryCompactionUndone(Fact, frozen=True):
    """A compaction was undone: the model's history is as if it had not happened."""

    type = "history.compaction_undone"
    compacted_seq: int  # the record of the compaction
    tokens: int = 0


class HistoryInjected(Fact, frozen=True):
    """A client added items to the model's history, which no screen shows."""

    type = "history.injected"
    items: tuple[msgspec.Raw, ...]  # input items, written by codexd from what the client sent


# After any of these events, context may be missing in the model's history.
RevertEvent = HistoryReverted | HistoryRevertUndone | HistoryCompactionUndone
MARKERS = (HistoryReverted, HistoryRevertUndone, HistoryCompactionUndone)
MARKER_TYPES = frozenset(kind.type for kind in MARKERS)
