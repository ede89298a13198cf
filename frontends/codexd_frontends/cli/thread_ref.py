"""Which thread is meant: a full id, the beginning of one, or a name."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import Raw

from codexd.protocol.codexd_methods import Indexing
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.client.messages import RawPage, Thread
from codexd_frontends.screen.drawn import title

PREFIX_CHARS_MIN = 4  # fewer are more likely a slip of the hand than an id
SHORT_ID_CHARS_MIN = 8
THREAD_PAGE = 100
CANDIDATES_SHOWN_MAX = 10
# Threads of every program: a daemon that is asked for none of these lists those that people speak in.
SOURCE_KINDS = ("cli", "vscode", "exec", "appServer", "unknown", "custom")
CANDIDATE_CHARACTERS_MAX = 60  # of a name, beside its id

_ID_CHARS = 36  # of a UUID in its usual spelling
_ID_ALPHABET = frozenset("0123456789abcdef-")


def list_raw_threads(
    daemon: Daemon,
    *,
    archived: bool = False,
    search: str | None = None,
    meant: str | None = None,
    limit: int | None = None,
    tell: Callable[[Indexing], None] = lambda _: None,
    more: Callable[[], None] = lambda: None,
) -> Iterator[Raw]:
    """Threads as encoded by the daemon, the most recently used first, page by page on demand.

    `tell` is called if the daemon does not know all threads yet, `more` if there are more than `limit`.
    """
    cursor: str | None = None
    given = 0
    while limit is None or given < limit:
        page = daemon.call(
            "thread/list",
            {
                "archived": archived,
                "cursor": cursor,
                "limit": THREAD_PAGE if limit is None else min(THREAD_PAGE, limit - given),
                "searchTerm": search,
                "meant": meant,
                "sortKey": "updated_at",
                "sortDirection": "desc",
                "sourceKinds": SOURCE_KINDS,
            },
            RawPage,
        )
        if page.indexing is not None and cursor is None:
            tell(page.indexing)
        yield from page.data
        given += len(page.data)
        cursor = page.next_cursor
        if cursor is None:
            return
    if cursor is not None:
        more()


def list_threads(
    daemon: Daemon, *, archived: bool = False, meant: str | None = None, limit: int | None = None
) -> Iterator[Thread]:
    """Threads, the most recently used first; `meant`: the beginning of an id, or a name."""
    for raw in list_raw_threads(daemon, archived=archived, meant=meant, limit=limit):
        yield msgspec.json.decode(raw, type=Thread)


def last_thread(daemon: Daemon) -> Thread:
    """The thread that was used last. Raises: UsageError: there is none."""
    for thread in list_threads(daemon, limit=1):
        return thread
    raise UsageError("there is no thread yet: start one with `codexctl send --new PROMPT`")


def find_thread_id(daemon: Daemon, word: str | None) -> str:
    """The id of the thread that `word` names; those in the archive count if no other is meant.

    None is the thread that was used last.

    Raises:
        UsageError: none is meant, or more than one.
    """
    if word is None:
        return last_thread(daemon).id
    if is_full_id(word):
        return word.lower()
    for archived in (False, True):
        some = list_threads(daemon, archived=archived, meant=word)
        meant = matching(word, some)
        if len(meant) == 1:
            return meant[0].id
        if meant:
            raise UsageError(_ambiguous(word, meant))
    short = len(word) < PREFIX_CHARS_MIN and is_id_like(word)
    hint = f" (the beginning of an id needs {PREFIX_CHARS_MIN} characters)" if short else ""
    raise UsageError(f"no thread is called {word!r}, by id or by name{hint}")


@contextmanager
def on_thread(arguments: argparse.Namespace, console: Console) -> Iterator[tuple[Daemon, str]]:
    """A connection to the daemon, and the id of the thread that the command line names. Raises: CommandError."""
    with connect(console) as daemon:
        yield daemon, find_thread_id(daemon, arguments.thread)


def matching(word: str, threads: Iterator[Thread] | Sequence[Thread]) -> list[Thread]:
    """The threads whose name is `word`, or whose id begins with it."""
    prefix = word.lower() if len(word) >= PREFIX_CHARS_MIN and is_id_like(word) else None
    return [
        thread
        for thread in threads
        if thread.name == word or (prefix is not None and thread.id.startswith(prefix))
    ]


def indexed(indexing: Indexing) -> str:
    """How far lists and searches have come."""
    of = f" of {indexing.total:,} threads" if indexing.total else " threads so far"
    return f"indexed {indexing.done:,}{of}"


def is_full_id(word: str) -> bool:
    """Whether this is the whole of an id."""
    return len(word) == _ID_CHARS and word.count("-") == 4 and is_id_like(word)


def is_id_like(word: str) -> bool:
    """Whether this could be the beginning of an id."""
    return set(word.lower()) <= _ID_ALPHABET


def short_id_chars(ids: Sequence[str]) -> int:
    """How many characters distinguish these ids: ids of one minute begin alike."""
    ordered = sorted(ids)
    longest = max((_common(a, b) for a, b in itertools.pairwise(ordered)), default=0)
    return min(max(SHORT_ID_CHARS_MIN, longest + 1), _ID_CHARS)


def _common(a: str, b: str) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))


def _ambiguous(word: str, meant: Sequence[Thread]) -> str:
    shown = [
        f"  {thread.id}  {title(thread.name or thread.preview, CANDIDATE_CHARACTERS_MAX)}"
        for thread in meant[:CANDIDATES_SHOWN_MAX]
    ]
    if len(meant) > CANDIDATES_SHOWN_MAX:
        shown.append(f"  … and {len(meant) - CANDIDATES_SHOWN_MAX} more")
    return "\n".join([f"{word!r} may be any of {len(meant)} threads:", *shown])
