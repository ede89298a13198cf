"""The params and results of `thread/*` methods.

Law: a struct here has the members of Codex's schema that codexd reads or fills, under their
names. Unknown members of params are ignored, because real clients send many; members of
results are always written, `null` if there is no value.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.dynamic_tools import DynamicTool
from codexd.core.values.items import ThreadItem
from codexd.core.values.settings import ApprovalPolicy, SandboxMode
from codexd.protocol.codexd_methods import ImportedFrom, Indexing
from codexd.protocol.config_overrides import ConfigOverrides
from codexd.protocol.policies import ActivePermissionProfile, AskedPolicy, SandboxPolicy
from codexd.protocol.read_state import ThreadReadState
from codexd.protocol.turns import AskedEnvironment, CollaborationMode, Turn

Raw = msgspec.Raw
SortDirection = Literal["asc", "desc"]
ItemsView = Literal["notLoaded", "summary", "full"]


class NotLoaded(msgspec.Struct, frozen=True, tag="notLoaded"):
    """The thread is on disk and not loaded."""


class Idle(msgspec.Struct, frozen=True, tag="idle"):
    """The thread is loaded, and no turn runs."""


class InError(msgspec.Struct, frozen=True, tag="systemError"):
    """The last turn ended with an error."""


ActiveFlag = Literal["waitingOnApproval", "waitingOnUserInput"]


class Active(msgspec.Struct, frozen=True, rename="camel", tag="active"):
    """A turn runs."""

    active_flags: tuple[ActiveFlag, ...] = ()


ThreadStatus = NotLoaded | Idle | InError | Active


class GitInfo(msgspec.Struct, frozen=True, rename="camel"):
    """The repository's commit and branch when the thread began."""

    sha: str | None = None
    branch: str | None = None
    origin_url: str | None = None


class Environment(msgspec.Struct, frozen=True, rename="camel"):
    """The environment in which a thread's commands run; codexd has only `local`."""

    cwd: str
    runtime_workspace_roots: tuple[str, ...]
    environment_id: str = "local"


class NamedSource(msgspec.Struct, frozen=True, rename="camel"):
    """A program that Codex has no word for, or an agent of another thread: one of the two."""

    custom: str | msgspec.UnsetType = msgspec.UNSET
    sub_agent: Literal["review", "compact"] | OtherAgent | msgspec.UnsetType = msgspec.UNSET


class OtherAgent(msgspec.Struct, frozen=True):
    """An agent of a kind that is named by itself."""

    other: str


# The kind of program that began a thread.
SessionSource = Literal["cli", "vscode", "exec", "appServer", "unknown"] | NamedSource


