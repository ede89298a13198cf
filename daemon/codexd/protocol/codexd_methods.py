"""Methods and members that only codexd has: the daemon's status, a thread's raw log, compaction, pins.

Law: frontends of any version read these structs, so a member that is added later has a default, an
enumeration of an answer that may grow is a `str`, and this module imports no other (each command imports it).
"""

from __future__ import annotations

import msgspec

# One message of a person, all of its parts together: Codex allows 1 MiB of pasted characters; images come
# on top as data URLs and are bounded by the message that carries them.
INPUT_CHARACTERS_MAX = 1024 * 1024


class Indexing(msgspec.Struct, frozen=True):
    """The progress of the index of threads (codexd only)."""

    done: int = 0
    total: int = 0  # 0: not counted yet


class ThreadCounts(msgspec.Struct, frozen=True):
    """How many threads there are."""

    loaded: int = 0
    running: int = 0  # with a running turn
    total: int = 0  # on disk, archived ones left out


class ThreadTrouble(msgspec.Struct, frozen=True, rename="camel"):
    """A thread whose log cannot be written or read, or that was not resumed after a crash."""

    thread_id: str
    waits: bool = False  # true: until there is space; false: until a client resumes it
    reason: str = ""
    mend: str = ""  # how to repair it, as a sentence; "" if nothing need be done


class AttachedClient(msgspec.Struct, frozen=True, rename="camel"):
    """A client that is attached to a thread."""

    id: str  # `NAME:CONNECTION`, as the `by` of records and of decisions has it
    name: str = ""
    version: str = ""
    title: str | None = None
    observer: bool = False  # it is never asked
    attached_at_ms: int = 0


class AttachedThread(msgspec.Struct, frozen=True, rename="camel"):
    """A thread that clients are attached to."""

    thread_id: str
    clients: tuple[AttachedClient, ...] = ()


class UnfinishedThread(msgspec.Struct, frozen=True, rename="camel"):
    """A thread that a restarted daemon goes on with."""

    thread_id: str
    title: str = ""
    # What is under way: `model`, `tool`, `approval` (it waits for one), `session`, `queued` (a prompt), `title`.
    doing: str = ""


class ServerRestartParams(msgspec.Struct, frozen=True, rename="camel"):
    """Restart the daemon in its place: the same process id and the same socket, the program that is installed now."""

    wait_seconds: float = 20.0  # how long answers of models may take to come to their ends


class ServerRestartResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The daemon restarts now, and this connection ends."""

    cut: int = 0  # answers and calls that did not end in time; the next daemon takes them up


class TelemetrySignal(msgspec.Struct, frozen=True, rename="camel"):
    """Log events, traces or metrics, on their way to a collector."""

    signal: str  # logs, traces or metrics
    endpoint: str  # without what may be secret in it
    transport: str  # binary or json, both over HTTP, or grpc
    sent: int = 0  # that the collector took, since the start of the daemon
    dropped: int = 0  # that it refused
    waiting: int = 0  # threads with something that is not sent yet
    problem: str | None = None  # why the last request was not taken


class Telemetry(msgspec.Struct, frozen=True, rename="camel"):
    """How it goes with telemetry; it is off if both are empty."""

    signals: tuple[TelemetrySignal, ...] = ()
    problems: tuple[str, ...] = ()  # of its settings, or of what is installed


class ServerStatusResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The status of the daemon."""

    pid: int
    version: str = ""
    socket: str = ""
    home: str = ""
    threads: ThreadCounts = ThreadCounts()
    connections: int = 0
    started_at: int = 0  # Unix seconds
    troubles: tuple[ThreadTrouble, ...] = ()
    unindexed: str | msgspec.UnsetType = msgspec.UNSET  # why no index can be opened: lists are slow
    sandbox: str | msgspec.UnsetType | None = msgspec.UNSET  # what confines commands; null: nothing
    sandbox_modes: tuple[str, ...] = ()  # that are enforced
    sandbox_missing: tuple[str, ...] = ()  # why nothing better confines them, a sentence each
    unsandboxed: bool = False  # whether commands that cannot be confined run all the same
    # What confined commands of workspace-write reach by the network: on, off, or domains, those of a list.
    network: str | msgspec.UnsetType = msgspec.UNSET
    indexing: Indexing | None = None  # set while not all threads are in lists and searches
    # What is wrong with the configuration: keys that nobody knows, or why a file of it is not in force.
    config_problems: tuple[str, ...] = ()
    keeper: int = 0  # the process that owns the commands and outlives the daemon; 0: there is none
    telemetry: Telemetry | msgspec.UnsetType = msgspec.UNSET
    unfinished: tuple[UnfinishedThread, ...] = ()  # some of those that a restart goes on with
    attached: tuple[AttachedThread, ...] = ()  # threads that clients are attached to


class ThreadLogReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read records of a thread's log, unchanged."""

    thread_id: str
    after: int = 0  # records after this seq
    limit: int | None = None


class ThreadLogReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of records; `next_after` is the `after` of the next page, null at the end."""

    records: tuple[msgspec.Raw, ...]
    next_after: int | None = None


class ItemOutputReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read a part of what a command printed, while it runs or after its end."""

    thread_id: str
    item_id: str  # of an item commandExecution
    offset: int = 0  # in bytes
    limit: int | None = None  # bytes; 512 KiB at most
    seq: int | None = (
        None  # the record that has its end, where that is known: it need not be looked for
    )


class ItemOutputReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an output; `next_offset` is the `offset` of the next part, null at the end."""

    data_base64: bytes  # base64 on the wire
    next_offset: int | None
    printed_bytes: int = 0  # how many the command printed: those beyond a limit are not kept
    running: bool = False  # more may come
    seq: int | None = None  # the record that has its end


class ThreadScrubParams(msgspec.Struct, frozen=True, rename="camel"):
    """Remove text from a thread and its forks; at least one of patterns, seqs and known must be given."""

    thread_id: str
    patterns: tuple[str, ...] = ()  # regular expressions; every match is replaced
    seqs: tuple[int, ...] = ()  # records whose texts are all replaced
    known: bool = False  # all secrets that the daemon knows now
    dry_run: bool = False  # only report what would be replaced


class ScrubbedThread(msgspec.Struct, frozen=True, rename="camel"):
    """The replacements in a thread's own records."""

    thread_id: str
    seqs: tuple[int, ...]
    places: int
    archived: bool


class ThreadScrubResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The replacements that were made, or would be; the thread itself comes first."""

    threads: tuple[ScrubbedThread, ...]
    blobs: int  # blobs with new content, under new names
    blobs_left: int  # blobs whose old content could not be removed yet
    dry_run: bool
    parent: str | None = None  # the parent whose records this thread shares; they were not changed


class ProviderFindLocalParams(msgspec.Struct, frozen=True):
    """Find a local server and a model; both are optional."""

    provider: str | None = None  # ollama, lmstudio, llamacpp, vllm, or one of config.toml
    model: str | None = None


class FoundModel(msgspec.Struct, frozen=True, rename="camel"):
    """A model that a local server has."""

    id: str
    context_window: int | None = None  # tokens, if the server reports it


class ProviderFindLocalResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The server and the model to start a thread with."""

    model_provider: str
    model: str
    name: str  # of the server, for people
    base_url: str
    models: tuple[FoundModel, ...]  # all models of the server


class StoreStreamsParams(msgspec.Struct, frozen=True, rename="camel"):
    """List all logs, page by page, including damaged ones that lists of threads may not show."""

    after: str | None = None  # after this name
    limit: int | None = None


class StoredLog(msgspec.Struct, frozen=True, rename="camel"):
    """A log file."""

    thread_id: str
    archived: bool
    size_bytes: int


class StoreStreamsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of logs, by name; `next_after` is the `after` of the next page, null at the end."""

    data: tuple[StoredLog, ...]
    next_after: str | None = None


class ThreadVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read a thread's whole log and check it."""

    thread_id: str
    salvage: bool = False  # make it readable if it is damaged


