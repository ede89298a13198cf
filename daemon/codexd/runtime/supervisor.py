"""The loaded threads: loads a thread when it is asked for, one actor each, and unloads idle threads.

An actor that crashes ends its thread's effects and nothing else. A thread that it left unfinished is
loaded again from the log, a bounded number of times in a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import trio

from codexd.core import commands as c
from codexd.core.events.events import InvalidEvent, ThreadForked, encode_event
from codexd.core.events.record import encode_members
from codexd.core.values.ids import ThreadId
from codexd.core.values.taken_from import TakenFrom
from codexd.runtime.actor.actor import Perform, ThreadActor
from codexd.runtime.actor.ports import Listener, World
from codexd.runtime.ephemeral_fork import copy_past, forget
from codexd.runtime.snapshots.folds import Folds
from codexd.runtime.snapshots.load import OnRecord
from codexd.runtime.snapshots.writer import find_folds
from codexd.runtime.troubles import Trouble, trouble_of
from codexd_eventstore.store import NewEvent, NotFound, StoreError, StoreFailed

log = logging.getLogger(__name__)

# An idle thread without followers is unloaded after this long; Codex's figure.
UNLOAD_IDLE_SECONDS = 60.0
# How often a thread whose actor crashed in mid-turn is loaded again before it is left alone.
RELOADS_IN_A_ROW_MAX = 3
# Threads that are shown as stopped: where a whole disk fails, the newest are enough.
STOPPED_KEPT_MAX = 64


class Audience(Listener, Protocol):
    """The listener of one thread, as the supervisor knows it."""

    @property
    def watched(self) -> bool:
        """Whether the thread has a follower."""

    def bind(self, thread: ThreadActor) -> None:
        """This actor is about to load the thread."""

    def gone(self, reason: str | None) -> None:
        """The actor is gone; with a reason, it crashed and is loaded again only when a client asks."""

    def unloaded(self) -> None:
        """The idle thread without followers was unloaded."""


class ThreadGone(Exception):
    """The thread's actor crashed during the request; it is not known whether it was carried out."""


