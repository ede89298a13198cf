"""The way to the provider of the configuration: its key, the proxy, certificates, names, TCP, TLS, an answer; and the clock.

A request is made for the list of models, which is never billed. Tokens of ChatGPT are not sent, since a refresh
could end the login of another program.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from codexd.account.login import Chatgpt
from codexd.account.payment import Payment
from codexd.account.refresh import is_stale
from codexd.account.who import described
from codexd.core.values.shown import shown_url
from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.models.builtin import HOW_TO_START
from codexd.models.client import ModelError
from codexd.models.http.messages import reason_of
from codexd.models.http.proxies import port_of, proxy_for, shown
from codexd.models.http.transport import named_certificates, open_transport
from codexd.models.provider import Provider
from codexd.protocol.account import AccountOwn
from codexd.protocol.doctor import Finding

if TYPE_CHECKING:
    import httpx

# Signatures of tokens and certificates are refused by servers for clocks that differ by more.
CLOCK_SECONDS_MAX: Final = 300
_EDIT: Final = "codexctl config edit"
_LOG_IN: Final = "codexctl login"
# Of a name, and of a connection: far more than either takes. And of an answer; all are within the bound of a check.
STEP_SECONDS_MAX: Final = 1.5
ANSWER_SECONDS_MAX: Final = 2.0
# Of streams; this answer is none, and its connection is used once.
_KEY_HEADERS: Final = frozenset({"authorization", "api-key"})
_LEFT_OUT: Final = frozenset({"accept", "content-type"})


class Provided:
    """The findings about the provider, as far as they have come."""

    def __init__(self, examined: Examined, found: list[Finding]) -> None:
        self._examined, self._found = examined, found

    async def look(self) -> None:
        """Go the way step by step, and stop where it ends."""
        name = self._examined.config.last_good().model_provider
        try:
            payment = self._examined.providers.payment(name)
            provider = self._examined.providers.placed(name, "")
        except ModelError as problem:
            self._found.append(fail("provider.settings", problem.message, _EDIT))
            return
        self._found.append(ok("provider.settings", f"{name} at {shown_url(provider.base_url)}"))
        own = described(self._examined.payments, name, payment.provider)
        self._found += _key(own, payment, self._examined.given)
        await self._reach(provider, payment)

    async def _reach(self, provider: Provider, payment: Payment) -> None:
        url, env = provider.base_url, self._examined.env
        try:
            proxy = proxy_for(url, env)
        except ModelError as problem:
            self._found.append(fail("proxy", problem.message, "unset HTTPS_PROXY, or correct it"))
            return
        says = "none: the connection is direct" if proxy is None else f"by {shown(proxy)}"
        self._found.append(ok("proxy", says))
        if not await self._connect(proxy or url, provider, is_proxy=proxy is not None):
            return
        try:
            transport = await open_transport(url, env)
        except ModelError as problem:
            mend = "unset SSL_CERT_FILE SSL_CERT_DIR, or correct them"
            self._found.append(fail("certificates", problem.message, mend))
            return
        named = named_certificates(env)
        self._found.append(ok("certificates", named or "those of the package certifi"))
        async with transport:
            await self._ask(transport, provider, payment)

    async def _connect(self, url: str, provider: Provider, *, is_proxy: bool) -> bool:
        """Look the host up, and connect to it; returns whether that has come about."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", port_of(parts)
        check, whose = ("proxy", "the proxy") if is_proxy else ("provider", "the provider")
        check_tcp = f"{check}.tcp"
        try:
            with trio.fail_after(STEP_SECONDS_MAX):
                found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError, trio.TooSlowError) as error:
            says = f"the name {host} of {whose} is not found: {_reason(error)}"
            self._found.append(fail(f"{check}.dns", says, f"getent hosts {host}"))
            return False
        addresses = ", ".join(dict.fromkeys(str(row[4][0]) for row in found))
        self._found.append(ok(f"{check}.dns", f"{host} is {addresses}"))
        try:
            with trio.fail_after(STEP_SECONDS_MAX):
                stream = await trio.open_tcp_stream(host, port)
        except (OSError, trio.TooSlowError) as error:
            mend = HOW_TO_START.get(provider.key, f"curl -v {shown_url(url)}")
            says = f"no connection to {host} port {port}: {_reason(error)}"
            self._found.append(fail(check_tcp, says, mend))
            return False
        await stream.aclose()
        self._found.append(ok(check_tcp, f"{host} port {port} accepts connections"))
        return True

    async def _ask(
        self,
        transport: httpx.AsyncHTTPTransport,
        provider: Provider,
        payment: Payment,
    ) -> None:
        import httpx

        url = provider.url_of("models")
        headers = [*await _headers(payment), ("connection", "close")]
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                request = httpx.Request("GET", url, headers=headers)
                response = await transport.handle_async_request(request)
                await response.aclose()
        except (httpx.HTTPError, trio.TooSlowError) as error:
            is_tls = url.startswith("https:") and isinstance(error, httpx.ConnectError)
            check = "provider.tls" if is_tls else "provider.answer"
            if isinstance(error, httpx.ProxyError):
                check = "proxy.answer"
            mend = "set SSL_CERT_FILE to the certificates of your network" if is_tls else ""
            said = f"{shown_url(url)} does not answer: {_reason(error)}"
            self._found.append(fail(check, said, mend or f"curl -v {shown_url(url)}"))
            return
        if url.startswith("https:"):
            self._found.append(ok("provider.tls", "its certificate is trusted"))
        has_key = any(name in _KEY_HEADERS for name, _ in headers)
        self._found.append(_answered(response.status_code, has_key=has_key))
        self._found.append(_clock(response.headers.get("date")))