class Thread(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A thread, as in lists."""

    id: str
    environments: tuple[Environment, ...] | None = None
    session_id: str  # the id of the thread itself
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    preview: str  # the beginning of the first message of a person
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
    originator: str | None = None  # the client that started it
    source: SessionSource = "vscode"
    can_accept_direct_input: bool | None = True
    thread_source: str | None = None  # the client's reason for starting it
    git_info: GitInfo | None = None
    name: str | None = None
    # codexd only, and only if there is an error: why the thread cannot be used, and how to repair it
    trouble: str | msgspec.UnsetType = msgspec.UNSET
    imported_from: ImportedFrom | msgspec.UnsetType = msgspec.UNSET  # codexd only
    turns: tuple[Turn | Raw, ...] = ()  # Raw: turns that are encoded already


class _Overrides(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    cwd: str | None = None  # a relative path is resolved by the server
    model: str | None = None
    model_provider: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox: SandboxMode | None = None
    service_tier: str | None = None
    permissions: str | None = None  # the name of a permission profile, in place of `sandbox`
    config: ConfigOverrides | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None


class ThreadStartParams(_Overrides, frozen=True, kw_only=True):
    """Start a thread."""

    ephemeral: bool | None = None
    environments: tuple[AskedEnvironment, ...] | None = None  # empty: nothing is executed
    history_mode: Literal["legacy", "paginated"] | None = None
    thread_source: str | None = None
    dynamic_tools: tuple[DynamicTool, ...] | None = None  # that the client performs itself
    source: Literal["exec"] | None = None  # codexd only: of a job, and not of a person's client
    idempotency_key: str | None = None  # codexd only: requests with the same key start one thread


class After(msgspec.Struct, frozen=True, rename="camel"):
    """codexd only: the cursor of a client, after which notifications are sent."""

    seq: int  # of the last notification that the client received
    items: dict[str, int] = {}  # for each open item: bytes of its text that the client has


class TurnsPageParams(msgspec.Struct, frozen=True, rename="camel"):
    """The turns that the answer to `thread/resume` includes."""

    limit: int | None = None
    sort_direction: SortDirection | None = None
    items_view: ItemsView | None = None


class ThreadResumeParams(_Overrides, frozen=True, kw_only=True):
    """Attach to a thread, and load it if needed."""

    thread_id: str
    exclude_turns: bool | None = False
    initial_turns_page: TurnsPageParams | None = None
    after: After | None = None  # codexd only


class ThreadForkParams(_Overrides, frozen=True, kw_only=True):
    """Start a thread with the history of another thread."""

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
    active_permission_profile: ActivePermissionProfile | None = None
    reasoning_effort: str | None = None
    seq: int | msgspec.UnsetType = msgspec.UNSET  # codexd only: notifications follow this event


class ThreadStartResponse(_Settled, frozen=True, kw_only=True):
    """The new thread and its settings."""


class ThreadForkResponse(_Settled, frozen=True, kw_only=True):
    """The fork and its settings."""


class TurnsPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of a thread's turns."""

    data: tuple[Turn | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadResumeResponse(_Settled, frozen=True, kw_only=True):
    """The thread, its settings, and the cursors of its pages."""

    collaboration_mode: CollaborationMode | None = None
    initial_turns_page: TurnsPage | None = None
    turns_backwards_cursor: str | None = None
    items_backwards_cursor: str | None = None


class ThreadReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read a thread without attaching to it."""

    thread_id: str
    include_turns: bool | None = False


class ThreadReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The thread."""

    thread: Thread


class ThreadListParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """List threads."""

    cursor: str | None = None
    limit: int | None = None
    sort_key: Literal["created_at", "updated_at", "recency_at", "section_position"] | None = None
    sort_direction: SortDirection | None = None
    model_providers: tuple[str, ...] | None = None  # null or empty: all
    source_kinds: tuple[str, ...] | None = None
    originators: tuple[str, ...] | None = None
    archived: bool | None = None
    cwd: str | tuple[str, ...] | None = None
    search_term: str | None = None
    excluded_thread_ids: tuple[str, ...] | None = None
    included_thread_ids: tuple[str, ...] | None = None  # of Codex 0.171; null: all
    section_id: str | None = None
    project_id: str | None = None
    parent_thread_id: str | None = None
    ancestor_thread_id: str | None = None
    attached_to_thread_id: str | None = None
    meant: str | None = None  # codexd only: the beginning of an id, or a full name


class ThreadListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of threads, without their turns."""

    data: tuple[Thread | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
    # What is unread of them; a thread without a finished turn of this daemon has no entry.
    read_states: dict[str, ThreadReadState] = {}
    # codexd only, for clients that want cursors: not all threads are indexed yet, so some may be missing
    indexing: Indexing | msgspec.UnsetType = msgspec.UNSET


class ThreadLoadedListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the loaded threads."""

    cursor: str | None = None
    limit: int | None = None


class ThreadLoadedListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the ids of loaded threads."""

    data: tuple[str, ...]
    next_cursor: str | None = None


class ThreadIdParams(msgspec.Struct, frozen=True, rename="camel"):
    """The params of a method that needs only a thread."""

    thread_id: str


class ThreadArchiveParams(ThreadIdParams, frozen=True):
    """Archive a thread."""


class ThreadDeleteParams(ThreadIdParams, frozen=True):
    """Delete a thread permanently."""

    # codexd only: copy the shared records into the threads that were forked from it
    detach_children: bool = False


class ThreadUnarchiveParams(ThreadIdParams, frozen=True):
    """Unarchive a thread."""


class ThreadUnsubscribeParams(ThreadIdParams, frozen=True):
    """Stop following a thread on this connection."""


class ThreadSetNameParams(ThreadIdParams, frozen=True):
    """Give a thread a name."""

    name: str


class ThreadArchiveResponse(msgspec.Struct, frozen=True, rename="camel"):
    """Done."""

    # codexd only, and only if there were any: queued prompts, which will not run
    withdrawn: int | msgspec.UnsetType = msgspec.UNSET


class ThreadDeleteResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadSetNameResponse(msgspec.Struct, frozen=True):
    """Done."""


class ThreadUnarchiveResponse(msgspec.Struct, frozen=True):
    """The unarchived thread."""

    thread: Thread


class ThreadUnsubscribeResponse(msgspec.Struct, frozen=True):
    """The result."""

    status: Literal["unsubscribed", "notSubscribed", "notLoaded"]


class ThreadTurnsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List turns of a thread."""

    thread_id: str
    cursor: str | None = None
    limit: int | None = None
    sort_direction: SortDirection | None = None
    items_view: ItemsView | None = None
    at_seq: int | None = None  # codexd only: begin with the turn of this record


class ThreadTurnsListResponse(TurnsPage, frozen=True):
    """A page of turns."""


class ItemAnchor(msgspec.Struct, frozen=True, rename="camel", tag="item"):
    """A page that begins at an item."""

    item_id: str


class ThreadItemsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List items of a thread."""

    thread_id: str
    turn_id: str | None = None
    cursor: str | ItemAnchor | None = None
    limit: int | None = None
    sort_direction: SortDirection | None = None


class ThreadItemEntry(msgspec.Struct, frozen=True, rename="camel"):
    """An item and its turn."""

    turn_id: str
    item: ThreadItem | Raw
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ThreadItemsReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read some items of a turn."""

    thread_id: str
    turn_id: str
    item_ids: tuple[str, ...]  # 1 to 100


class ThreadItemsReadResponse(msgspec.Struct, frozen=True):
    """Those of the items that the turn has, in its order."""

    data: tuple[ThreadItemEntry | Raw, ...]


class ThreadItemsListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of items."""

    data: tuple[ThreadItemEntry | Raw, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None
