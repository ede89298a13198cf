"""Answers to `account/*`: who is logged in, logins and logouts, and the rate limits."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
import trio

from codexd.account.issuer import IssuerFailed
from codexd.account.limits import headers_of_usage
from codexd.account.login import Chatgpt, Unusable
from codexd.account.payment import Payment, is_paid_by_login
from codexd.account.refresh import LoginEnded
from codexd.account.under_way import Begun
from codexd.account.who import described
from codexd.models.client import ModelError
from codexd.models.provider import Provider
from codexd.protocol import account as a
from codexd.protocol.methods import NoParams
from codexd.protocol.wire.rpc import RpcError, internal_error, invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.mcp import refuse_unless_a_person
from codexd.server.services import Services

log = logging.getLogger(__name__)

# Limits that a response reported so lately are not asked for again.
FRESH_MS: Final = 60_000
# A person waits for the answer; what is known already does as well.
ASK_SECONDS_MAX: Final = 5.0


async def account_read(
    services: Services, connection: Connection, params: a.AccountReadParams
) -> a.AccountReadResponse:
    """Who is logged in, as far as the provider of config.toml needs a login."""
    account = services.account.account
    login = account.login
    if params.refresh_token and isinstance(login, Chatgpt):
        try:
            await account.renewed(login)
        except (LoginEnded, IssuerFailed) as problem:
            raise state_error(str(problem), "login_ended") from problem
    provider = _provider(services)
    needs_login = provider is not None and is_paid_by_login(provider)
    own = _own(services, provider)
    shown: a.Account | None = None
    if needs_login and own.method == "chatgpt":
        shown = a.ChatgptAccount(own.email, a.wire_plan(own.plan) or "unknown")
    elif needs_login and own.method is not None:
        shown = a.ApiKeyAccount()
    user = own.user_id if isinstance(shown, a.ChatgptAccount) else None
    return a.AccountReadResponse(shown, needs_login, user, codexd=own)


def _provider(services: Services) -> Provider | None:
    """The provider of config.toml; None where it cannot be used."""
    try:
        return services.clients.provider(services.config.last_good().model_provider)
    except ModelError:
        return None


def _own(services: Services, provider: Provider | None) -> a.AccountOwn:
    name = services.config.last_good().model_provider
    return described(services.account.payments, name, provider)


async def account_login_start(
    services: Services, connection: Connection, params: a.AccountLoginStartParams
) -> MethodResult:
    """Store a key, or begin a login in a browser."""
    refuse_unless_a_person(connection)
    account = services.account.account
    try:
        match params.type:
            case "apiKey":
                if params.api_key is None:
                    raise invalid_params("apiKey: expected an API key, found none")
                tell = await account.log_in_with_key(params.api_key)
                return MethodResult(a.AccountLoginStartResponse(type="apiKey"), tell)
            case "chatgpt" | "chatgptDeviceCode":
                account.refuse_chatgpt()
                login_id = services.new_id()
                begin = account.under_way.in_browser
                if params.type == "chatgptDeviceCode":
                    begin = account.under_way.by_code
                return MethodResult(_begun(params.type, await begin(account.issuer(), login_id)))
            case _:
                raise state_error(
                    f"type: codexd has no logins of type {params.type}; nothing was done",
                    "not_offered",
                )
    except Unusable as problem:
        code = "invalid_api_key" if params.type == "apiKey" else "login_refused"
        raise state_error(f"{problem}; nothing was stored", code) from problem
    except IssuerFailed as problem:
        raise state_error(f"the login did not begin: {problem}", "login_failed") from problem
    except OSError as problem:
        raise internal_error(f"the login was not stored: {_reason(problem)}") from problem


def _begun(kind: a.LoginType, begun: Begun) -> a.AccountLoginStartResponse:
    if begun.user_code is None:
        return a.AccountLoginStartResponse(type=kind, login_id=begun.login_id, auth_url=begun.url)
    return a.AccountLoginStartResponse(
        type=kind,
        login_id=begun.login_id,
        verification_url=begun.url,
        user_code=begun.user_code,
    )


def _reason(problem: OSError) -> str:
    return problem.strerror or str(problem)


async def account_login_cancel(
    services: Services, connection: Connection, params: a.AccountLoginCancelParams
) -> a.AccountLoginCancelResponse:
    """Give a login up."""
    refuse_unless_a_person(connection)
    is_known = services.account.account.under_way.give_up(params.login_id)
    return a.AccountLoginCancelResponse("canceled" if is_known else "notFound")


async def account_logout(
    services: Services, connection: Connection, params: NoParams
) -> MethodResult:
    """Forget the login; Codex's own stays."""
    refuse_unless_a_person(connection)
    account = services.account.account
    try:
        was_logged_in, codexs = await account.log_out()
    except OSError as problem:
        raise internal_error(f"nobody was logged out: {_reason(problem)}") from problem
    answer = a.AccountLogoutResponse(
        was_logged_in or msgspec.UNSET, msgspec.UNSET if codexs is None else codexs
    )
    return MethodResult(answer, account.tell_updated)


