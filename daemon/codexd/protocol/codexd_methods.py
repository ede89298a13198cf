"""Methods and members that codexd has beside Codex's own: how the daemon is, a thread's raw log, compaction, pins.

Frontends of any version read these structs, so the law: what may be added later has a default, a word of an
answer that may get more values is a `str`, and this module imports no other (each command pays for it).
"""

from __future__ import annotations

import msgspec


class Indexing(msgspec.Struct, frozen=True):
    """How far the index of threads has come (codexd only)."""

    done: int = 0
    total: int = 0  # 0: nobody has counted yet


class ThreadCounts(msgspec.Struct, frozen=True):
    """How many threads there are."""

    loaded: int = 0
    running: int = 0  # with a turn under way
    total: int = 0  # on disk, archived ones left out


class ThreadTrouble(msgspec.Struct, frozen=True, rename="camel"):
    """A thread whose log cannot be written or read, or that was left alone."""

    thread_id: str
    waits: bool = False  # until there is space; else it has stopped, until somebody resumes it
    reason: str = ""
    mend: str = ""  # what helps, as a sentence; "" where nothing need be done


class ServerStatusResponse(msgspec.Struct, frozen=True, rename="camel"):
    """How the daemon is."""

    pid: int
    version: str = ""
    socket: str = ""
    home: str = ""
    threads: ThreadCounts = ThreadCounts()
    connections: int = 0
    started_at: int = 0  # Unix seconds
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


class ImportedFrom(msgspec.Struct, frozen=True, rename="camel"):
    """codexd only: where the past of a thread comes from that was not written here."""

    origin: str = ""  # "package", "rollout", or "log": records that lay in its log
    path: str | None = None  # the file, as it was named then
    at: int | None = None  # Unix seconds; null: it was not taken in yet, and grants nothing
    dropped: tuple[str, ...] = ()  # what counts no more, in words for people


class KeptPreview(msgspec.Struct, frozen=True, rename="camel"):
    """A record of which something would stay."""

    seq: int
    tokens: int = 0  # an estimate, as all counts here
    text: str = ""  # its beginning
    truncated: bool = False  # the middle would be left out
    pinned: bool = False


class HistoryCount(msgspec.Struct, frozen=True, rename="camel"):
    """Items of the model's history by what they are."""

    user_messages: int = 0  # what people said, and what the daemon told in that role
    answers: int = 0
    reasoning: int = 0
    calls: int = 0
    outputs: int = 0
    other: int = 0
    tokens: int = 0


class ThreadCompactPreviewResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What would come of a compaction. What the summary will say and how long it is nobody knows before."""

    context_tokens: int = 0  # now
    compact_at: int | None = None  # so many, and it happens by itself; null: nobody knows
    history: HistoryCount = HistoryCount()
    kept: tuple[KeptPreview, ...] = ()
    kept_tokens: int = 0
    lost: HistoryCount = HistoryCount()  # that the summary alone will tell of
    compactions: int = 0  # so far
    summary_known: bool = False


class PinView(msgspec.Struct, frozen=True, rename="camel"):
    """A pinned record."""

    seq: int
    tokens: int = 0  # an estimate
    text: str = ""  # the beginning of what is kept


class ThreadPinsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The pins of a thread, in the order of their records."""

    pins: tuple[PinView, ...] = ()


class ThreadCompactUndoResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the model's history comes to without it."""

    context_tokens: int = 0  # an estimate
    compact_at: int | None = None  # so many, and the next turn compacts again; null: nobody knows
    fits: bool = True  # whether the next turn goes on with it as it is
    left: bool = False  # whether an earlier compaction still counts


class TextRange(msgspec.Struct, frozen=True):
    """A part of a text, in UTF-16 code units; `end` is the first one behind it."""

    start: int
    end: int


class SearchHit(msgspec.Struct, frozen=True, rename="camel"):
    """A place in a thread (codexd only)."""

    seq: int
    kind: str  # name, prompt, answer, path, command, reasoning or output
    turn_id: str | None = None
    item_id: str | None = None
    snippet: str = ""
    ranges: tuple[TextRange, ...] = ()  # of the snippet: what was found
    taken_back: bool = False  # whether its turn counts no more
