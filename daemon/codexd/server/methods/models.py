"""Methods about what a thread may choose: models, providers and permission profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from codexd.catalog.wire_models import wire_provider
from codexd.config.permission_profiles import BUILT_IN, is_usable
from codexd.core.commands import Rejected
from codexd.protocol import models as m
from codexd.protocol.config import ConfigBatchWriteParams, ConfigEdit, ConfigWriteResponse
from codexd.protocol.methods import NoParams
from codexd.protocol.older_names import Done, SetDefaultModelParams
from codexd.protocol.wire.rpc import INVALID_REQUEST, ErrorData, RpcError
from codexd.server.connection.connection import Connection
from codexd.server.methods.config import config_batch_write
from codexd.server.methods.daemon import config_in
from codexd.server.methods.lookup import NAME_CHARACTERS_MAX, checked_cwd, find_local
from codexd.server.reads.pages import counted_page, counting_cursor, invalid_cursor
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


async def model_provider_list(
    services: Services, connection: Connection, params: NoParams
) -> m.ModelProviderListResponse:
    """All providers, and that of new threads."""
    default = services.config.last_good().model_provider
    return m.ModelProviderListResponse(
        tuple(map(wire_provider, services.clients.usable())), default
    )


async def model_provider_default_set(
    services: Services, connection: Connection, params: m.ModelProviderDefaultSetParams
) -> ConfigWriteResponse:
    """Write the provider of new threads. Raises: RpcError, also where it is not configured."""
    if params.provider_id not in services.clients.key_variables():
        shown = params.provider_id[:NAME_CHARACTERS_MAX]
        raise RpcError(
            INVALID_REQUEST,
            f"Model provider `{shown}` is not configured.",
            ErrorData("config_not_changed", config_write_error_code="configValidationError"),
        )
    edit = config_edit("model_provider", params.provider_id)
    return await config_batch_write(services, connection, ConfigBatchWriteParams((edit,)))


async def set_default_model(
    services: Services, connection: Connection, params: SetDefaultModelParams
) -> Done:
    """Write model and effort of new threads together, by the older name; null takes a key away."""
    edits = (
        config_edit("model", params.model),
        config_edit("model_reasoning_effort", params.reasoning_effort),
    )
    await config_batch_write(services, connection, ConfigBatchWriteParams(edits))
    return Done()


def config_edit(key: str, value: str | None) -> ConfigEdit:
    """The edit that sets a key, or takes it away."""
    return ConfigEdit(key, msgspec.Raw(msgspec.json.encode(value)), "replace")


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
    """A page, and the cursor of the next. Raises: RpcError, also for a cursor beyond the end."""
    if cursor is not None and counting_cursor(cursor) > len(entries):
        raise invalid_cursor(cursor)
    return counted_page(entries, cursor, limit)
