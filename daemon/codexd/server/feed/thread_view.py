"""A thread as lists and answers show it, from its summary and the state it is in."""

from __future__ import annotations

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.index.build.rows import made_ms
from codexd.projections.clients.wire_settings import active, environments_of
from codexd.projections.summary import Brought, Summary
from codexd.protocol import threads as t
from codexd.protocol.codexd_methods import ImportedFrom
from codexd.protocol.turns import Turn
from codexd.runtime.troubles import Trouble
from codexd.server.reads.git import git_info


def status_of(
    state: ThreadState | None, *, reviewer_asks: bool = False, trouble: Trouble | None = None
) -> t.ThreadStatus:
    """A thread's status; `state` None: not loaded. A question of its reviewer counts as its own."""
    if state is None:
        return t.NotLoaded() if trouble is None else t.InError()
    if state.turn is not None:
        return active([*state.turn.asked, *([None] if reviewer_asks else [])])
    return t.InError() if state.failed else t.Idle()


# Longer than the habit: a line for each member.
def heading(
    thread_id: ThreadId,
    summary: Summary,
    state: ThreadState | None,
    path: str | None,
    turns: tuple[Turn, ...] = (),
    *,
    reviewer_asks: bool = False,
    trouble: Trouble | None = None,
) -> t.Thread:
    """The thread. `state` is None where it is not loaded."""
    settings, started, updated = summary.settings, summary.started, summary.updated_ms // 1000
    if settings is None or started is None:
        return _unknown(thread_id, summary, path, trouble)
    return t.Thread(
        id=thread_id,
        environments=environments_of(settings) if state is not None else None,
        session_id=thread_id,
        forked_from_id=summary.forked_from,
        parent_thread_id=summary.parent,
        preview=summary.preview,
        ephemeral=summary.ephemeral,
        history_mode=started.history_mode,
        model_provider=settings.provider,
        model=settings.model,
        reasoning_effort=settings.effort,
        created_at=summary.created_ms // 1000,
        updated_at=updated,
        recency_at=updated,
        status=status_of(state, reviewer_asks=reviewer_asks, trouble=trouble),
        path=path,
        cwd=settings.cwd,
        cli_version=started.daemon_version,
        originator=started.originator,
        source=_source(summary),
        thread_source=started.thread_source,
        git_info=git_info(summary.git),
        name=summary.name,
        trouble=_said(trouble),
        imported_from=_imported(summary.brought),
        turns=turns,
    )


def _unknown(
    thread_id: ThreadId, summary: Summary, path: str | None, trouble: Trouble | None
) -> t.Thread:
    """A thread whose log has lost its beginning: without a folder and a model."""
    assert trouble is not None, f"thread {thread_id} has no beginning"
    at_ms = summary.created_ms or made_ms(thread_id)
    return t.Thread(
        id=thread_id,
        session_id=thread_id,
        forked_from_id=summary.forked_from,
        preview=summary.preview or str(trouble),
        ephemeral=False,
        model_provider="",
        created_at=at_ms // 1000,
        updated_at=(summary.updated_ms or at_ms) // 1000,
        recency_at=(summary.updated_ms or at_ms) // 1000,
        status=t.InError(),
        path=path,
        cwd="",
        cli_version="",
        name=summary.name,
        trouble=str(trouble),
    )


def _said(trouble: Trouble | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if trouble is None else str(trouble)


def _source(summary: Summary) -> t.SessionSource:
    """The program that began the thread, as the wire has it."""
    if summary.hidden:
        match summary.agent or "review":
            case "review" | "compact" as agent:
                return t.NamedSource(sub_agent=agent)
            case other:
                return t.NamedSource(sub_agent=t.OtherAgent(other))
    match summary.source:
        case "cli" | "vscode" | "exec" | "appServer" | "unknown" as word:
            return word
        case other:
            return t.NamedSource(custom=other)


def _imported(brought: Brought | None) -> ImportedFrom | msgspec.UnsetType:
    if brought is None:
        return msgspec.UNSET
    return ImportedFrom(brought.origin, brought.source, brought.at_ms // 1000, brought.dropped)
