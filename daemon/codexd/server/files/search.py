"""The files whose names match a query best. I/O, and a thread for each listing and search."""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import trio

from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol.fuzzy_search import FuzzyFileSearchResult
from codexd.server.files.listing import SECONDS_MAX, Name, names_under
from codexd.server.files.matching import match, words_of

T = TypeVar("T")

# Codex's figure: as many as a person looks through.
FILES_MAX: Final = 50
# Git lists files that were removed, too: so many of the best are looked for on the disk.
_LOOKED_FOR_MAX: Final = 2 * FILES_MAX
# A search looks so often whether it has been ended.
_NAMES_OF_A_STEP: Final = 1000

Files = tuple[FuzzyFileSearchResult, ...]


async def list_names(roots: Sequence[str]) -> list[Name]:
    """What is under the folders; nothing where a disk does not answer."""
    named = [root for root in roots if root.startswith("/") and "\0" not in root]
    place = named[0] if named else "/"
    try:
        return await _in_thread(place, partial(names_under, named), 2 * SECONDS_MAX)
    except NoAnswer:
        return []


async def best_of(names: Sequence[Name], query: str) -> Files:
    """The best for a query, the best first; nothing for an empty one."""
    words = words_of(query)
    if not words or not names:
        return ()
    try:
        return await _in_thread(names[0].root, partial(_best_of, names, words), SECONDS_MAX)
    except NoAnswer:
        return ()


async def _in_thread(place: str, work: Callable[[threading.Event], T], seconds: float) -> T:
    """The result of what ends soon after the event that it is given. Raises: NoAnswer."""
    stop = threading.Event()
    try:
        return await patiently(place, partial(work, stop), seconds)
    finally:
        stop.set()


def _best_of(names: Sequence[Name], words: list[str], stop: threading.Event) -> Files:
    found = []
    for number, name in enumerate(names):
        if number % _NAMES_OF_A_STEP == 0 and stop.is_set():
            return ()
        matched = match(words, name.path, name.lower, name.kind)
        if matched is not None:
            found.append((-matched.score, name.path, name.root, number))
    files: list[FuzzyFileSearchResult] = []
    for score, path, root, number in heapq.nsmallest(_LOOKED_FOR_MAX, found):
        name = names[number]
        if len(files) < FILES_MAX and _is_there(os.path.join(root, path)):
            matched = match(words, path, name.lower, name.kind)
            indices = matched.indices if matched is not None else None
            file_name = path.rpartition("/")[2]
            files.append(FuzzyFileSearchResult(root, path, name.kind, file_name, -score, indices))
    return tuple(files)


def _is_there(path: str) -> bool:
    # A name that is not UTF-8 is shown with another character, by which it cannot be looked for.
    return "\N{REPLACEMENT CHARACTER}" in path or os.path.lexists(path)


class SearchSession:
    """Folders that are listed once, and the queries of a client that types."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots, self._query, self._changed = roots, "", trio.Event()

    def ask(self, query: str) -> None:
        """Search for this next."""
        self._query = query
        self._changed.set()

    async def run(self, tell: Callable[[str, Files], None]) -> None:
        """Tell what the newest query finds, until cancelled."""
        names = await list_names(self._roots)
        while True:
            self._changed, query = trio.Event(), self._query
            files = await best_of(names, query)
            if not self._changed.is_set():
                tell(query, files)
            await self._changed.wait()
