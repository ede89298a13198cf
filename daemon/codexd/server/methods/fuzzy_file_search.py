"""Answers to `fuzzyFileSearch` and its sessions, which end with the connection."""

from __future__ import annotations

from functools import partial
from typing import Final

from codexd.protocol import fuzzy_search as s
from codexd.protocol.notifications import encode_notification
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.files.search import Files, SearchSession, best_of, list_names
from codexd.server.methods.terminals import check_authority
from codexd.server.services import Services

# A folder of an editor's window each.
ROOTS_MAX: Final = 64
# Each may hold as many names as a listing has: a person types in one.
SESSIONS_MAX: Final = 4
UPDATED: Final = "fuzzyFileSearch/sessionUpdated"
COMPLETED: Final = "fuzzyFileSearch/sessionCompleted"


async def fuzzy_file_search(
    services: Services, connection: Connection, params: s.FuzzyFileSearchParams
) -> s.FuzzyFileSearchResponse:
    """List the folders and search them."""
    check_authority(connection)
    _check(params.roots)
    files: Files = ()
    if params.cancellation_token is None:
        files = await _search(params)
    else:
        with connection.files.only(f"token {params.cancellation_token}"):
            files = await _search(params)
    return s.FuzzyFileSearchResponse(files)


async def _search(params: s.FuzzyFileSearchParams) -> Files:
    return await best_of(await list_names(params.roots), params.query) if params.query else ()


async def fuzzy_file_search_session_start(
    services: Services, connection: Connection, params: s.FuzzyFileSearchSessionStartParams
) -> MethodResult:
    """Begin to list the folders."""
    check_authority(connection)
    name = _name(params.session_id)
    _check(params.roots)
    if not params.roots:
        raise invalid_params(
            "failed to start fuzzy file search session: at least one search directory is required"
        )
    files = connection.files
    if not files.has(name) and files.count("session ") >= SESSIONS_MAX:
        raise state_error(
            f"this connection has {SESSIONS_MAX} sessions, and may have no more: "
            "fuzzyFileSearch/sessionStop ends a session; none was started",
            "too_many_sessions",
        )

    def tell(query: str, found: Files) -> None:
        told = (
            (UPDATED, s.FuzzyFileSearchSessionUpdatedNotification(params.session_id, query, found)),
            (COMPLETED, s.FuzzyFileSearchSessionCompletedNotification(params.session_id)),
        )
        for method, news in told:
            connection.notify(method, encode_notification(method, news, services.now_us() // 1000))

    session = files.sessions[params.session_id] = SearchSession(params.roots)
    files.begin(name, partial(session.run, tell))
    return MethodResult(s.FuzzyFileSearchSessionStartResponse())


async def fuzzy_file_search_session_update(
    services: Services, connection: Connection, params: s.FuzzyFileSearchSessionUpdateParams
) -> s.FuzzyFileSearchSessionUpdateResponse:
    """Search for something else."""
    session = connection.files.sessions.get(params.session_id)
    if session is None:
        raise state_error(
            f"fuzzy file search session not found: {params.session_id}", "session_not_found"
        )
    session.ask(params.query)
    return s.FuzzyFileSearchSessionUpdateResponse()


async def fuzzy_file_search_session_stop(
    services: Services, connection: Connection, params: s.FuzzyFileSearchSessionStopParams
) -> s.FuzzyFileSearchSessionStopResponse:
    """End a session."""
    if connection.files.sessions.pop(params.session_id, None) is not None:
        connection.files.end(_name(params.session_id))
    return s.FuzzyFileSearchSessionStopResponse()


def _name(session_id: str) -> str:
    if not session_id:
        raise invalid_params("sessionId must not be empty")
    return f"session {session_id}"


def _check(roots: tuple[str, ...]) -> None:
    if len(roots) > ROOTS_MAX:
        raise invalid_params(f"roots: expected at most {ROOTS_MAX}, found {len(roots)}")
