"""Lists of what a folder brings with it. codexd reads no hooks and no skills, so each folder's list is empty."""

from __future__ import annotations

from codexd.protocol import inventories as m
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services


async def hooks_list(
    services: Services, connection: Connection, params: m.HooksListParams
) -> m.HooksListResponse:
    """An entry for each folder: Codex's TUI expects one of its own."""
    folders = params.cwds or (_folder(services, params.thread_id),)
    return m.HooksListResponse(tuple(map(m.HooksListEntry, folders)))


async def skills_list(
    services: Services, connection: Connection, params: m.SkillsListParams
) -> m.SkillsListResponse:
    """An entry for each folder."""
    folders = params.cwds or (str(services.cwd),)
    return m.SkillsListResponse(tuple(map(m.SkillsListEntry, folders)))


def _folder(services: Services, thread: str | None) -> str:
    state = None if thread is None else services.state_of(thread_id_of(thread))
    settings = None if state is None else state.settings
    return str(services.cwd) if settings is None else settings.cwd
