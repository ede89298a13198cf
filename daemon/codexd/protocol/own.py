"""Methods that codexd has beside the original's: how the daemon is, and a thread's raw log."""

from __future__ import annotations

import msgspec


class ThreadCounts(msgspec.Struct, frozen=True):
    """How many threads there are."""

    loaded: int
    running: int  # with a turn under way
    total: int  # on disk, archived ones left out


class ThreadTrouble(msgspec.Struct, frozen=True, rename="camel"):
    """A thread whose log cannot be written."""

    thread_id: str
    waits: bool  # until there is space; else it has stopped, until somebody resumes it
    reason: str


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


class ThreadLogReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Records of a thread's log, as they stand there."""

    thread_id: str
    after: int = 0  # behind this seq
    limit: int | None = None


class ThreadLogReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of records; `next_after` is where the next page begins, null at the end."""

    records: tuple[msgspec.Raw, ...]
    next_after: int | None = None
