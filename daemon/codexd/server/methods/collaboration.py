"""Answers to `collaborationMode/list`."""

from __future__ import annotations

from codexd.protocol import collaboration as m
from codexd.server.connection.connection import Connection
from codexd.server.services import Services


async def collaboration_mode_list(
    services: Services, connection: Connection, params: m.CollaborationModeListParams
) -> m.CollaborationModeListResponse:
    """The two modes, with Codex's names and effort: clients of Codex know them by these."""
    plan = m.CollaborationModeMask("Plan", "plan", reasoning_effort="medium")
    return m.CollaborationModeListResponse((plan, m.CollaborationModeMask("Default", "default")))
