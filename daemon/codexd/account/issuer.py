"""The server that issues tokens: the requests of a login, of a refresh and of a logout. I/O; httpx is imported late.

Sources: RFC 6749 (section 4.1.3, 6), RFC 7636 (PKCE), RFC 7009 (revocation), and what Codex 0.171 sends.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
import trio

from codexd import __version__
from codexd.account.login import Tokens
from codexd.models.client import ModelError
from codexd.models.http.messages import TIMEOUTS, beginning_of, reason_of
from codexd.models.http.proxies import LOOPBACK_HOSTS
from codexd.models.http.transport import open_transport

# A token endpoint answers within a second; a person waits for the rest.
ANSWER_SECONDS_MAX: Final = 30.0
SCOPE: Final = "openid profile email offline_access api.connectors.read api.connectors.invoke"
# Of the answer's own words, which are shown to a person.
WORDS_CHARACTERS_MAX: Final = 300


class IssuerFailed(Exception):
    """The issuer refused, or did not answer; the message is fit for a person, and holds no secret.

    `refused` says that it answered, and that the same request would be refused again.
    """

    def __init__(self, message: str, *, refused: bool = False, code: str | None = None) -> None:
        super().__init__(message)
        self.refused, self.code = refused, code


class DeviceCode(msgspec.Struct, frozen=True):
    """A code that a person types at the issuer's page."""

    device_auth_id: str
    user_code: str
    interval_seconds: float


class Grant(msgspec.Struct, frozen=True):
    """A code that a person granted, to be exchanged for tokens."""

    code: str
    verifier: str
    redirect_uri: str


class _Answer(msgspec.Struct, frozen=True):
    status: int
    members: Mapping[str, object]


class Issuer:
    """One issuer, for one client id."""

    def __init__(self, url: str, client_id: str, env: Mapping[str, str]) -> None:
        self.url, self.client_id, self._env = url.rstrip("/"), client_id, env

    def authorize_url(self, redirect_uri: str, verifier: str, state: str) -> str:
        """The page where a person grants a login."""
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
            "id_token_add_organizations": "true",
            "codex_cli_simplified_flow": "true",
            "state": state,
            "originator": "codexd",
        }
        return f"{self.url}/oauth/authorize?{urlencode(query)}"

    async def exchange(self, grant: Grant) -> Tokens:
        """The tokens for a granted code. Raises: IssuerFailed."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": grant.code,
            "redirect_uri": grant.redirect_uri,
            "code_verifier": grant.verifier,
        }
        answer = await self._post(
            "/oauth/token", urlencode(form).encode(), "application/x-www-form-urlencoded"
        )
        return _tokens(_granted(answer))

    async def refresh(self, refresh_token: str, url: str | None = None) -> Tokens:
        """Newer tokens; the refresh token is used up by that. Raises: IssuerFailed."""
        asked = {
            "client_id": self.client_id,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        return _tokens(_granted(await self._post_json(url or "/oauth/token", asked)))

    async def revoke(self, refresh_token: str) -> None:
        """Make a refresh token worthless. Raises: IssuerFailed."""
        asked = {
            "client_id": self.client_id,
            "token": refresh_token,
            "token_type_hint": "refresh_token",
        }
        _granted(await self._post_json("/oauth/revoke", asked))

    async def device_code(self) -> DeviceCode:
        """A new code to type. Raises: IssuerFailed."""
        asked = {"client_id": self.client_id}
        members = _granted(await self._post_json("/api/accounts/deviceauth/usercode", asked))
        code = members.get("user_code") or members.get("usercode")
        device = members.get("device_auth_id")
        if not isinstance(code, str) or not isinstance(device, str):
            raise IssuerFailed("it gave no code to type")
        return DeviceCode(device, code, _seconds(members.get("interval")))

    async def granted(self, code: DeviceCode) -> Grant | None:
        """What a person granted with the code; None: nothing yet. Raises: IssuerFailed."""
        asked = {"device_auth_id": code.device_auth_id, "user_code": code.user_code}
        answer = await self._post_json("/api/accounts/deviceauth/token", asked)
        if answer.status in (403, 404):
            return None
        members = _granted(answer)
        granted, verifier = members.get("authorization_code"), members.get("code_verifier")
        if not isinstance(granted, str) or not isinstance(verifier, str):
            raise IssuerFailed("it gave no authorization code")
        return Grant(granted, verifier, f"{self.url}/deviceauth/callback")

    async def _post_json(self, path: str, members: Mapping[str, str]) -> _Answer:
        return await self._post(path, msgspec.json.encode(members), "application/json")

    async def _post(self, path: str, body: bytes, content_type: str) -> _Answer:
        """Raises: IssuerFailed, where no answer came."""
        import httpx

        url = path if "://" in path else self.url + path
        refuse_unless_private(url)
        host = urlsplit(url).netloc
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "close",
            "content-type": content_type,
            "user-agent": f"codexd/{__version__}",
            "originator": "codexd",
        }
        try:
            with trio.fail_after(ANSWER_SECONDS_MAX):
                transport = await open_transport(url, self._env)
                async with transport:
                    request = httpx.Request(
                        "POST",
                        url,
                        headers=list(headers.items()),
                        content=body,
                        extensions={"timeout": TIMEOUTS},
                    )
                    response = await transport.handle_async_request(request)
                    return _Answer(response.status_code, _members(await beginning_of(response)))
        except trio.TooSlowError as error:
            raise IssuerFailed(f"{host} did not answer within {ANSWER_SECONDS_MAX:g} s") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise IssuerFailed(f"{host} cannot be reached: {reason_of(error)}") from error
        except ModelError as error:  # of the proxy or the certificates of the environment
            raise IssuerFailed(error.message) from error


def refuse_unless_private(url: str) -> None:
    """Tokens go over TLS, or stay on this machine. Raises: IssuerFailed."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if parts.scheme != "https" and not is_local:
        raise IssuerFailed(
            f"expected an issuer at https://…, found {parts.scheme}://{parts.hostname}; nothing was sent",
            refused=True,
        )


def new_verifier() -> str:
    """A secret of one login, also for its `state`."""
    return secrets.token_urlsafe(48)


def _members(body: bytes) -> Mapping[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _granted(answer: _Answer) -> Mapping[str, object]:
    """The members of a good answer. Raises: IssuerFailed."""
    if 200 <= answer.status < 300:
        return answer.members
    error = answer.members.get("error")
    told = error if isinstance(error, dict) else answer.members
    code = told.get("code") or (error if isinstance(error, str) else None)
    words = told.get("message") or told.get("error_description") or code
    reason = f": {words[:WORDS_CHARACTERS_MAX]}" if isinstance(words, str) else ""
    raise IssuerFailed(
        f"the issuer answered HTTP {answer.status}{reason}",
        refused=400 <= answer.status < 500 and answer.status not in (408, 425, 429),
        code=code if isinstance(code, str) else None,
    )


def _tokens(members: Mapping[str, object]) -> Tokens:
    names = Tokens.__struct_fields__
    found = {name: members.get(name) for name in names}
    return Tokens(**{name: value for name, value in found.items() if isinstance(value, str)})


def _seconds(value: object) -> float:
    """How long to wait between two questions; RFC 8628 says 5 where the issuer does not."""
    try:
        return min(max(float(str(value)), 1.0), 60.0)
    except ValueError:
        return 5.0
