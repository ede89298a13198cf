"""A login, and the members of auth.json that hold it: the format is Codex's, and shared with it. Pure.

    {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-…"}
    {"auth_mode": "chatgpt", "OPENAI_API_KEY": null, "tokens": {"id_token", "access_token", "refresh_token",
     "account_id"}, "last_refresh": "2026-11-27T23:21:47Z"}

Without `auth_mode`, a key counts before tokens. Members that are not known here are kept when tokens are refreshed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from codexd.account.claims import Claims, read_claims

Members = Mapping[str, object]

# Keys have 50 to 200 characters, and access tokens some thousand.
SECRET_CHARACTERS_MAX: Final = 64 * 1024
# Of a key's 50 and more characters, these many are shown at its beginning and at its end.
_SHOWN_FIRST: Final = 8
_SHOWN_LAST: Final = 4
_SHOWN_OF_CHARACTERS_MIN: Final = 24

ISSUER: Final = "https://auth.openai.com"
# The client id of Codex's command line, by which OpenAI knows this kind of login.
CLIENT_ID: Final = "app_EMoamEEZ73f0CkXaXp7hrann"


class Unusable(Exception):
    """The members hold no login; says why, without repeating a value."""


class ApiKey(msgspec.Struct, frozen=True):
    """A login with an API key."""

    key: str
    method: Literal["apiKey"] = "apiKey"

    def __repr__(self) -> str:
        """Without the key."""
        return f"ApiKey({masked(self.key)})"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.key,)

    @property
    def fingerprint(self) -> str:
        """Eight digits, the same for the same account."""
        return _digits("key", self.key)


class Chatgpt(msgspec.Struct, frozen=True, kw_only=True):
    """A login with ChatGPT."""

    id_token: str
    access_token: str
    refresh_token: str
    account_id: str | None
    claims: Claims
    expires_at: float | None = None  # of the access token, in Unix seconds; None: it does not say
    last_refresh: str | None = None  # as it is written
    issuer: str | None = None  # None: the configured issuer
    client_id: str | None = None
    method: Literal["chatgpt"] = "chatgpt"

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"Chatgpt({self.fingerprint})"

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.access_token, self.refresh_token, self.id_token)))

    @property
    def fingerprint(self) -> str:
        """Eight digits, the same for the same account."""
        person = self.claims.user_id or self.claims.email or ""
        return _digits("account", self.account_id or "", person)


Login = ApiKey | Chatgpt


class Tokens(msgspec.Struct, frozen=True):
    """The tokens that an issuer gives; None: it gives no new one."""

    id_token: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None


def masked(key: str) -> str:
    """The beginning and the end of a key."""
    if len(key) < _SHOWN_OF_CHARACTERS_MIN:
        return "***"
    return f"{key[:_SHOWN_FIRST]}***{key[-_SHOWN_LAST:]}"


def checked_key(text: str) -> str:
    """A key as a person gives it, without blanks around it. Raises: Unusable."""
    key = text.strip()
    if not key:
        raise Unusable("expected an API key, found nothing")
    if len(key) > SECRET_CHARACTERS_MAX:
        raise Unusable(
            f"expected an API key of at most {SECRET_CHARACTERS_MAX} characters, found {len(key)}"
        )
    if not all("!" <= character <= "~" for character in key):
        raise Unusable(
            "expected an API key without blanks, line breaks and characters beyond ASCII, found some"
        )
    return key


def read_login(members: Members) -> Login | None:
    """The login in auth.json; None where it holds none. Raises: Unusable."""
    mode, key, tokens = (members.get(n) for n in ("auth_mode", "OPENAI_API_KEY", "tokens"))
    if mode is None:
        mode = "apikey" if key is not None else "chatgpt" if tokens is not None else None
    match mode:
        case None:
            return None
        case "apikey":
            if not isinstance(key, str):
                raise Unusable("expected OPENAI_API_KEY, a string, found none")
            return ApiKey(checked_key(key))
        case "chatgpt":
            return _chatgpt(tokens, members.get("last_refresh"))
        case _:
            raise Unusable("expected auth_mode apikey or chatgpt, found another one")


def key_members(key: str) -> Members:
    """The members for a login with a key, as Codex writes them."""
    return {"auth_mode": "apikey", "OPENAI_API_KEY": key}


def token_members(tokens: Tokens, issuer: str, client_id: str, now: str) -> Members:
    """The members for a new login with ChatGPT. `now` is RFC 3339. Raises: Unusable."""
    if not tokens.access_token or not tokens.refresh_token or not tokens.id_token:
        raise Unusable("expected an id token, an access token and a refresh token, found fewer")
    claims = read_claims(tokens.id_token)
    if claims is None:
        raise Unusable("expected an id token in the form of a JWT, found something else")
    told: dict[str, object] = {
        "id_token": tokens.id_token,
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "account_id": claims.account_id,
        "oauth_provenance": {"issuer": issuer, "client_id": client_id},
    }
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": told, "last_refresh": now}


def refreshed_members(members: Members, tokens: Tokens, now: str) -> Members:
    """The members with newer tokens; all others stay."""
    old = members.get("tokens")
    told = dict(old) if isinstance(old, dict) else {}
    new = {name: value for name, value in msgspec.structs.asdict(tokens).items() if value}
    return {**members, "tokens": {**told, **new}, "last_refresh": now}


def _chatgpt(tokens: object, last_refresh: object) -> Chatgpt:
    if not isinstance(tokens, dict):
        raise Unusable("expected tokens, a table, found none")
    found = {name: tokens.get(name) for name in ("id_token", "access_token", "refresh_token")}
    for name, value in found.items():
        if not isinstance(value, str) or len(value) > SECRET_CHARACTERS_MAX:
            raise Unusable(f"expected tokens.{name}, a string, found none")
        if not all("!" <= character <= "~" for character in value):
            raise Unusable(f"expected tokens.{name} in ASCII without blanks, found something else")
    claims = read_claims(str(found["id_token"]))
    if claims is None:
        raise Unusable("expected tokens.id_token in the form of a JWT, found something else")
    if last_refresh is not None and not _is_time(last_refresh):
        raise Unusable(
            "expected last_refresh, a time such as 2026-11-27T23:21:47Z, found another value"
        )
    access = read_claims(str(found["access_token"]))
    account, provenance = tokens.get("account_id"), tokens.get("oauth_provenance")
    origin = provenance if isinstance(provenance, dict) else {}
    return Chatgpt(
        id_token=str(found["id_token"]),
        access_token=str(found["access_token"]),
        refresh_token=str(found["refresh_token"]),
        account_id=account if isinstance(account, str) and account else claims.account_id,
        claims=claims,
        expires_at=access.expires_at if access is not None else None,
        last_refresh=last_refresh if isinstance(last_refresh, str) else None,
        issuer=_text(origin.get("issuer")),
        client_id=_text(origin.get("client_id")),
    )


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _digits(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:8]
