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


class ProviderFindLocalParams(msgspec.Struct, frozen=True):
    """Which server and which model; both may be left to the daemon."""

    provider: str | None = None  # ollama, lmstudio, llamacpp, vllm, or one of config.toml
    model: str | None = None


class FoundModel(msgspec.Struct, frozen=True, rename="camel"):
    """A model that a local server has."""

    id: str
    context_window: int | None = None  # tokens, where the server says it


class ProviderFindLocalResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What to start a thread with."""

    model_provider: str
    model: str
    name: str  # of the server, for people
    base_url: str
    models: tuple[FoundModel, ...]  # all that it has


class StoreStreamsParams(msgspec.Struct, frozen=True, rename="camel"):
    """All logs, page by page; damaged ones too, which no list of threads may show."""

    after: str | None = None  # behind this one, by name
    limit: int | None = None


class StoredLog(msgspec.Struct, frozen=True, rename="camel"):
    """One log, as its folder tells of it."""

    thread_id: str
    archived: bool
    size_bytes: int


class StoreStreamsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of logs, by name; `next_after` is where the next page begins, null at the end."""

    data: tuple[StoredLog, ...]
    next_after: str | None = None


class ThreadVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read a thread's whole log and check it."""

    thread_id: str
    salvage: bool = False  # make it readable if it is damaged


class Salvaged(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a damaged log."""

    records: int
    lost: int  # of those, how many stand for ones that cannot be read any more
    kept: str  # the file that it was


class ThreadVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was found; `damage` is what is wrong with the log now."""

    thread_id: str
    archived: bool
    records: int  # whole ones of its own
    damage: str | None = None
    found: str | None = None  # what was wrong before it was salvaged
    salvaged: Salvaged | None = None
    # Of an append that never finished: nothing of it was acknowledged, and no damage was done.
    unfinished: str | None = None


class StoreBlobsVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Check large outputs and images against the hashes that they are named by, page by page."""

    after: str | None = None  # behind this one, by name


class DamagedBlob(msgspec.Struct, frozen=True):
    """One whose bytes are not those that it was made of."""

    sha256: str
    damage: str


class StoreBlobsVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was found; `next_after` is where the next page begins, null at the end."""

    checked: int
    total: int
    damaged: tuple[DamagedBlob, ...] = ()
    next_after: str | None = None
    unreadable: tuple[DamagedBlob, ...] = ()  # what the system did not let be read, and why


class StoreBlobsSweepResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Large outputs and images that no log names were removed."""

    looked_at: int
    removed: int
    removed_bytes: int
