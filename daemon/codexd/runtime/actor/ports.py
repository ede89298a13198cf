"""The ports of actors and effects, which the composition root fills; tests fill their own."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from codexd.core.commands import Command, StartThread
from codexd.core.events.record import Recorded
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import Turn
from codexd.core.values.ids import CallId, ItemId, ModelCallId, ThreadId, uuid7
from codexd.core.values.limits import Traits
from codexd.core.values.model_output import ItemKind
from codexd.core.values.taken_from import TakenFrom
from codexd.models.client import ModelClient
from codexd.models.exchange.notes import ExchangeNotes
from codexd.projections.clients.deltas import TextPart
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.actor.shared_answers import SharedAnswers
from codexd.runtime.images.images import ImageCache, Images
from codexd.runtime.snapshots.folds import Folds
from codexd.tools.registry import Registry
from codexd_eventstore.store import EventStore


class Cleaner(Protocol):
    """A redactor for one text that grows.

    Text that may be the beginning of a secret is held until more has come, so drafts and screens get it later or never.
    """

    def feed(self, chunk: bytes) -> bytes:
        """More of it came: what of it may be let out."""

    def rest(self) -> bytes:
        """The end of the text: returns the part that was held back."""


class AsItIs:
    """Passes everything on: no secrets are known."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def rest(self) -> bytes:
        return b""


def clean_pieces(cleaner: Cleaner, pieces: Sequence[str]) -> Sequence[str]:
    """More of a text in pieces: they stay as they are where nothing was held or replaced."""
    came = "".join(pieces).encode(errors="replace")
    clean = cleaner.feed(came)
    if clean == came:
        return pieces
    return (clean.decode(errors="replace"),) if clean else ()


class Listener(Protocol):
    """Is notified of a thread's events and texts, in order, as soon as they are in the log or in a draft.

    No call waits, and none may fail: for a follower that cannot keep up a position is kept, not a queue.
    """

    def loaded(self, state: ThreadState, turn_so_far: Sequence[Recorded]) -> None:
        """The thread was loaded: its state, and the records of the running turn, if there is one."""

    def appended(self, records: Sequence[Recorded]) -> None:
        """These are in the log."""

    def opened(self, item_id: ItemId, kind: ItemKind, started_ms: int) -> None:
        """An item begins to stream."""

    def text(self, item_id: ItemId, part: TextPart, index: int, pieces: Sequence[str]) -> None:
        """More of an item's text is in its draft."""

    def output(self, call_id: CallId, text: str) -> None:
        """More of a command's output is in its draft."""

    def stalled(self, reason: str, *, is_full: bool) -> None:
        """Nothing can be written, and what must be recorded waits until it can; `is_full`: for space."""

    def unstalled(self) -> None:
        """All of that is recorded; the thread continues."""


class LoadedThread(Protocol):
    """A loaded thread that works for another thread, as that other thread sees it."""

    folds: Folds

    @property
    def state(self) -> ThreadState:
        """The same as in the folds."""

    async def submit(self, command: Command) -> object:
        """Ask it for something; returns once that is on disk. Raises: Rejected, StoreError."""


class Threads(Protocol):
    """The daemon's other threads, for a thread that has another thread work for it."""

    async def load(self, thread_id: ThreadId) -> LoadedThread:
        """The thread, loaded. Raises: StoreError."""

    def is_deadly(self, thread_id: ThreadId) -> bool:
        """Whether the daemon has died of it again and again: then only a person may have it loaded."""

    async def start(
        self, thread_id: ThreadId, command: StartThread, *, by: str | None, key: str | None
    ) -> LoadedThread:
        """A new thread. Raises: StoreError."""


async def _not_brought(_: ThreadId) -> TakenFrom | None:
    return None


def _nothing_seen(provider: str, turn_id: str, headers: Mapping[str, str]) -> None:
    pass


def _no_notes(_thread: str, _turn: Turn, _call: ModelCallId, _attempt: int) -> ExchangeNotes | None:
    return None


async def _ready() -> str | None:
    return None


def _none() -> Threads:
    raise LookupError("this thread was loaded where there are no others")


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Clock, chance, store, providers and tools."""

    store: EventStore
    # By provider name, for a turn; raises ModelError where there is none.
    client: Callable[[str, str], ModelClient]
    # A provider's response for a turn had these headers about limits.
    limits_seen: Callable[[str, str, Mapping[str, str]], None] = _nothing_seen
    traits: Callable[[str], Traits]  # by model name
    registry: Registry
    # Notes for an attempt of a thread's turn; None where nobody wants them.
    notes_of: Callable[[str, Turn, ModelCallId, int], ExchangeNotes | None] = _no_notes
    # Waits until the tools of other programs are known; why a turn cannot begin, if it cannot.
    tools_ready: Callable[[], Awaitable[str | None]] = _ready
    unfinished: UnfinishedFiles
    processes: ProcessFiles
    instructions: str
    threads: Callable[[], Threads] = _none
    # The package that a thread's log came with, where that is known.
    brought: Callable[[ThreadId], Awaitable[TakenFrom | None]] = _not_brought
    version: str = ""  # of the daemon
    lookups: LookupSource = LookupSource()
    image_cache: ImageCache = msgspec.field(default_factory=ImageCache)
    # What clients of one thread are answered that each ask for its title.
    titles: SharedAnswers = msgspec.field(default_factory=SharedAnswers)
    resume_on_restart: bool = True
    redact: Callable[[str], str] = str  # a text without the secrets in it
    cleaner: Callable[[], Cleaner] = AsItIs  # the same for a text that grows
    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    random_bits: Callable[[int], int] = lambda bits: int.from_bytes(os.urandom(16)) >> (128 - bits)
    jitter: Callable[[], float] = lambda: 0.9 + os.urandom(1)[0] / 1275  # 0.9 to 1.1

    @property
    def images(self) -> Images:
        return Images(self.store, self.image_cache)

    def tools_of(self, model: str, state: ThreadState) -> tuple[bytes, ...]:
        """The tool declarations for a thread's model."""
        return self.registry.offered(self.traits(model), state)

    def new_id(self) -> str:
        return uuid7(self.now_us() // 1000, self.random_bits(74))
