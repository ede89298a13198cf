"""The searches that stream their results, by the requests that asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from codexd.protocol.wire.request_ids import RequestId
from codexd.protocol.wire.rpc import state_error


class RunningSearches:
    """Of all connections."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, RequestId], trio.CancelScope] = {}

    @contextmanager
    def running(self, by: str, request_id: RequestId) -> Iterator[None]:
        """A search that may be cancelled. Raises: RpcError, where it was."""
        with trio.CancelScope() as scope:
            self._scopes[by, request_id] = scope
            try:
                yield
            finally:
                del self._scopes[by, request_id]
        if scope.cancelled_caught:
            raise state_error("the search was cancelled", "search_cancelled")

    def cancel(self, by: str, request_id: RequestId) -> None:
        """End a search of a connection; one that has ended is no error."""
        scope = self._scopes.get((by, request_id))
        if scope is not None:
            scope.cancel()
