"""Methods that codexd has beside the original's: how the daemon is, and a thread's raw log."""

from __future__ import annotations

import msgspec

from codexd.protocol.threads import Indexing


class ThreadCounts(msgspec.Struct, frozen=True):
    """How many threads there are."""

    loaded: int
    running: int  # with a turn under way
    total: int  # on disk, archived ones left out


class ThreadTrouble(msgspec.Struct, frozen=True, rename="camel"):
    """A thread whose log cannot be written or read, or that was left alone."""

    thread_id: str
    waits: bool  # until there is space; else it has stopped, until somebody resumes it
    reason: str
    mend: str = ""  # what helps, as a sentence; "" where nothing need be done


class ServerStatusResponse(msgspec.Struct, frozen=True, rename="camel"):
    """How the daemon is."""

    pid: int
    version: str
    socket: str
    home: str
    threads: ThreadCounts
    connections: int
    started_at: int  # Unix seconds
    troubles: tuple[ThreadTrouble, ...] = ()
    indexing: Indexing | None = None  # where not all threads are in lists and searches yet


class ThreadLogReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Records of a thread's log, as they stand there."""

    thread_id: str
    after: int = 0  # behind this seq
    limit: int | None = None


class ThreadLogReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of records; `next_after` is where the next page begins, null at the end."""

    records: tuple[msgspec.Raw, ...]
    next_after: int | None = None


class ThreadScrubParams(msgspec.Struct, frozen=True, rename="camel"):
    """What to take out of a thread and of its forks; at least one of patterns, seqs and known."""

    thread_id: str
    patterns: tuple[str, ...] = ()  # regular expressions: what matches is replaced
    seqs: tuple[int, ...] = ()  # records of which every text is replaced
    known: bool = False  # whatever is a secret by what the daemon knows now
    dry_run: bool = False  # only say what would be


class ScrubbedThread(msgspec.Struct, frozen=True, rename="camel"):
    """What was found in one thread's own records."""

    thread_id: str
    seqs: tuple[int, ...]
    places: int
    archived: bool


class ThreadScrubResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was replaced, or would be; the thread itself comes first."""

    threads: tuple[ScrubbedThread, ...]
    blobs: int  # with other content, under other names
    blobs_left: int  # whose old content could not be removed yet
    dry_run: bool
    parent: str | None = None  # whose records the thread shares; they were not touched