class Salvaged(msgspec.Struct, frozen=True, rename="camel"):
    """The result of a salvage."""

    records: int
    lost: int  # of those, records that replace lost ones
    kept: str  # the damaged file, which was kept


class ThreadVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The result of the check; `damage` is the damage that the log has now."""

    thread_id: str
    archived: bool
    records: int  # complete records of its own
    damage: str | None = None
    found: str | None = None  # the damage before the salvage
    salvaged: Salvaged | None = None
    # Bytes of an unfinished append, which was never acknowledged: this is no damage.
    unfinished: str | None = None


class StoreBlobsVerifyParams(msgspec.Struct, frozen=True, rename="camel"):
    """Check large outputs and images against the hashes in their names, page by page."""

    after: str | None = None  # blobs after this name


class DamagedBlob(msgspec.Struct, frozen=True):
    """A blob whose content does not match its name."""

    sha256: str
    damage: str


class StoreBlobsVerifyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The result of the check; `next_after` is the `after` of the next page, null at the end."""

    checked: int
    total: int
    damaged: tuple[DamagedBlob, ...] = ()
    next_after: str | None = None
    unreadable: tuple[DamagedBlob, ...] = ()  # blobs that could not be read, and why


class StoreBlobsSweepResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The large outputs and images that were removed, since no log names them."""

    looked_at: int
    removed: int
    removed_bytes: int


class ImportedFrom(msgspec.Struct, frozen=True, rename="camel"):
    """codexd only: the origin of records that this home did not write."""

    origin: str = ""  # "package", "rollout", or "log" (foreign records in its log)
    path: str | None = None  # the name of the file at the time
    at: int | None = None  # Unix seconds; null: not taken in yet, and grants nothing
    dropped: tuple[str, ...] = ()  # settings and approvals that no longer count, for people


class KeptPreview(msgspec.Struct, frozen=True, rename="camel"):
    """A record that a compaction would keep, at least in part."""

    seq: int
    tokens: int = 0  # an estimate, like all counts here
    text: str = ""  # its beginning
    truncated: bool = False  # the middle would be left out
    pinned: bool = False


class HistoryCount(msgspec.Struct, frozen=True, rename="camel"):
    """Items of the model's history, by kind."""

    user_messages: int = 0  # messages in the user role, from people and from the daemon
    answers: int = 0
    reasoning: int = 0
    calls: int = 0
    outputs: int = 0
    other: int = 0
    tokens: int = 0


class ThreadCompactPreviewResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The effect of a compaction, without the summary, which is not known before."""

    context_tokens: int = 0  # now
    compact_at: int | None = None  # at so many tokens the thread is compacted; null: unknown
    history: HistoryCount = HistoryCount()
    kept: tuple[KeptPreview, ...] = ()
    kept_tokens: int = 0
    lost: HistoryCount = HistoryCount()  # items that only the summary will cover
    compactions: int = 0  # so far
    summary_known: bool = False


class PinView(msgspec.Struct, frozen=True, rename="camel"):
    """A pinned record."""

    seq: int
    tokens: int = 0  # an estimate
    text: str = ""  # the beginning of the kept text


class ThreadPinsResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The pins of a thread, in the order of their records."""

    pins: tuple[PinView, ...] = ()


class ThreadCompactUndoResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The model's history without the compaction."""

    context_tokens: int = 0  # an estimate
    compact_at: int | None = None  # at so many tokens the next turn compacts again; null: unknown
    fits: bool = True  # whether the next turn can use the history without a compaction
    left: bool = False  # whether an earlier compaction still counts


class TextRange(msgspec.Struct, frozen=True):
    """A part of a text, in UTF-16 code units; `end` is exclusive."""

    start: int
    end: int


class SearchHit(msgspec.Struct, frozen=True, rename="camel"):
    """A match in a thread (codexd only)."""

    seq: int
    kind: str  # name, prompt, answer, path, command, reasoning or output
    turn_id: str | None = None
    item_id: str | None = None
    snippet: str = ""
    ranges: tuple[TextRange, ...] = ()  # the matches in the snippet
    taken_back: bool = False  # whether its turn was reverted
