"""Takes over from the previous daemon: resumes its threads, which adopt their processes at the keeper.

Law: where the keeper died as well, a thread is loaded only after all that was left running has ended. So a command
that is reported as interrupted no longer runs.

An error in one thread delays no other. If the daemon died while it resumed threads, any of them may be the cause.
So they are resumed one by one, after all others; a thread with which the daemon died again is left alone until a
person asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from codexd.core import commands as c
from codexd.core.events.events import InvalidEvent
from codexd.core.values.ids import ThreadId
from codexd.exec.leftovers import end_marked, kill_leftover
from codexd.exec.ports import Processes, process_id_of
from codexd.index.build.rows import is_thread
from codexd.index.index import IndexUnavailable, SearchIndex
from codexd.index.query.listing import with_work
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.actor.stall import RETRY_SECONDS
from codexd.runtime.supervisor import Supervisor, ThreadGone
from codexd.runtime.troubles import stopped_daemons
from codexd_eventstore.store import EventStore, NotFound, StoreError, StoreFailed

log = logging.getLogger(__name__)


async def end_leftovers(processes: ProcessFiles, home: str) -> None:
    """End what a keeper that died has left running; `home` is as `home_mark` names it."""
    for pid, start_time in processes.left():
        if kill_leftover(pid, start_time):
            log.warning("process %d of the daemon before was still running, and was ended", pid)
        processes.remove(pid)
    for pid in sorted(await trio.to_thread.run_sync(end_marked, home)):
        log.warning("process %d of the daemon before was still running, and was ended", pid)


async def end_unclaimed(processes: Processes, supervisor: Supervisor) -> None:
    """End what the keeper has and no thread wants any more: of a thread that was in memory only, or was stopped while
    no daemon was there.
    """
    for owned in await processes.owned():
        if owned.is_claimed or supervisor.is_left_alone(ThreadId(owned.owner)):
            continue  # A person may still ask for a thread that is left alone.
        thread = supervisor.loaded(ThreadId(owned.owner))
        if thread is None or owned.process_id not in _wanted(thread):
            log.warning("process %d belongs to no thread any more, and is ended", owned.pid)
            await processes.forget(owned.process_id)


def _wanted(thread: ThreadActor) -> set[str]:
    turn = thread.state.turn
    calls = [process.call for process in thread.state.processes]
    calls += turn.open_calls if turn is not None else ()
    return {process_id_of(thread.thread_id, call.call_id, call.attempt) for call in calls}


async def take_over(
    supervisor: Supervisor, unfinished: UnfinishedFiles, index: SearchIndex, store: EventStore
) -> None:
    """Resume the threads that have work to do: first the marked threads, then those known only from their logs,
    because the marks were lost with the state folder or in a power cut.
    """
    left = unfinished.left()
    await resume(supervisor, unfinished, left)
    try:
        found = await index.ask_when_complete(with_work)
    except IndexUnavailable as error:
        log.warning("threads that are not marked as unfinished are not looked for: %s", error)
        return
    for thread_id in map(ThreadId, found):
        if thread_id in left or not is_thread(thread_id) or supervisor.is_left_alone(thread_id):
            continue
        if supervisor.loaded(thread_id) is None and await _is_ours(store, thread_id):
            log.warning("thread %s was left unfinished, and only its log says so", thread_id)
            unfinished.mark(thread_id)  # so that a thread that kills the daemon is known
            await resume(supervisor, unfinished, [thread_id])


async def _is_ours(store: EventStore, thread_id: ThreadId) -> bool:
    """Whether the newest record of a log was written here: a foreign log is opened only when a client asks for it."""
    try:
        newest = await store.read_back(thread_id, limit=1)
        return not await store.foreign_in(thread_id, newest)
    except StoreError as error:
        log.warning("thread %s was left unfinished, and cannot be read: %s", thread_id, error)
        return False


log = logging.getLogger(__name__)

# Each thread waits for the disk a few times, and threads that wait together share one commit.
RESUMED_AT_ONCE: Final = 16
# So often in a row a thread may end the daemon that takes it up.
DEATHS_MAX: Final = 2


async def resume(
    supervisor: Supervisor, unfinished: UnfinishedFiles, left: Sequence[ThreadId]
) -> None:
    """Load the threads, so that their due effects start."""
    limit = trio.CapacityLimiter(RESUMED_AT_ONCE)
    suspects = []
    async with trio.open_nursery() as nursery:
        for thread_id in left:
            deaths = unfinished.deaths(thread_id)
            if deaths >= DEATHS_MAX:
                supervisor.leave_alone(thread_id, stopped_daemons(thread_id, deaths))
            elif deaths:
                suspects.append(thread_id)
            else:
                nursery.start_soon(_resume, supervisor, unfinished, thread_id, limit)
    for thread_id in suspects:
        await _resume(supervisor, unfinished, thread_id, limit)


async def _resume(
    supervisor: Supervisor,
    unfinished: UnfinishedFiles,
    thread_id: ThreadId,
    limit: trio.CapacityLimiter,
) -> None:
    while not await _is_done(supervisor, unfinished, thread_id, limit):  # noqa: ASYNC110 - no event is set
        await trio.sleep(RETRY_SECONDS)


async def _is_done(
    supervisor: Supervisor,
    unfinished: UnfinishedFiles,
    thread_id: ThreadId,
    limit: trio.CapacityLimiter,
) -> bool:
    async with limit:
        try:
            await _stop_orphan(supervisor, await supervisor.load(thread_id))
        except NotFound:
            unfinished.clear(thread_id)
        except StoreFailed as failed:
            log.error("thread %s was left unfinished and was not loaded: %s", thread_id, failed)
            return not failed.retry
        except (StoreError, InvalidEvent, ThreadGone) as error:
            log.error("thread %s was left unfinished and is left alone: %s", thread_id, error)
        return True


async def _stop_orphan(supervisor: Supervisor, thread: ThreadActor) -> None:
    """Stop a reviewer whose review has ended: the daemon died before it interrupted the reviewer."""
    reviews, turn = thread.state.reviews, None
    if reviews is None or thread.state.turn is None or supervisor.is_left_alone(reviews.thread_id):
        return
    with suppress(StoreError, InvalidEvent):
        turn = (await supervisor.load(reviews.thread_id)).state.turn
    if turn is None or turn.review is None or turn.review.child_id != thread.thread_id:
        with suppress(c.Rejected, trio.EndOfChannel, trio.BrokenResourceError):
            await thread.submit(c.InterruptTurn())