def _reason(error: Exception) -> str:
    if isinstance(error, trio.TooSlowError):
        return "nothing was heard in time"
    return reason_of(error)


async def _headers(payment: Payment) -> list[tuple[str, str]]:
    """With the key, if there is one that can be sent."""
    if payment.is_chatgpt:
        return []
    try:
        made = await payment.headers()
    except ModelError:
        return []
    return [(name, value) for name, value in made.pairs if name not in _LEFT_OUT]


def _key(own: AccountOwn, payment: Payment, given: Sequence[str]) -> list[Finding]:
    provider, found = payment.provider, list[Finding]()
    if own.problem is not None:
        found.append(fail("key.file", own.problem, _LOG_IN))
    from_where = f"from {own.source}" + (", Codex's own" if own.is_codexs else "")
    match own.method:
        case "apiKey" | "variable" if own.method == "variable" or own.uses_login:
            where = f"the variable {own.source}" if own.method == "variable" else from_where
            found.append(ok("key", f"the API key {own.masked_key}, {where}"))
        case "chatgpt" if own.uses_login:
            says = f"ChatGPT, {own.email or 'an unnamed person'}, plan {own.plan or 'unknown'}, {from_where}"
            login = payment.login
            if isinstance(login, Chatgpt) and is_stale(login) and own.is_codexs:
                found.append(warn("key", f"{says}: its token ends soon or has ended", _LOG_IN))
            else:
                found.append(ok("key", says))
        case _ if provider.env_key is None and not own.uses_login:
            found.append(ok("key", f"{provider.name} needs none"))
        case _ if provider.env_key in given:
            says = f"the variable {provider.env_key} of your shell, which goes with each prompt"
            found.append(ok("key", says))
        case _:
            login_too = own.uses_login
            named = f"the variable {provider.env_key}" if provider.env_key else "an API key"
            where = f"{named} or a login" if login_too else named
            says = f"there is none: expected {where}, found neither a value nor a login"
            mend = _LOG_IN if login_too else f"export {provider.env_key}=…"
            found.append(fail("key", says if login_too else f"{named} is not set", mend))
    return found


def _answered(status: int, *, has_key: bool) -> Finding:
    check, says = "provider.answer", f"it answered HTTP {status} to a request for its models"
    if status in (401, 403):
        if has_key:
            return fail("key.accepted", f"the key is not accepted (HTTP {status})", _LOG_IN)
        return ok(check, f"it answers, and wants a key (HTTP {status})")
    if status == 407:
        return fail("proxy.answer", "the proxy wants a name and a password", "export HTTPS_PROXY=…")
    if status == 429 or status >= 500:
        return warn(check, says, "try again later: codexctl doctor")
    if 200 <= status < 300:
        return ok(check, "it answers" + (", and accepts the key" if has_key else ""))
    return ok(check, f"{says}: not every provider has such a list")


def _clock(date: str | None) -> Finding:
    try:
        there = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        there = None
    if there is None:
        return ok("clock", "the provider does not say what time it is")
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    ahead = (datetime.now(UTC) - there).total_seconds()
    if abs(ahead) <= CLOCK_SECONDS_MAX:
        return ok("clock", "this machine's clock agrees with the provider's")
    word = "ahead of" if ahead > 0 else "behind"
    says = f"this machine's clock is {abs(ahead) / 60:,.0f} minutes {word} the provider's"
    return warn("clock", says, "sudo timedatectl set-ntp true")
