"""Events that mark a place in a thread's past: where it was shortened, reviewed, or taken over from elsewhere."""

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
    """The model's history was replaced by a shorter one; what screens show of the past stays."""

    type = "history.compacted"
    item_id: ItemId
    summary: str
    items: tuple[msgspec.Raw, ...]  # input items that stand for all that was in front of this
    trigger: Trigger | None = None  # None: another program did it, and nothing else is known of it
    window: int = 0  # the how many-eth of the thread: 1 for the first
    kept: tuple[KeptMessage, ...] = ()  # whose words are among the items, by their records
    pins: tuple[int, ...] = ()  # the records that were kept because they are pinned
    tokens_before: int | None = None
    tokens_after: int | None = None  # an estimate
    left_out: int = 0  # of the summary's request: the oldest items, which it had no room for


class ReviewEntered(Fact, frozen=True):
    """A review of the work began."""

    type = "review.entered"
    item_id: ItemId
    review: str  # what is reviewed, in a sentence for people
    target: ReviewTarget | None = (
        None  # None: another program did it, and nothing else is known of it
    )
    child_id: ThreadId | None = None  # the thread in which the reviewer works, and its turn
    child_turn_id: TurnId | None = None
    model: str | None = None  # the reviewer's
    today: str | None = None  # the date where the person is


class ReviewExited(Fact, frozen=True):
    """The review ended."""

    type = "review.exited"
    item_id: ItemId
    review: str  # its findings as text
    output: ReviewOutput | None = None  # None: it came to nothing
    raw: str | None = None  # the reviewer's answer, as it was given
    # What the model is told of it in the person's name, word for word; `review` follows as its own words.
    # None: nothing, it is told otherwise.
    told: str | None = None
    used: Tokens | None = None  # by the reviewer; no part of what this thread has used


class ThreadImported(Fact, frozen=True):
    """The records in front of this, as far as their `by` is `import:LINE`, were read from a file of another
    program. It is the last record of an import: a log without it holds one that was cut off.
    """

    type = "thread.imported"
    source: str  # the file, as it was named then
    source_id: str  # the id that the thread had there
    sha256: str  # of the first `size_bytes` bytes of the file
    size_bytes: int  # of the lines that were read; what was torn behind them is not counted
    lines: int
    originator: str | None = None
    originator_version: str | None = None
    forked_from: str | None = None  # the id of its parent there
    complaints: int = 0  # lines, or parts of them, that were not taken over

    at_ms: int = 0  # when; the record itself has the time of the last line


class ThreadTakenIn(Fact, frozen=True):
    """The records in front of this were not written here, or not all of them: they are a past and grant nothing.

    What was open in them is closed by now. Nothing that they allowed is allowed, and no instructions in them
    are anybody's here.
    """

    type = "thread.taken_in"
    origin: str  # "package", "rollout", or "log": found in a log that lay there
    settings: Settings  # from here on; what may be done unasked is this machine's
    source: str | None = None  # the file, as it was named then
    instructions: str | None = (
        None  # of the thread's own, from in front of what came from elsewhere
    )
    developer_instructions: str | None = None  # the same, or this machine's
    dropped: tuple[str, ...] = ()  # what counts no more, in words for people
