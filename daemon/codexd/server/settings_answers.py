"""Answers to `thread/settings/*`."""

from __future__ import annotations

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.protocol import settings as s
from codexd.protocol.asked_settings import settings_change
from codexd.server.connection import Answered, Connection
from codexd.server.opening import checked_change, open_thread, refused
from codexd.server.services import Services


async def thread_settings_update(
    services: Services, connection: Connection, params: s.ThreadSettingsUpdateParams
) -> Answered:
    """Change a thread's settings; a turn that runs keeps those that it began with."""
    thread = await open_thread(services, params.thread_id, "thread not found")
    change = await checked_change(services, settings_change(params))
    try:
        await thread.submit(c.ChangeSettings(change=change), by=connection.by)
    except Rejected as rejected:
        raise refused(rejected) from rejected
    return Answered(s.ThreadSettingsUpdateResponse())
