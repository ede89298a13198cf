"""Changes of a file or a folder, told for as long as somebody listens. I/O: a thread for each watch.

The folder that a path is in is watched, not the file: a file that a program replaces by a rename is another file.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from codexd.machine.patience import patiently
from codexd.server.files.disk import NotDone

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

log = logging.getLogger(__name__)

# Each holds a thread and a handle of the system: more than a window of an editor has.
WATCHES_MAX: Final = 32
# Of all connections together.
_THREADS_MAX: Final = 128
# Changes within this time are told together; how soon a person sees them.
STEP_MS: Final = 100
# A program that never stops changing a folder is told of all the same.
_TOGETHER_MS: Final = 500
# How soon a thread whose watch has ended ends too.
_LOOK_MS: Final = 1000
# One notification: longer lists come in several.
PATHS_MAX: Final = 1000

_threads: Final = trio.lowlevel.RunVar[trio.CapacityLimiter]("watching")


class Watch:
    """A path that is watched; `follow` tells of its changes."""

    def __init__(self, path: str) -> None:
        self._path, self._real = path, os.path.realpath(path)
        self._is_folder = os.path.isdir(path)
        self._notify = self._begin()

    @classmethod
    async def begin(cls, path: str) -> Watch:
        """Raises: NoAnswer, NotDone, OSError, where the folder that it is in cannot be watched."""
        return await patiently(path, partial(cls, path))

    def _begin(self) -> RustNotify:
        from watchfiles._rust_notify import RustNotify

        folders = {os.path.dirname(self._path), os.path.dirname(self._real)}
        if self._is_folder:
            folders.add(self._real)
        for folder in folders:
            os.stat(folder)  # The library takes one that is not there.
        try:
            return RustNotify(sorted(folders), False, False, 0, False, True)
        except RuntimeError as error:  # of the library: no more handles, say
            raise NotDone(
                f"{self._path} cannot be watched: {error}; it is not watched", "not_watched"
            ) from error

    async def follow(self, tell: Callable[[tuple[str, ...]], Awaitable[None]]) -> None:
        """Tell of changes until cancelled, or until its folder is gone."""
        stop = threading.Event()
        try:
            while (
                paths := await trio.to_thread.run_sync(
                    self._next, stop, abandon_on_cancel=True, limiter=_limiter()
                )
            ) is not None:
                for at in range(0, len(paths), PATHS_MAX):
                    await tell(tuple(paths[at : at + PATHS_MAX]))
        finally:
            stop.set()

    def _next(self, stop: threading.Event) -> list[str] | None:
        """The paths that changed, once there are some; None after its end."""
        while not stop.is_set():
            paths = self._changed(self._notify, _LOOK_MS, stop)
            if self._path in paths and not self._begin_again(paths, stop):
                stop.set()  # This is the last that is told.
            if paths:
                return sorted(paths)
        return None

    def _changed(self, notify: RustNotify, wait_ms: int, stop: threading.Event) -> set[str]:
        try:
            changes = notify.watch(_TOGETHER_MS, STEP_MS, wait_ms, stop)
        except RuntimeError as error:  # of the library
            log.warning("%s is watched no more: %s", self._path, error)
            stop.set()
            return {self._path}  # The client looks at it once more.
        if isinstance(changes, str):
            return set()
        return {named for _, path in changes if (named := self._named(path)) is not None}

    def _begin_again(self, paths: set[str], stop: threading.Event) -> bool:
        """The path may name something else now: whether it can be watched. Adds what changes meanwhile."""
        late = {self._path}
        while self._path in late and not stop.is_set():
            before = self._notify
            try:
                self._real = os.path.realpath(self._path)
                self._is_folder = os.path.isdir(self._path)
                self._notify = self._begin()
            except (OSError, NotDone):
                return False
            late = self._changed(before, STEP_MS, stop)
            paths |= late
        return True

    def _named(self, path: str) -> str | None:
        """A path as the client names it; None where it is not about what is watched."""
        if path in (self._path, self._real):
            return self._path
        folder, name = os.path.split(path)
        watched = self._is_folder and folder in (self._path, self._real)
        return os.path.join(self._path, name) if watched else None


def _limiter() -> trio.CapacityLimiter:
    try:
        return _threads.get()
    except LookupError:
        _threads.set(limiter := trio.CapacityLimiter(_THREADS_MAX))
        return limiter
