"""Logins by OAuth 2.1, through the SDK: a person grants in a browser what `codexctl mcp login` asked for.

    Provider       the SDK's, with tokens that are refreshed after a restart too
    authorize      the whole of a login: the address for the browser, its way back, the tokens

The browser comes back to a port of 127.0.0.1 that is open for the time of the login only.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import trio
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)
from msgspec.structs import replace

from codexd.account.callback import Callback, Query
from codexd.config.mcp_table import McpServerTable
from codexd.mcp.connection import LoginNeeded, ServerError, ours
from codexd.mcp.credentials import NOTHING, Login, Logins

CALLBACK_PATH: Final = "/callback"
# A token that expires while a request is on its way is refreshed before.
EXPIRY_MARGIN_SECONDS: Final = 30.0

Show = Callable[[str], Awaitable[None]]
ComeBack = Callable[[], Awaitable[AuthorizationCodeResult]]


class _Storage:
    """The SDK's storage over one file."""

    def __init__(self, logins: Logins, login: Login, learned: Callable[[str], None]) -> None:
        self._logins, self.login, self._learned = logins, login, learned

    async def get_tokens(self) -> OAuthToken | None:
        if not bytes(self.login.tokens):
            return None
        tokens = OAuthToken.model_validate_json(bytes(self.login.tokens))
        self._learn(tokens)
        return tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._learn(tokens)
        lifetime = tokens.expires_in
        expires = None if lifetime is None else time.time() + lifetime - EXPIRY_MARGIN_SECONDS
        self._keep(replace(self.login, tokens=_raw(tokens), expires_at=expires))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        if not bytes(self.login.client):
            return None
        return OAuthClientInformationFull.model_validate_json(bytes(self.login.client))

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        if client_info.client_secret:
            self._learned(client_info.client_secret)
        self._keep(replace(self.login, client=_raw(client_info)))

    def set_server(self, metadata: OAuthMetadata | None, issuer: str | None) -> None:
        """Keep where the tokens come from: they are refreshed there."""
        self._keep(
            replace(
                self.login, metadata=NOTHING if metadata is None else _raw(metadata), issuer=issuer
            )
        )

    def _keep(self, login: Login) -> None:
        self.login = login
        if bytes(login.tokens):  # Without, it is no login yet.
            self._logins.write(login)

    def _learn(self, tokens: OAuthToken) -> None:
        for secret in (tokens.access_token, tokens.refresh_token):
            if secret:
                self._learned(secret)


class Provider(OAuthClientProvider):
    """The SDK's provider. It knows after a restart when a token expires, and where it is refreshed."""

    def __init__(
        self,
        storage: _Storage,
        table: McpServerTable,
        *,
        scopes: tuple[str, ...] | None,
        back: str = f"http://127.0.0.1{CALLBACK_PATH}",
        show: Show | None = None,
        come_back: ComeBack | None = None,
    ) -> None:
        assert table.url is not None
        client = OAuthClientMetadata.model_validate(
            {"redirect_uris": [back], "client_name": "codexd", "token_endpoint_auth_method": "none"}
        )
        super().__init__(table.url, client, storage, show, come_back)
        self._own, self._scopes, self._resource = storage, scopes, table.oauth_resource
        if self._resource is not None:
            self.context.get_resource_url = lambda: str(self._resource)  # type: ignore[method-assign]

    async def _initialize(self) -> None:
        await super()._initialize()
        login = self._own.login
        self.context.token_expiry_time = login.expires_at
        if bytes(login.metadata):
            metadata = OAuthMetadata.model_validate_json(bytes(login.metadata))
            self.context.oauth_metadata = metadata
        self.context.auth_server_url = login.issuer

    async def _perform_authorization_code_grant(self) -> tuple[str, str]:
        if self.context.redirect_handler is None:
            raise OAuthFlowError("it wants a new login")
        if self._scopes is not None:
            self.context.client_metadata.scope = " ".join(self._scopes)
        granted = await super()._perform_authorization_code_grant()
        self._own.set_server(self.context.oauth_metadata, self.context.auth_server_url)
        return granted


