"""Methods about what a thread may choose: models and permission profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from codexd.config.permission_profiles import BUILT_IN, is_usable
from codexd.core.commands import Rejected
from codexd.protocol import models as m
from codexd.server.connection.connection import Connection
from codexd.server.methods.daemon import config_in
from codexd.server.methods.lookup import checked_cwd, find_local
from codexd.server.reads.pages import invalid_cursor
from codexd.server.services import Services

Entry = TypeVar("Entry")


async def model_list(
    services: Services, connection: Connection, params: m.ModelListParams
) -> m.ModelListResponse:
    """The catalogue, or what a server on this machine has."""
    models = [model for model in services.models() if params.include_hidden or not model.hidden]
    if params.model_provider in services.local_providers:
        models = await local_models(services, params.model_provider)
    return m.ModelListResponse(*_page(models, params.cursor, params.limit))


async def local_models(services: Services, provider: str | None) -> list[m.Model]:
    """The models of a local server, for a picker; none where it does not answer."""
    try:
        found = await find_local(services, provider, None)
    except Rejected:
        return []
    return [
        m.Model(
            id=model.id,
            model=model.id,
            display_name=model.id,
            description=f"Of {found.name} at {found.base_url}.",
            default_reasoning_effort="medium",
            is_default=model.id == found.model,
        )
        for model in found.models
    ]


async def permission_profile_list(
    services: Services, connection: Connection, params: m.PermissionProfileListParams
) -> m.PermissionProfileListResponse:
    """The built-in profiles, and those that are configured for the folder, in the order of their names."""
    cwd = await checked_cwd(services, params.cwd or str(services.cwd))
    config = (await config_in(services, cwd)).config
    profiles = [
        *(m.PermissionProfileSummary(name, None, allowed=True) for name in BUILT_IN),
        *(
            m.PermissionProfileSummary(name, table.description, is_usable(name, config))
            for name, table in sorted(config.permissions.items())
        ),
    ]
    return m.PermissionProfileListResponse(*_page(profiles, params.cursor, params.limit))


def _page(
    entries: Sequence[Entry], cursor: str | None, limit: int | None
) -> tuple[tuple[Entry, ...], str | None]:
    """A page, and the cursor of the next; a cursor is how many entries came before. Raises: RpcError."""
    start = 0
    if cursor is not None:
        if not cursor.isdecimal() or int(cursor) > len(entries):
            raise invalid_cursor(cursor)
        start = int(cursor)
    end = start + max(limit, 1) if limit is not None else len(entries)
    return tuple(entries[start:end]), str(end) if end < len(entries) else None
