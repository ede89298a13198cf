"""Events that mark a position in a thread's history: compactions, reviews, imports."""

from __future__ import annotations

import msgspec

from codexd.core.events.base import Fact
from codexd.core.events.compaction import KeptMessage, Trigger
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.review_findings import ReviewOutput
from codexd.core.values.review_target import ReviewTarget
from codexd.core.values.settings import Settings
from codexd.core.values.usage import Tokens


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
