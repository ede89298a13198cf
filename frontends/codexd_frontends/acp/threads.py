"""Threads as sessions: how they are opened and listed, and their past. I/O through the connection."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from codexd.protocol.display.titles import TITLE_CHARACTERS_MAX, title_of
from codexd.protocol.mcp import ListMcpServerStatusResponse
from codexd.protocol.wire.rpc import INVALID_PARAMS
from codexd_frontends.acp.link import Link
from codexd_frontends.acp.translation import wire
from codexd_frontends.acp.translation.choices import Choices, Chosen, Models, Opened, Presets
from codexd_frontends.acp.translation.tool_calls import TITLE_CHARACTERS_MAX as CALL_TITLE_MAX
from codexd_frontends.acp.translation.tool_calls import text_content
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.follow import (
    TURN_PAGE,
    Followed,
    read_answer,
    running_turn_id,
    turns_params,
)
from codexd_frontends.client.messages import RawPage, Received, Thread, Turn
from codexd_frontends.client.session import Cursor
from codexd_frontends.screen.drawn import one_line, title

LIST_LIMIT: Final = 50
MODEL_PAGE: Final = 100
SERVERS_MAX: Final = 100


class _Started(Opened, frozen=True, kw_only=True):
    """The answer to thread/start and thread/fork."""

    thread: Thread
    seq: int = 0


class _Threads(Received, frozen=True, kw_only=True):
    """A page of thread/list."""

    data: tuple[Thread, ...]
    next_cursor: str | None = None


class Begun(msgspec.Struct, frozen=True):
    """A thread that is followed, and its settings."""

    followed: Followed
    chosen: Chosen
    before: str | None = None  # the cursor of its past; None: it has none


def begin(link: Link, params: wire.OpenParams) -> Begun:
    """Start a thread. Raises: Declined, CommandError."""
    _check_folder(params)
    return _begun(link, "thread/start", {"cwd": params.cwd})


def fork(link: Link, params: wire.OpenSessionParams) -> Begun:
    """Start a thread with another's past. Raises: Declined, CommandError."""
    _check_folder(params)
    asked = {"threadId": params.session_id, "cwd": params.cwd, "excludeTurns": True}
    return _begun(link, "thread/fork", asked)


def _begun(link: Link, method: str, params: dict[str, object]) -> Begun:
    """Both methods follow the thread."""
    started = link.call(method, {**params, "idempotencyKey": str(uuid.uuid4())}, _Started)
    followed = Followed(started.thread.id)
    followed.cursor = Cursor(max(started.seq, 1))  # All after its first record is news.
    return Begun(followed, started.chosen)


def follow(link: Link, params: wire.OpenSessionParams) -> Begun:
    """Follow a thread from now on. Raises: Declined, CommandError."""
    _check_folder(params)
    followed = Followed(params.session_id)
    message = link.repeated(lambda: followed.attach(link.daemon))
    chosen = msgspec.json.decode(message.result, type=Opened).chosen
    return Begun(followed, chosen, read_answer(message).turns_backwards_cursor)


def choices_of(link: Link, chosen: Chosen) -> Choices:
    """What may be chosen for a thread. Raises: CommandError."""
    params = {"limit": MODEL_PAGE, "modelProvider": chosen.model_provider}
    models = link.call("model/list", params, Models).data
    try:
        presets = link.call("collaborationMode/list", {}, Presets).data
    except RequestRefused:
        presets = ()  # Of an older daemon.
    return Choices(chosen, models, presets)


def past_of(link: Link, begun: Begun) -> Iterator[Turn]:
    """All turns up to the moment from which the thread is followed, the oldest first; a page at a time is in memory.

    Pages go back from the cursor, so their cursors are found first, and then each page is read with its items.
    """
    cursors = [begun.before]
    while (cursor := _turns(link, begun, cursors[-1], "notLoaded").next_cursor) is not None:
        cursors.append(cursor)
    for cursor in reversed(cursors):
        for raw in reversed(_turns(link, begun, cursor, "full").data):
            yield msgspec.json.decode(raw, type=Turn)


def running_turn(link: Link, begun: Begun) -> str | None:
    """The id of the turn that runs."""
    return running_turn_id(_turns(link, begun, begun.before, "notLoaded", limit=1))


def _turns(
    link: Link, begun: Begun, cursor: str | None, view: str, limit: int = TURN_PAGE
) -> RawPage:
    params = turns_params(begun.followed.thread_id, cursor, "desc", limit=limit, view=view)
    return link.call("thread/turns/list", params, RawPage)


def listed(link: Link, params: wire.ListParams) -> dict[str, Any]:
    """A page of sessions, the newest first."""
    page = {"cursor": params.cursor, "limit": LIST_LIMIT, "cwd": params.cwd}
    found = link.call("thread/list", page, _Threads)
    sessions = [
        {
            "sessionId": thread.id,
            "cwd": thread.cwd,
            "title": title(thread.name or title_of(thread.preview), TITLE_CHARACTERS_MAX) or None,
            "updatedAt": datetime.datetime.fromtimestamp(
                thread.updated_at, datetime.UTC
            ).isoformat(),
        }
        for thread in found.data
    ]
    return {"sessions": sessions, "nextCursor": found.next_cursor}


def servers_not_started(link: Link, params: wire.OpenParams) -> list[wire.Update]:
    """The MCP servers that the editor brings along and the daemon does not have."""
    wanted = {server.name for server in params.mcp_servers or ()}
    if not wanted:
        return []
    page = {"detail": "toolsAndAuthOnly", "limit": SERVERS_MAX}
    found = link.call("mcpServerStatus/list", page, ListMcpServerStatusResponse)
    words = (
        "The daemon runs the MCP servers of its own configuration, for all frontends; "
        "`codexctl mcp add` adds this one."
    )
    return [
        {
            "sessionUpdate": "tool_call",
            "toolCallId": f"mcp-server-{uuid.uuid4()}",
            "title": one_line(f"MCP server {name}: not started", CALL_TITLE_MAX),
            "kind": "other",
            "status": "failed",
            "content": [text_content(words)],
        }
        for name in sorted(wanted - {server.name for server in found.data})
    ]


def _check_folder(params: wire.OpenParams) -> None:
    """Raises: Declined."""
    if not os.path.isabs(params.cwd):
        problem = f"expected an absolute path for cwd, found {one_line(params.cwd, 200)}"
    elif params.additional_directories:
        found = len(params.additional_directories)
        problem = (
            f"expected no additionalDirectories, which this agent does not offer, found {found}"
        )
    else:
        return
    raise wire.Declined(INVALID_PARAMS, f"{problem}; no session was opened", "invalid_params")
