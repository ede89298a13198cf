"""The SDK's transport over HTTP: its headers, its login, and the bounds of what a server may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

import httpx2
import trio
from mcp.client.streamable_http import streamable_http_client

from codexd.config.mcp_table import McpServerTable
from codexd.mcp.connection import LoginNeeded
from codexd.mcp.stdio import LINE_BYTES_MAX

if TYPE_CHECKING:
    from mcp.client._transport import Transport

# Codex's figures: a server may think before it answers, and a stream may be silent.
CONNECT_SECONDS: Final = 30.0
READ_SECONDS: Final = 300.0
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
BAD_REQUEST: Final = 400
SESSION: Final = b"session"
SESSION_HEADER: Final = "mcp-session-id"


class Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it is too long. A stream of events has a bound for each event instead."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LINE_BYTES_MAX
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the server's answer has more than {LINE_BYTES_MAX} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class HttpWay:
    """The way to one server over HTTP."""

    def __init__(
        self, table: McpServerTable, headers: Mapping[str, str], auth: httpx2.Auth | None
    ) -> None:
        assert table.url is not None
        self._url, self.refused, self.gone = table.url, False, trio.Event()
        self._client = httpx2.AsyncClient(
            headers=dict(headers),
            auth=auth,
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS),
            event_hooks={"response": [self._answered]},
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    def transport(self) -> Transport:
        """For one session."""
        return streamable_http_client(
            self._url, http_client=self._client, max_sse_event_size=LINE_BYTES_MAX
        )

    async def _answered(self, response: httpx2.Response) -> None:
        self.refused = self.refused or response.status_code == UNAUTHORIZED
        kind = response.headers.get("content-type", "").lower()
        if not kind.startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Bounded(response.stream)
        if SESSION_HEADER in response.request.headers:
            if response.status_code == BAD_REQUEST and SESSION in (await response.aread()).lower():
                # Servers that were made after MCP's own example say it so.
                response.status_code = NOT_FOUND
            if response.status_code == NOT_FOUND:
                self.gone.set()


def headers_of(table: McpServerTable, variables: Mapping[str, str]) -> dict[str, str]:
    """The headers of every request: those in the file, those from variables, and the token.

    Raises: LoginNeeded, where the variable of the token is not set.
    """
    headers = dict(table.http_headers)
    for header, variable in table.env_http_headers.items():
        if variables.get(variable):
            headers[header] = variables[variable]
    if table.bearer_token_env_var is not None:
        token = variables.get(table.bearer_token_env_var)
        if not token:
            raise LoginNeeded("the environment variable that must hold its bearer token is not set")
        headers["Authorization"] = f"Bearer {token}"
    return headers