class _Loaded(msgspec.Struct):
    thread: ThreadActor
    audience: Audience
    scope: trio.CancelScope
    ready: trio.Event
    ended: trio.Event
    is_new: bool  # it has no log yet
    failure: Exception | None = None
    idle_since: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether the thread has a follower, or anything is under way in it."""
        return self.audience.watched or not self.thread.idle or not self.ready.is_set()


class Supervisor:
    """Owns the actors. `run` must be running for anything to load."""

    def __init__(
        self,
        world: Callable[[bool], World],
        audience: Callable[[ThreadId], Audience],
        perform: Perform,
    ) -> None:
        """`world(ephemeral)` is the world of a thread; ephemeral ones have a store in memory."""
        self._world, self._audience, self._perform = world, audience, perform
        self._loaded: dict[ThreadId, _Loaded] = {}
        self._ephemeral: set[ThreadId] = set()
        self._crashes: dict[ThreadId, int] = {}
        self.stopped: dict[ThreadId, Trouble] = {}  # those that are left alone, and why
        self._deadly: set[ThreadId] = set()
        self._outbox, self._inbox = trio.open_memory_channel[_Loaded](0)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Host the actors until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._unload_idle)
            task_status.started()
            async for loaded in self._inbox:
                nursery.start_soon(self._host, loaded)

    @property
    def threads(self) -> Sequence[ThreadActor]:
        """The threads that are loaded and serve."""
        return [hosted.thread for hosted in self._loaded.values() if hosted.ready.is_set()]

    def loaded(self, thread_id: ThreadId) -> ThreadActor | None:
        hosted = self._loaded.get(thread_id)
        return hosted.thread if hosted is not None and hosted.ready.is_set() else None

    def is_ephemeral(self, thread_id: ThreadId) -> bool:
        return thread_id in self._ephemeral

    async def load(
        self,
        thread_id: ThreadId,
        on_record: OnRecord | None = None,
        *,
        seed: Folds | None = None,
        taken_from: TakenFrom | None = None,
    ) -> ThreadActor:
        """The thread, loaded and recovered. Raises: StoreError, InvalidEvent.

        `on_record` is called with the records of its log, from the first on, if the whole log is read for this.
        `seed` has folds to begin with, if the thread is not loaded yet. `taken_from` says that its log was
        just imported: it grants no permissions.
        """
        hosted = self._loaded.get(thread_id)
        # One that is being unloaded is loaded again.
        while hosted is not None and hosted.scope.cancel_called:
            await hosted.ended.wait()
            hosted = self._loaded.get(thread_id)
        if hosted is None:
            return await self._load_as(
                self._new(thread_id, seed=seed, on_record=on_record, taken_from=taken_from)
            )
        return await _ready(hosted)

    async def start(
        self, thread_id: ThreadId, command: c.StartThread, *, by: str | None, key: str | None
    ) -> ThreadActor:
        """Begin a new thread; it is durable when this returns."""
        if command.ephemeral:
            self._ephemeral.add(thread_id)
        thread = await self._load_as(self._new(thread_id, fresh=True))
        try:
            await thread.submit(command, by=by, key=key)
        except StoreError:  # It never began: no request may find an actor without a log.
            self._ephemeral.discard(thread_id)
            await self.unload(thread_id)
            raise
        return thread

    async def fork(
        self,
        parent: ThreadId,
        at_seq: int,
        child: ThreadId,
        *,
        by: str | None,
        ephemeral: bool = False,
        on_record: OnRecord | None = None,
    ) -> ThreadActor:
        """A new thread that has the parent's records up to `at_seq`. Raises: StoreError, InvalidEvent.

        It shares them with its parent, unless it is ephemeral and has a copy; a fork of an ephemeral
        thread is always ephemeral.
        """
        ephemeral = ephemeral or parent in self._ephemeral
        event = ThreadForked(parent, at_seq, ephemeral)
        new = NewEvent(event.type, encode_event(event), event.v, encode_members(by, None))
        seed = self._seed(parent, at_seq)
        if ephemeral:
            await self._fork_into_memory(parent, at_seq, child, new)
            if seed is not None and seed.history.evicted:
                seed = None  # Its store does not have the evicted items.
        else:
            world = self._world(False)
            await world.store.fork(parent, at_seq, child, [new], at_us=world.now_us())
            seed = seed or await find_folds(world.store, parent, at_seq)
        return await self.load(child, on_record, seed=seed)

    async def unload(self, thread_id: ThreadId) -> None:
        """Let a thread go; its effects end first."""
        hosted = self._loaded.get(thread_id)
        if hosted is not None:
            hosted.scope.cancel()
            await hosted.ended.wait()

    async def keep_all(self) -> None:
        """Take last snapshots of the threads that are loaded: the daemon is about to stop."""
        for thread in self.threads:
            await thread.keep()

    def leave_alone(self, thread_id: ThreadId, trouble: Trouble) -> None:
        """Show a thread with which the daemon died as stopped: a person may have it loaded."""
        log.error("thread %s is left alone: %s", thread_id, trouble.reason)
        self._remember_stopped(thread_id, trouble)
        self._deadly.add(thread_id)

    def is_deadly(self, thread_id: ThreadId) -> bool:
        """Whether it is such a thread, and was not loaded since."""
        return thread_id in self._deadly

    def is_left_alone(self, thread_id: ThreadId) -> bool:
        """Whether the thread is shown as stopped, so that only a person may have it loaded."""
        return thread_id in self.stopped

    def _seed(self, parent: ThreadId, at_seq: int) -> Folds | None:
        thread = self.loaded(parent)
        return thread.seed() if thread is not None and thread.version == at_seq else None

    async def _fork_into_memory(
        self, parent: ThreadId, at_seq: int, child: ThreadId, forked: NewEvent
    ) -> None:
        world = self._world(True)
        source, memory = self._world(parent in self._ephemeral).store, world.store
        try:
            await copy_past(source, parent, at_seq, memory, child)
            await memory.append(
                child, [forked], expected_version=at_seq, at_us=world.now_us(), durable=False
            )
        except BaseException:  # A partial copy, also after cancellation, is removed.
            with suppress(StoreError):
                await forget(memory, child)
            raise
        self._ephemeral.add(child)

    async def _load_as(self, hosted: _Loaded) -> ThreadActor:
        try:
            await self._outbox.send(hosted)
        except BaseException:
            # The first caller was cancelled: no other may wait for an actor that never runs.
            del self._loaded[hosted.thread.thread_id]
            hosted.failure = ThreadGone("the client that asked for it has left")
            hosted.ready.set()
            hosted.ended.set()
            raise
        return await _ready(hosted)

    def _new(
        self,
        thread_id: ThreadId,
        *,
        fresh: bool = False,
        seed: Folds | None = None,
        on_record: OnRecord | None = None,
        taken_from: TakenFrom | None = None,
    ) -> _Loaded:
        audience = self._audience(thread_id)
        world = self._world(thread_id in self._ephemeral)
        thread = ThreadActor(
            thread_id,
            world,
            audience,
            self._perform,
            fresh=fresh,
            seed=seed,
            on_record=on_record,
            taken_from=taken_from,
        )
        audience.bind(thread)
        hosted = _Loaded(thread, audience, trio.CancelScope(), trio.Event(), trio.Event(), fresh)
        self._loaded[thread_id] = hosted
        return hosted

    async def _host(self, hosted: _Loaded) -> None:
        thread_id, reason, left_alone = hosted.thread.thread_id, None, True
        problem: Exception | None = None
        try:
            with hosted.scope:
                async with trio.open_nursery() as nursery:
                    await self._start(nursery, hosted)
                    hosted.idle_since = trio.current_time()
                    self.stopped.pop(thread_id, None)
                    self._deadly.discard(thread_id)
                    hosted.ready.set()
        except Exception as error:
            # An actor is a place of its own for this: its thread ends here, and no other.
            problem, failed_to_load = _only(error), not hosted.ready.is_set()
            if failed_to_load and not isinstance(problem, StoreError | InvalidEvent):
                log.exception("thread %s cannot be loaded", thread_id)
                problem = InvalidEvent(f"its log cannot be followed: {problem!r}")
            reason = str(problem)
            left_alone = self._is_left_alone(hosted, problem)
            hosted.failure = problem if failed_to_load else ThreadGone(reason)
            if not failed_to_load:
                log.exception("thread %s: its actor crashed", thread_id)
        finally:
            del self._loaded[thread_id]
            hosted.failure = hosted.failure or ThreadGone("the daemon is stopping")
            hosted.ready.set()
            hosted.ended.set()
            if problem is not None and left_alone and not _passes(problem):
                self._remember_stopped(thread_id, trouble_of(thread_id, problem))
            hosted.audience.gone(reason if left_alone else None)
            with suppress(StoreError):
                hosted.thread.world.store.close(thread_id)
        if not left_alone and thread_id not in self._loaded:
            await self._outbox.send(self._new(thread_id))

    async def _start(self, nursery: trio.Nursery, hosted: _Loaded) -> None:
        """Start an actor; whichever way that ends, the daemon has not died of it."""
        if hosted.is_new:
            await nursery.start(hosted.thread.run)
            return
        unfinished = hosted.thread.world.unfinished
        unfinished.begin(hosted.thread.thread_id)
        try:
            await nursery.start(hosted.thread.run)
        finally:
            unfinished.settle(hosted.thread.thread_id)

    def _remember_stopped(self, thread_id: ThreadId, trouble: Trouble) -> None:
        self.stopped.pop(thread_id, None)
        self.stopped[thread_id] = trouble
        if len(self.stopped) > STOPPED_KEPT_MAX:
            del self.stopped[next(iter(self.stopped))]

    def _is_left_alone(self, hosted: _Loaded, error: Exception) -> bool:
        """Whether a thread whose actor crashed is not loaded again automatically."""
        thread_id = hosted.thread.thread_id
        if isinstance(error, StoreError):
            # The disk's fault, not ours: asking it again at once may cost what can still be read.
            if not _passes(error):
                log.error("thread %s takes no more writes and is left alone: %s", thread_id, error)
            return True
        if hosted.thread.state.turn is None:
            return True
        crashes = self._crashes[thread_id] = self._crashes.get(thread_id, 0) + 1
        if crashes > RELOADS_IN_A_ROW_MAX:
            log.error("thread %s crashed %d times in a row and is left alone", thread_id, crashes)
        return crashes > RELOADS_IN_A_ROW_MAX

    async def _unload_idle(self) -> None:
        while True:
            await trio.sleep(UNLOAD_IDLE_SECONDS / 4)
            now = trio.current_time()
            for thread_id, hosted in list(self._loaded.items()):
                if hosted.is_busy:
                    hosted.idle_since = now
                elif now - hosted.idle_since >= UNLOAD_IDLE_SECONDS:
                    self._crashes.pop(thread_id, None)
                    await hosted.thread.keep()
                    if hosted.is_busy or self._loaded.get(thread_id) is not hosted:
                        continue  # It got a follower or work while its snapshot was written.
                    await self.unload(thread_id)
                    hosted.audience.unloaded()
                    await self._forget_ephemeral(hosted.thread)

    async def _forget_ephemeral(self, thread: ThreadActor) -> None:
        """Drop an unloaded thread in memory: no client can reach it any more."""
        if thread.thread_id in self._ephemeral:
            self._ephemeral.discard(thread.thread_id)
            with suppress(StoreError):
                await forget(thread.world.store, thread.thread_id)


async def _ready(hosted: _Loaded) -> ThreadActor:
    await hosted.ready.wait()
    if hosted.failure is not None:
        raise hosted.failure
    return hosted.thread


def _passes(problem: Exception) -> bool:
    """Whether nothing is wrong with the thread: it is none, or it can be loaded in a moment."""
    return isinstance(problem, NotFound) or (isinstance(problem, StoreFailed) and problem.retry)


def _only(error: Exception) -> Exception:
    """An exception that a caller can catch: the only exception within groups, a store's before others."""
    while isinstance(error, ExceptionGroup):
        stores = error.subgroup(StoreError)
        error = (stores or error).exceptions[0]
    return error
