"""Threads on the wire: what `thread/*` methods take and give.

The law: a struct here has the members of the original's schema that codexd reads or fills, under their
names. Members of params that nobody here knows are ignored, because real clients send many; members of
results are always written, `null` where there is nothing.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.items import ThreadItem
from codexd.core.values.settings import ApprovalPolicy, SandboxMode
from codexd.protocol.codexd_methods import ImportedFrom, Indexing
from codexd.protocol.policies import AskedPolicy, SandboxPolicy
from codexd.protocol.turns import Turn

Raw = msgspec.Raw

SortDirection = Literal["asc", "desc"]
ItemsView = Literal["notLoaded", "summary", "full"]


class NotLoaded(msgspec.Struct, frozen=True, tag="notLoaded"):
    """The thread lies on disk; nobody works on it."""


class Idle(msgspec.Struct, frozen=True, tag="idle"):
    """The thread is loaded, and no turn runs."""


class InError(msgspec.Struct, frozen=True, tag="systemError"):
    """The last turn ended with an error."""


class Active(msgspec.Struct, frozen=True, rename="camel", tag="active"):
    """A turn runs."""

    active_flags: tuple[Literal["waitingOnApproval", "waitingOnUserInput"], ...] = ()


ThreadStatus = NotLoaded | Idle | InError | Active


class GitInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Where the repository stood when the thread began."""

    sha: str | None = None
    branch: str | None = None
    origin_url: str | None = None


class Environment(msgspec.Struct, frozen=True, rename="camel"):
    """Where a thread's commands run; codexd has the one named `local`."""

    cwd: str
    runtime_workspace_roots: tuple[str, ...]
    environment_id: str = "local"


