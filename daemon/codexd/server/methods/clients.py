"""The answer to `thread/clients`: who is attached to a thread."""

from __future__ import annotations

from codexd.protocol import clients as c
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.services import Services


async def thread_clients(
    services: Services, connection: Connection, params: c.ThreadClientsParams
) -> c.ThreadClientsResponse:
    """The clients that are attached to a thread, loaded or not."""
    thread_id = thread_id_of(params.thread_id)
    if services.supervisor.loaded(thread_id) is None:
        await services.store_of(thread_id).head(thread_id)  # Raises, where there is no such thread.
    return c.ThreadClientsResponse(services.hub.clients_of(thread_id))
