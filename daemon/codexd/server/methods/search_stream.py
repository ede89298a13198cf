"""Answers to `thread/search/stream` and its cancellation: the results in portions, and then all of them."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from codexd.projections.clients.deltas import Outgoing
from codexd.protocol import searching as s
from codexd.protocol.wire.rpc import invalid_params
from codexd.server.connection.connection import Connection
from codexd.server.methods.listing import thread_search
from codexd.server.reads.pages import page_limit
from codexd.server.services import Services

# Results of one portion: about as many lines as a person looks at first.
PORTION: Final = 10
# Codex's figure. `read_term` has a lower one.
TERM_BYTES_MAX: Final = 65_536


async def thread_search_stream(
    services: Services, connection: Connection, params: s.ThreadSearchStreamParams
) -> s.ThreadSearchResponse:
    """The same as `thread/search`, with what is found told on the way."""
    size = len(params.search_term.strip().encode())
    if size > TERM_BYTES_MAX:
        raise invalid_params(f"searchTerm: expected at most {TERM_BYTES_MAX} bytes, found {size}")
    assert params.request_id is not None
    limit, found, cursor = page_limit(params.limit), list[s.ThreadSearchResult](), params.cursor
    backwards = None
    with services.searches.running(connection.by, params.request_id):
        while True:
            some = min(PORTION, limit - len(found))
            page = await thread_search(
                services, connection, replace(params, cursor=cursor, limit=some)
            )
            backwards = backwards or page.backwards_cursor
            found += page.data
            cursor = page.next_cursor
            if cursor is None or len(found) >= limit:
                break
            told = s.ThreadSearchPartialNotification(request_id=params.request_id, data=page.data)
            services.hub.tell_one(connection, Outgoing("thread/search/partial", told))
    return replace(page, data=tuple(found), backwards_cursor=backwards)


async def thread_search_cancel(
    services: Services, connection: Connection, params: s.ThreadSearchCancelParams
) -> s.ThreadSearchCancelResponse:
    """End a search that streams."""
    services.searches.cancel(connection.by, params.request_id)
    return s.ThreadSearchCancelResponse()


async def thread_search_stream_cancel(
    services: Services, connection: Connection, params: s.ThreadSearchCancelParams
) -> s.ThreadSearchCancelResponse:
    """The same by its other name."""
    return await thread_search_cancel(services, connection, params)