class Thread(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A thread as lists and headings show it."""

    id: str
    environments: tuple[Environment, ...] | None = None
    session_id: str  # the id of the thread itself
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    preview: str  # the beginning of the first thing a person said
    ephemeral: bool
    project_id: str | None = None
    history_mode: Literal["legacy", "paginated"] = "paginated"
    model_provider: str
    model: str | None = None
    reasoning_effort: str | None = None
    created_at: int  # Unix seconds, as are the next two
    updated_at: int
    recency_at: int | None = None
    status: ThreadStatus
    path: str | None = None  # of its log
    cwd: str
    cli_version: str
    originator: str | None = None  # the client that made it
    source: Literal["cli", "vscode", "exec", "appServer", "unknown"] = "appServer"
    can_accept_direct_input: bool | None = True
    thread_source: str | None = None  # the client's own word for why it was made
    git_info: GitInfo | None = None
    name: str | None = None
    # codexd only, and only where there is something: why it cannot be worked with, and what mends it
    trouble: str | msgspec.UnsetType = msgspec.UNSET
    imported_from: ImportedFrom | msgspec.UnsetType = msgspec.UNSET  # codexd only
    turns: tuple[Turn | Raw, ...] = ()  # Raw: turns that are encoded already


class ConfigOverrides(msgspec.Struct, frozen=True):
    """Those keys of config.toml that a client may set for one thread; it sends others, too."""

    model: str | None = None
    model_provider: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_mode: SandboxMode | None = None
    model_reasoning_effort: str | None = None
    model_reasoning_summary: str | None = None
    model_verbosity: Literal["low", "medium", "high"] | None = None
    developer_instructions: str | None = None


class _Overrides(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    cwd: str | None = None  # a relative one is the server's to resolve
    model: str | None = None
    model_provider: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox: SandboxMode | None = None
    config: ConfigOverrides | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None


class ThreadStartParams(_Overrides, frozen=True, kw_only=True):
    """Begin a thread."""

    ephemeral: bool | None = None
    history_mode: Literal["legacy", "paginated"] | None = None
    thread_source: str | None = None
    idempotency_key: str | None = None  # codexd only: the same key starts one thread


class After(msgspec.Struct, frozen=True, rename="camel"):
    """codexd only: how much of a thread a client has, and what it therefore is spared."""

    seq: int  # of the last notification that it got
    items: dict[str, int] = {}  # item still open: bytes of its text that the client has


class TurnsPageParams(msgspec.Struct, frozen=True, rename="camel"):
    """Which turns the answer to `thread/resume` brings along."""

    limit: int | None = None
    sort_direction: SortDirection | None = None
    items_view: ItemsView | None = None


class ThreadResumeParams(_Overrides, frozen=True, kw_only=True):
    """Attach to a thread, loading it if it is not."""

    thread_id: str
    exclude_turns: bool | None = False
    initial_turns_page: TurnsPageParams | None = None
    after: After | None = None  # codexd only


class ThreadForkParams(_Overrides, frozen=True, kw_only=True):
    """Begin a thread with another's history."""

    thread_id: str
    last_turn_id: str | None = None  # the last turn to keep
    before_turn_id: str | None = None  # the first turn to leave out
    ephemeral: bool | None = None
    exclude_turns: bool | None = False
    thread_source: str | None = None
    idempotency_key: str | None = None  # codexd only


class _Settled(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    thread: Thread
    model: str
    model_provider: str
    service_tier: str | None = None
    cwd: str
    runtime_workspace_roots: tuple[str, ...] = ()
    instruction_sources: tuple[str, ...] = ()
    approval_policy: ApprovalPolicy
    approvals_reviewer: Literal["user"] = "user"
    sandbox: SandboxPolicy
    reasoning_effort: str | None = None
    seq: int | msgspec.UnsetType = (
        msgspec.UNSET
    )  # codexd only: notifications go on after this event


class ThreadStartResponse(_Settled, frozen=True, kw_only=True):
    """The thread that began, and the settings that it came to."""


class ThreadForkResponse(_Settled, frozen=True, kw_only=True):
    """The new thread, and the settings that it came to."""


class TurnsPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some of a thread's turns."""

    data: tuple[Turn | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadResumeResponse(_Settled, frozen=True, kw_only=True):
    """The thread, its settings, and where its pages go on."""

    initial_turns_page: TurnsPage | None = None
    turns_backwards_cursor: str | None = None
    items_backwards_cursor: str | None = None


class ThreadReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Look at a thread without attaching to it."""

    thread_id: str
    include_turns: bool | None = False


class ThreadReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread."""

    thread: Thread


class ThreadListParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which threads to list, in which order."""

    cursor: str | None = None
    limit: int | None = None
    sort_key: Literal["created_at", "updated_at", "recency_at", "section_position"] | None = None
    sort_direction: SortDirection | None = None
    model_providers: tuple[str, ...] | None = None  # none of them: all
    source_kinds: tuple[str, ...] | None = None
    originators: tuple[str, ...] | None = None
    archived: bool | None = None
    cwd: str | tuple[str, ...] | None = None
    search_term: str | None = None
    excluded_thread_ids: tuple[str, ...] | None = None
    section_id: str | None = None
    project_id: str | None = None
    parent_thread_id: str | None = None
    ancestor_thread_id: str | None = None
    attached_to_thread_id: str | None = None
    meant: str | None = None  # codexd only: the beginning of an id, or a whole name


class ThreadListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads, without their turns."""

    data: tuple[Thread | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
    read_states: dict[str, Raw] = {}
    # codexd only, for clients that want cursors: not all threads are indexed yet, so some may be missing
    indexing: Indexing | msgspec.UnsetType = msgspec.UNSET


class ThreadLoadedListParams(msgspec.Struct, frozen=True, rename="camel"):
    """Which threads are in memory."""

    cursor: str | None = None
    limit: int | None = None


class ThreadLoadedListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the ids of loaded threads."""

    data: tuple[str, ...]
    next_cursor: str | None = None


class ThreadIdParams(msgspec.Struct, frozen=True, rename="camel"):
    """A method about one thread, and nothing else."""

    thread_id: str


class ThreadArchiveParams(ThreadIdParams, frozen=True):
    """Put a thread away."""


class ThreadDeleteParams(ThreadIdParams, frozen=True):
    """Remove a thread for good."""

    # codexd only: the threads that were forked from it get copies of what they share
    detach_children: bool = False


class ThreadUnarchiveParams(ThreadIdParams, frozen=True):
    """Bring a thread back."""


class ThreadUnsubscribeParams(ThreadIdParams, frozen=True):
    """Hear no more of a thread on this connection."""


class ThreadSetNameParams(ThreadIdParams, frozen=True):
    """Give a thread a name."""

    name: str


class ThreadArchiveResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Done."""

    # codexd only, and only where there were any: prompts that waited for a turn, and will not run
    withdrawn: int | msgspec.UnsetType = msgspec.UNSET


class ThreadDeleteResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadSetNameResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadUnarchiveResponse(msgspec.Struct, frozen=True):
    """The thread that is back."""

    thread: Thread


class ThreadUnsubscribeResponse(msgspec.Struct, frozen=True):
    """What came of it."""

    status: Literal["unsubscribed", "notSubscribed", "notLoaded"]


class ThreadTurnsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """Which of a thread's turns."""

    thread_id: str
    cursor: str | None = None
    limit: int | None = None
    sort_direction: SortDirection | None = None
    items_view: ItemsView | None = None
    at_seq: int | None = None  # codexd only: begin with the turn that this record is in


class ThreadTurnsListResponse(TurnsPage, frozen=True):
    """A page of turns."""


class ItemAnchor(msgspec.Struct, frozen=True, rename="camel", tag="item"):
    """A page that begins at an item."""

    item_id: str


class ThreadItemsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """Which of a thread's items."""

    thread_id: str
    turn_id: str | None = None
    cursor: str | ItemAnchor | None = None
    limit: int | None = None
    sort_direction: SortDirection | None = None


class ThreadItemEntry(msgspec.Struct, frozen=True, rename="camel"):
    """An item, and where it belongs."""

    turn_id: str
    item: ThreadItem | Raw
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ThreadItemsListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of items."""

    data: tuple[ThreadItemEntry | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
