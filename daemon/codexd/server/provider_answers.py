"""Answers about providers: which model on this machine to use."""

from __future__ import annotations

from codexd.core.commands import Rejected
from codexd.protocol import providers as p
from codexd.protocol.methods import Model
from codexd.protocol.rpc import state_error
from codexd.server.connection import Answered, Connection
from codexd.server.services import Services


async def provider_find_local(
    services: Services, connection: Connection, params: p.ProviderFindLocalParams
) -> Answered:
    """Look for a model server on this machine."""
    try:
        return Answered(await services.find_local(params.provider, params.model))
    except Rejected as rejected:
        raise state_error(rejected.message, rejected.code) from rejected


async def local_models(services: Services, provider: str | None) -> list[Model]:
    """The models of one such server, as pickers show them; none where it does not answer."""
    try:
        found = await services.find_local(provider, None)
    except Rejected:
        return []
    return [
        Model(
            id=one.id,
            model=one.id,
            display_name=one.id,
            description=f"Of {found.name} at {found.base_url}.",
            default_reasoning_effort="medium",
            is_default=one.id == found.model,
        )
        for one in found.models
    ]
