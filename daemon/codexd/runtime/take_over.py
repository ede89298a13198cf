"""Takes over from the previous daemon: ends its commands, and resumes its threads.

Law: a thread is loaded only after the processes that were left running have ended. So a command that is
reported as interrupted no longer runs.
"""

from __future__ import annotations

import logging

import trio

from codexd.core.values.ids import ThreadId
from codexd.index.build.rows import is_thread
from codexd.index.index import IndexUnavailable, SearchIndex
from codexd.index.query.listing import with_work
from codexd.runtime.crash_files import ProcessFiles, UnfinishedFiles
from codexd.runtime.resume import resume
from codexd.runtime.supervisor import Supervisor
from codexd.tools.leftovers import end_marked, kill_leftover
from codexd_eventstore.store import EventStore, StoreError

log = logging.getLogger(__name__)


async def end_leftovers(processes: ProcessFiles, home: str) -> None:
    """End what the daemon before has left running; `home` is as `home_mark` names it."""
    for pid, start_time in processes.left():
        if kill_leftover(pid, start_time):
            log.warning("process %d of the daemon before was still running, and was ended", pid)
        processes.remove(pid)
    for pid in sorted(await trio.to_thread.run_sync(end_marked, home)):
        log.warning("process %d of the daemon before was still running, and was ended", pid)


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
