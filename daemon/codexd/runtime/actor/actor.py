"""One task owns one thread: it decides, appends, folds, notifies, answers, and runs the effects that are due.

Between `append` returning and the fold there is no checkpoint, so log and state never differ. An append that
fails for want of space changes nothing: it is refused, or waits (`runtime/actor/stall.py`). Any other error
but a refusal ends the actor; its supervisor loads the thread again from the log.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

import trio
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Command, Rejected
from codexd.core.decide.transition import cuts_answer
from codexd.core.events.events import Event, InvalidEvent, RequestPrint
from codexd.core.events.record import Recorded
from codexd.core.state.due import Effect, due
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.taken_from import TakenFrom
from codexd.projections.model.history import ModelHistory
from codexd.projections.summary import Summary
from codexd.runtime.actor.append import (
    Asked,
    CommandResult,
    Reply,
    Tentative,
    by_turn,
    changes_nothing,
    first_answer,
    has_changed_nothing,
)
from codexd.runtime.actor.crash_files import WorkMark
from codexd.runtime.actor.lookups import decided
from codexd.runtime.actor.ports import Listener, World
from codexd.runtime.actor.recover import recovery, take_up_outputs
from codexd.runtime.actor.stall import Bell, Stall
from codexd.runtime.actor.streaming import Streaming
from codexd.runtime.actor.summary_request import kept_items_now
from codexd.runtime.snapshots.folds import Folds
from codexd.runtime.snapshots.load import OnRecord, load
from codexd.runtime.snapshots.refold import evicted_items, refolded_for
from codexd.runtime.snapshots.writer import SnapshotWriter
from codexd_eventstore.store import StoreError, StoreFailed

log = logging.getLogger(__name__)

# Commands that may wait for the owner. 0: each asker hands over in person, so nothing queues unseen.
INBOX_COMMANDS_MAX = 0
Perform = Callable[[Effect, "ThreadActor"], Awaitable[None]]


class ThreadActor:
    """A loaded thread."""

    def __init__(
        self,
        thread_id: ThreadId,
        world: World,
        listener: Listener,
        perform: Perform,
        *,
        fresh: bool = False,
        seed: Folds | None = None,
        on_record: OnRecord | None = None,
        taken_from: TakenFrom | None = None,
    ) -> None:
        """`fresh`: it does not exist yet. `taken_from`: its log was just brought in from there."""
        self.thread_id, self.world = thread_id, world
        self._fresh, self._seed, self._on_record = fresh, seed, on_record
        self._taken_from = taken_from
        self.folds = Folds()
        self._ahead: Tentative | None = None  # the folds after the append that is under way
        self._snapshot_writer = SnapshotWriter(world.store, thread_id)
        self._mark = WorkMark(world.unfinished, thread_id)
        self.stall = Stall(thread_id, listener)
        self._disk_full = Bell()  # something waits for the disk that no effect tries again
        self._deferred: list[Asked] = []  # to be recorded before anything else
        self.streaming = Streaming(
            world.store, thread_id, listener, self._disk_full.ring, world.cleaner
        )
        self.path: str | None = None
        self.is_log_archived = False  # its log is archived: it is unloaded before that changes
        self._listener, self._perform = listener, perform
        self._changed = trio.Event()  # set at the next change of the state
        self._running: dict[Effect, trio.CancelScope] = {}
        self._outbox, self._inbox = trio.open_memory_channel[tuple[Asked, Reply]](
            INBOX_COMMANDS_MAX
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load the thread, recover it, and serve it until cancelled."""
        with self._inbox:
            if not self._fresh:
                await self._load()
            async with trio.open_nursery() as effects:
                self._reconcile(effects)
                self._take_snapshot(effects)
                effects.start_soon(self._get_unstuck)
                task_status.started()
                async for asked, reply in self._inbox:
                    # If we die here, the caller gets EndOfChannel, and does not hang.
                    with reply:
                        reply.answer = answer = await self._answer(asked)
                    if isinstance(answer, StoreError) and not has_changed_nothing(answer):
                        raise answer  # The thread must be loaded again from the log.
                    self._reconcile(effects)
                    self._take_snapshot(effects)

    async def submit(
        self, command: Command, *, by: str | None = None, key: str | None = None
    ) -> CommandResult:
        """Hand in a command; return once its events are on disk.

        Raises:
            Rejected: the command makes no sense in the thread's present state.
            StoreError: its events could not be written, and nothing has changed. Where a retry is
                useless, the thread is loaded again from its log.
            trio.EndOfChannel, trio.BrokenResourceError: the actor died; it is not known whether
                the events were written.
        """
        reply = Reply()
        asked = (Asked(command, by, key), reply)
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            # `send` would wait for a turn of the loop before the wait for the reply.
            self._outbox.send_nowait(asked)
        except trio.WouldBlock:
            await self._outbox.send(asked)
        result = await reply.receive()
        if isinstance(result, CommandResult):
            return result
        raise result

    async def report(self, command: Command) -> CommandResult:
        """Hand in what the daemon itself must record; wait for space where the disk is full."""
        return await self.stall.until_written(lambda: self.submit(command))

    async def until(self, holds: Callable[[ThreadState], bool]) -> None:
        """Sleep until this holds of the state."""
        while not holds(self.state):
            await self._changed.wait()

    def gave_up(self, effect: Effect) -> bool:
        """Whether an effect that runs is cancelled because it is not due any more."""
        return effect in self._running and self._running[effect].cancel_called

    @property
    def version(self) -> int:
        """The last record that is folded."""
        return self.folds.version

    @property
    def state(self) -> ThreadState:
        return self.folds.state

    @property
    def summary(self) -> Summary:
        return self.folds.summary

    @property
    def now_us(self) -> int:
        """The thread's time, Unix microseconds; never before the last event, though the clock was put back."""
        return max(self.world.now_us(), self.summary.updated_ms * 1000)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waits for its turn."""
        waits = self.state.queue or self.state.waiting or self._deferred
        return self.state.turn is None and not waits and not self._running

    @property
    def settled(self) -> Folds | None:
        """The folds where nothing is open and nothing is to be recorded; for this moment only."""
        return self.folds if self.folds.between_turns and not self._deferred else None

    async def keep(self) -> None:
        """Take a last snapshot before the thread is unloaded."""
        folds = self.settled
        if folds is not None and self._snapshot_writer.is_last_due(folds):
            await self._snapshot_writer.keep(folds, last=True)

    def seed(self) -> Folds | None:
        """The folds for a fork at the present version; None where it has to fold the log."""
        folds = self.settled
        return self._snapshot_writer.seed(folds) if folds is not None else None

    async def restore(self) -> None:
        """Have all items of the history in memory. Raises: StoreError, InvalidEvent."""
        while count := self.folds.history.evicted:
            since = self.folds.history.since
            store, writer = self.world.store, self._snapshot_writer
            items = await evicted_items(store, self.thread_id, self.folds, writer)
            for folds in [self.folds] if self._ahead is None else [self.folds, self._ahead.folds]:
                if (folds.history.since, folds.history.evicted) == (since, count):
                    folds.history = folds.history.with_restored(items)

    async def _load(self) -> None:
        store = self.world.store
        loaded = await load(
            store, self.thread_id, self._snapshot_writer, seed=self._seed, on_record=self._on_record
        )
        self._seed = self._on_record = None
        head = loaded.head
        self.folds, self.path, self.is_log_archived = loaded.folds, head.path, head.archived
        if self.state.settings is None:
            raise InvalidEvent(f"thread {self.thread_id}: no record says that it was begun")
        self._mark.before(self.state)
        recover = None
        if not self.is_log_archived:
            recover, left = await recovery(self.world, self.thread_id, loaded, self._taken_from)
            take_up_outputs(self.streaming, self.state, left)
        self._listener.loaded(self.state, loaded.turn_so_far)
        if recover is not None:
            self._deferred.append(Asked(recover))
            try:
                await self._record_owed()
            except StoreFailed as failed:
                if not failed.retry:
                    raise
                self._disk_full.ring()  # It can be read until there is space.
            self._mark.after(self.state)

    async def _answer(self, asked: Asked) -> CommandResult | Rejected | StoreError:
        try:
            return await self._handle(asked)
        except StoreFailed as failed:
            if failed.retry and isinstance(asked.command, c.InterruptTurn):
                return self._interrupt_unrecorded(asked, failed)
            return failed
        except (Rejected, StoreError) as refusal:
            return refusal

    def _interrupt_unrecorded(self, asked: Asked, failed: StoreFailed) -> StoreFailed:
        """Stop what runs, for that needs no space; that it was stopped is recorded later."""
        if all(not isinstance(submitted.command, c.InterruptTurn) for submitted in self._deferred):
            self._deferred.append(asked)
            self._disk_full.ring()
        text = "what ran is stopped, and that will be recorded as soon as there is space"
        return StoreFailed(f"{failed}; {text}", retry=True, is_full=failed.is_full)

    async def _get_unstuck(self) -> None:
        while True:
            await self._disk_full.wait()
            await self.stall.until_written(self._go_on)

    async def _go_on(self) -> None:
        self.streaming.catch_up()
        await self.submit(c.GoOn())

    async def _record_owed(self) -> None:
        while self._deferred:
            command = self._deferred[0].command
            with contextlib.suppress(Rejected):  # What was to be interrupted has ended.
                await self._carry_out(self._deferred[0])
            del self._deferred[0]
            if isinstance(command, c.Recover):
                await self._drop_left_drafts()

    async def _drop_left_drafts(self) -> None:
        try:
            await self.world.store.drop_left_drafts(self.thread_id)
        except StoreError as error:  # Their facts are in the log: the next daemon finds that, too.
            log.warning("thread %s: drafts were left: %s", self.thread_id, error)

    async def _handle(self, asked: Asked) -> CommandResult:
        known = None
        if asked.key is not None and self.version:
            known = await first_answer(self.world.store, self.thread_id, asked.key)
        if known is not None:
            return CommandResult(self.version, known)
        if self._deferred and changes_nothing(self.state, asked.command):
            return CommandResult(self.version)
        await self._record_owed()
        return await self._carry_out(asked)

    async def _carry_out(self, asked: Asked) -> CommandResult:
        command = self._with_what_stands(asked.command)
        try:
            events = await decided(self.state, command, self.world.lookups, self.world.new_id)
            first, *rest = by_turn(events) or [[]]
            await self._append(first, asked)
            try:
                for part in rest:
                    await self._append(part, replace(asked, key=None))
            except StoreFailed as failed:
                if not failed.retry:
                    raise
                self._disk_full.ring()
                if isinstance(command, c.ArchiveThread):
                    raise  # The turn has ended, and the state is unchanged.
                # What was asked for is in the log; what follows from it is the daemon's to record.
            return CommandResult(self.version)
        finally:
            self.streaming.thaw()

    def _with_what_stands(self, command: Command) -> Command:
        """Add the texts to a command that cuts items, and the kept items to a command that compacts."""
        match command:
            case c.InterruptTurn() | c.ArchiveThread():
                return replace(command, open_items=self.streaming.freeze(outputs=True))
            case c.DecideApproval() if command.decision == "cancel":
                return replace(command, open_items=self.streaming.freeze(outputs=True))
            case c.SteerTurn() if not cuts_answer(self.state.turn):
                return command
            case c.ReportModelFailure() | c.SteerTurn():
                return replace(command, open_items=self.streaming.freeze())
            case c.ReportModel() if isinstance(command.seen[-1], ModelResponseDone):
                left, kept = self.streaming.freeze(), kept_items_now(self.state, self.folds.history)
                return replace(command, open_items=left, kept_items=kept)
            case _:
                return command

    async def _append(self, events: Sequence[Event], asked: Asked) -> None:
        if not events:
            return
        events, refolded = await refolded_for(self.world.store, self.thread_id, self.folds, events)
        now_us, ahead = self.now_us, Tentative(self.folds)
        if refolded is not None:
            ahead.folds.history = refolded.history
        ahead.run(events, now_us, by=asked.by, key=asked.key, print_request=self._print_request)
        self._mark.before(ahead.folds.state)
        self._ahead = ahead
        try:
            appended = await self.world.store.append(
                self.thread_id,
                ahead.new,
                expected_version=self.version,
                at_us=now_us,
                durable=any(event.barrier for event in events),
                key=asked.key,
            )
        except StoreError:
            self.stall.found(space=False)
            self._mark.after(self.state)
            raise
        finally:
            self._ahead = None
        self.stall.found(space=True)
        if self.path is None and self.version == 0:
            self.path = (await self.world.store.head(self.thread_id)).path
        if refolded is not None:
            self._snapshot_writer.went_back(refolded.events, refolded.size_bytes)
        self._snapshot_writer.appended(appended)
        self.folds = ahead.written(self.summary, appended)
        self._settle(ahead.recorded)

    def _settle(self, recorded: list[Recorded]) -> None:
        """The events are in the log: drop the drafts that they replace, and notify the listener."""
        self._mark.after(self.state)
        for record in recorded:
            self.streaming.recorded(record.event)
        self._listener.appended(recorded)
        if self._changed.statistics().tasks_waiting:
            self._changed.set()
            self._changed = trio.Event()

    def _print_request(self, history: ModelHistory, model: str) -> RequestPrint:
        tools = self.world.tools_of(model, self.state)
        request = history.print_request(self.instructions.encode(), tools)
        if request.instructions is None and request.tools is None:
            return request
        # Both are by the daemon.
        return replace(request, daemon=self.world.version or None)

    @property
    def instructions(self) -> str:
        """The base instructions: the thread's own, else the daemon's as the log has them, else the daemon's now."""
        own = self.state.instructions
        return own if own is not None else self.state.base_instructions or self.world.instructions

    def _take_snapshot(self, effects: trio.Nursery) -> None:
        folds, writer = self.settled, self._snapshot_writer
        if folds is not None and writer.is_due(folds):
            # Taken now, and written while the thread continues.
            effects.start_soon(writer.write, writer.take(folds))

    def _reconcile(self, effects: trio.Nursery) -> None:
        wanted = due(self.state) if not self._deferred else frozenset()
        for effect in self._running.keys() - wanted:
            self._running[effect].cancel()
        for effect in wanted - self._running.keys():
            self._running[effect] = trio.CancelScope()
            effects.start_soon(self._run_effect, effect, effects)

    async def _run_effect(self, effect: Effect, effects: trio.Nursery) -> None:
        with self._running[effect] as scope:
            await self._perform(effect, self)
        del self._running[effect]
        if scope.cancel_called:
            # The cancelled effect may be due again by now: models reuse the id of an earlier call.
            self._reconcile(effects)
            return
        assert effect not in due(self.state), f"{effect} ended without a report"