def stored_provider(
    logins: Logins, name: str, table: McpServerTable, learned: Callable[[str], None]
) -> Provider | None:
    """The provider of a server that a person has logged in to; None without a login."""
    assert table.url is not None
    login = logins.read(name, table.url)
    if login is None:
        return None
    return Provider(_Storage(logins, login, learned), table, scopes=table.scopes)


class Authorization:
    """One login under way."""

    def __init__(
        self,
        logins: Logins,
        name: str,
        table: McpServerTable,
        learned: Callable[[str], None],
        *,
        scopes: tuple[str, ...] | None = None,
        port: int | None = None,
    ) -> None:
        self._logins, self._name, self._table, self._learned = logins, name, table, learned
        self._scopes = table.scopes if scopes is None else scopes
        self._port = port or 0
        self.url: str | None = None  # for the browser
        self._callback = Callback(CALLBACK_PATH, self._take)
        self.shown = trio.Event()
        self._came_back = trio.Event()
        self._answer: AuthorizationCodeResult | str = "the browser did not come back"

    async def run(self) -> None:
        """From the first request to the stored tokens. Raises: ServerError, SessionLost, LoginNeeded, TimedOut."""
        try:
            async with trio.open_nursery() as nursery:
                (listener,) = await trio.open_tcp_listeners(self._port, host="127.0.0.1")
                port = listener.socket.getsockname()[1]
                nursery.start_soon(trio.serve_listeners, self._callback.serve, [listener])
                await self._grant(f"http://127.0.0.1:{port}{CALLBACK_PATH}")
                nursery.cancel_scope.cancel()
        except Exception as error:  # The nursery's is a group of them.
            raise ours(error) from error

    async def _grant(self, back: str) -> None:
        table = self._table
        assert table.url is not None
        login = Login(name=self._name, url=table.url)
        if table.oauth.client_id is not None:
            registered = OAuthClientInformationFull.model_validate(
                {
                    "client_id": table.oauth.client_id,
                    "redirect_uris": [back],
                    "token_endpoint_auth_method": "none",
                }
            )
            login = replace(login, client=_raw(registered))
        storage = _Storage(self._logins, login, self._learned)
        provider = Provider(
            storage,
            table,
            scopes=self._scopes,
            back=back,
            show=self._show,
            come_back=self._come_back,
        )
        async with httpx2.AsyncClient(auth=provider, headers=dict(table.http_headers)) as client:
            # Any request makes the server ask for a login; this is the one that every server answers.
            response = await client.post(table.url, json=_PING, headers={"accept": _ACCEPT})
        if not bytes(storage.login.tokens):
            raise ServerError(
                f"expected the server to ask for a login, found HTTP status {response.status_code}; "
                "nothing was stored"
            )

    async def _show(self, url: str) -> None:
        self.url = url
        self._callback.state = parse_qs(urlsplit(url).query)["state"][0]
        self.shown.set()

    async def _come_back(self) -> AuthorizationCodeResult:
        await self._came_back.wait()
        if isinstance(self._answer, str):
            raise LoginNeeded(self._answer)
        return self._answer

    async def _take(self, query: Query) -> str:
        if "code" in query:
            self._answer = AuthorizationCodeResult(
                code=query["code"], state=query.get("state"), iss=query.get("iss")
            )
            text = "The login is complete. You may close this page."
        else:
            words = query.get("error_description") or query["error"]
            self._answer = f"the server refused the login: {words}"
            text = "The login was refused. You may close this page."
        self._came_back.set()
        return text


_ACCEPT: Final = "application/json, text/event-stream"
_PING: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "codexd", "version": "0"},
    },
}


def _raw(model: OAuthToken | OAuthClientInformationFull | OAuthMetadata) -> msgspec.Raw:
    return msgspec.Raw(model.model_dump_json(exclude_none=True).encode())