async def account_rate_limits_read(
    services: Services, connection: Connection, params: a.AccountRateLimitsReadParams
) -> a.AccountRateLimitsReadResponse:
    """The limits that the provider has reported for the account, and for ChatGPT what its server says now."""
    provider = services.config.last_good().model_provider
    try:
        payment = services.clients.payment(provider)
    except ModelError as problem:
        raise state_error(problem.message, "no_provider") from problem
    now_ms = services.now_us() // 1000
    seen = await services.account.limits.of(payment.fingerprint, now_ms)
    newest = max((observed.at_ms for observed in seen.values()), default=0)
    if (
        payment.is_chatgpt
        and now_ms - newest > FRESH_MS
        and await _asked_chatgpt(services, payment)
    ):
        seen = await services.account.limits.of(payment.fingerprint, now_ms)
    if not seen and not payment.is_chatgpt:
        raise _needs_chatgpt(services, "read rate limits")
    by_limit = {name: observed.limits for name, observed in seen.items()}
    main = by_limit.get("codex") or next(iter(by_limit.values()), a.RateLimits("codex"))
    times = {name: observed.at_ms for name, observed in seen.items()}
    return a.AccountRateLimitsReadResponse(
        main, by_limit or None, codexd=a.RateLimitsOwn(times, _method(services))
    )


async def _asked_chatgpt(services: Services, payment: Payment) -> bool:
    """Ask ChatGPT's server for the limits; whether it was asked and has answered."""
    with trio.move_on_after(ASK_SECONDS_MAX):
        try:
            body = await services.clients.chatgpt_usage(payment.provider.key)
        except ModelError as error:
            log.info("the rate limits could not be asked for: %s", error.message)
            return False
        if body is not None:
            services.account.observe(payment, headers_of_usage(body))
            return True
    return False


def _method(services: Services) -> str:
    return _own(services, _provider(services)).method or ""


def _needs_chatgpt(services: Services, what: str) -> RpcError:
    """The refusal of a method for logins with ChatGPT, in Codex's words."""
    kind = "chatgpt" if services.account.account.login is not None else "codex account"
    return state_error(f"{kind} authentication required to {what}", "needs_chatgpt_login")


async def account_usage_read(
    services: Services, connection: Connection, params: NoParams
) -> a.AccountUsageReadResponse:
    """The provider's own statistics are not asked for; `thread/usage/list` has codexd's."""
    if not isinstance(services.account.account.login, Chatgpt):
        raise _needs_chatgpt(services, "read token usage")
    return a.AccountUsageReadResponse({})


async def account_workspace_messages_read(
    services: Services, connection: Connection, params: NoParams
) -> a.WorkspaceMessagesReadResponse:
    """Messages of a workspace are not asked for."""
    if not isinstance(services.account.account.login, Chatgpt):
        raise _needs_chatgpt(services, "read workspace messages")
    return a.WorkspaceMessagesReadResponse()


async def account_gateway_oauth_read(
    services: Services, connection: Connection, params: NoParams
) -> a.GatewayOAuthReadResponse:
    """No provider has a login at a gateway."""
    key = services.config.last_good().model_provider
    provider = _provider(services)
    return a.GatewayOAuthReadResponse(key, key if provider is None else provider.name)


async def account_session_list(
    services: Services, connection: Connection, params: NoParams
) -> a.AccountSessionsResponse:
    """The login with ChatGPT, if there is one."""
    login = services.account.account.login
    if not isinstance(login, Chatgpt):
        return a.AccountSessionsResponse()
    session = login.claims.user_id or login.fingerprint
    workspaces = () if login.account_id is None else ({"accountId": login.account_id},)
    return a.AccountSessionsResponse(
        session,
        (
            a.AccountSession(
                session_id=session,
                email=login.claims.email,
                user_id=login.claims.user_id,
                last_used_at=services.now_us() // 1_000_000,
                selected_workspace_account_id=login.account_id,
                workspaces=workspaces,
            ),
        ),
    )
