"""The mark of a thread that has work to do: by it the next daemon finds the thread before it has read any log.

Law: the mark follows from the thread's state and from nothing else. It is there before an append that makes
work is on disk, and goes after an append that leaves none.
"""

from __future__ import annotations

from codexd.core.state.due import has_work
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.runtime.actor.ports import Unfinished


class WorkMark:
    """The mark of one thread."""

    def __init__(self, unfinished: Unfinished, thread_id: ThreadId) -> None:
        self._unfinished, self._thread_id = unfinished, thread_id
        self._is_set: bool | None = None  # None: a daemon before this one may have left it

    def before(self, state: ThreadState) -> None:
        """An append that leads to this state is about to begin, or it was read from the log."""
        if has_work(state) and not self._is_set:
            self._unfinished.mark(self._thread_id)
            self._is_set = True

    def after(self, state: ThreadState) -> None:
        """The log leads to this state."""
        if not has_work(state) and self._is_set is not False:
            self._unfinished.clear(self._thread_id)
            self._is_set = False
