"""Methods about logins by their older names: each is a request of `account/*`."""

from __future__ import annotations

from codexd.protocol import account as a
from codexd.protocol import older_names as m
from codexd.protocol.methods import NoParams
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.account import account_login_start, account_logout, account_read
from codexd.server.services import Services


async def user_info(
    services: Services, connection: Connection, params: NoParams
) -> m.UserInfoResponse:
    """The address in the login."""
    account = (await account_read(services, connection, a.AccountReadParams())).account
    return m.UserInfoResponse(account.email if isinstance(account, a.ChatgptAccount) else None)


async def get_auth_status(
    services: Services, connection: Connection, params: m.GetAuthStatusParams
) -> m.GetAuthStatusResponse:
    """How requests are paid; no token is handed out."""
    asked = a.AccountReadParams(params.refresh_token)
    read = await account_read(services, connection, asked)
    match read.account:
        case a.ApiKeyAccount():
            return m.GetAuthStatusResponse("apikey", read.requires_openai_auth)
        case a.ChatgptAccount():
            return m.GetAuthStatusResponse("chatgpt", read.requires_openai_auth)
        case None:
            return m.GetAuthStatusResponse(None, read.requires_openai_auth)


async def login_api_key(
    services: Services, connection: Connection, params: m.LoginApiKeyParams
) -> MethodResult:
    """Store a key."""
    asked = a.AccountLoginStartParams(type="apiKey", api_key=params.api_key)
    answered = await account_login_start(services, connection, asked)
    return MethodResult(m.Done(), answered.then)


async def logout_chat_gpt(
    services: Services, connection: Connection, params: NoParams
) -> MethodResult:
    """Forget the login, of whatever kind."""
    answered = await account_logout(services, connection, params)
    return MethodResult(m.Done(), answered.then)
