"""What a daemon does about the one that was there before it: it ends its commands, and takes up its threads.

Law: a thread is loaded only after what was left running has ended. Whoever is told that a command was
interrupted may rely on it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from codexd.core.ids import ThreadId
from codexd.index.keeping import Index, IndexUnavailable
from codexd.index.listing import with_work
from codexd.index.rows import is_thread
from codexd.runtime.leftovers import ProcessFiles, UnfinishedFiles
from codexd.runtime.supervisor import Supervisor
from codexd.runtime.taking_up import take_up
from codexd.tools.leftovers import end_marked, kill_leftover

log = logging.getLogger(__name__)


async def end_leftovers(processes: ProcessFiles, home: str) -> None:
    """End what the daemon before has left running; `home` is as `home_mark` names it."""
    for pid, start_time in processes.left():
        if kill_leftover(pid, start_time):
            log.warning("process %d of the daemon before was still running, and was ended", pid)
        processes.remove(pid)
    for pid in sorted(await trio.to_thread.run_sync(end_marked, home)):
        log.warning("process %d of the daemon before was still running, and was ended", pid)


async def take_over(supervisor: Supervisor, unfinished: UnfinishedFiles, index: Index) -> None:
    """Take up the threads that have work to do: those that are marked at once, then those of which only the
    log says so, because the marks went with the state folder or with the power."""
    left = unfinished.left()
    await take_up(supervisor, unfinished, left)
    try:
        found = await index.ask_when_complete(with_work)
    except IndexUnavailable as error:
        log.warning("threads that are not marked as unfinished are not looked for: %s", error)
        return
    unmarked = [ThreadId(name) for name in found if is_thread(name) and name not in left]
    await take_up(supervisor, unfinished, _marked(supervisor, unfinished, unmarked))


def _marked(
    supervisor: Supervisor, unfinished: UnfinishedFiles, unmarked: Sequence[ThreadId]
) -> list[ThreadId]:
    """Those that nobody has loaded meanwhile, marked, so that a thread that ends the daemon is known again."""
    idle = [
        thread_id
        for thread_id in unmarked
        if supervisor.loaded(thread_id) is None and not supervisor.is_left_alone(thread_id)
    ]
    for thread_id in idle:
        log.warning("thread %s was left unfinished, and nothing but its log says so", thread_id)
        unfinished.mark(thread_id)
    return idle
