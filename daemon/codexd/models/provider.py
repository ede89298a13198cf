"""A provider: one `[model_providers.KEY]` table of config.toml, read and checked.

Keys are looked up in the environment when a request is about to be made, never before, and never kept in
a `Provider`: it may be logged and shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from codexd import __version__
from codexd.core.values.shown import shown_url, shown_variable
from codexd.models.builtin import BUILT_IN
from codexd.models.client import ModelError, RetryBudget
from codexd.models.provider_table import RETRIES_MAX, ProviderKeys, WireApi
from codexd.models.quirks import UNKNOWN, Quirks, is_azure, kind_of, read_quirks

# A provider that is silent for a day is gone. Below a millisecond nothing could be read.
IDLE_TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000

_BOUNDS: Final = {
    "request_max_retries": (0, RETRIES_MAX),
    "stream_max_retries": (0, RETRIES_MAX),
    "stream_idle_timeout_ms": (1, IDLE_TIMEOUT_MS_MAX),
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.1
_NAMED_FIELD = re.compile(r"at `\$\.(\w++)|unknown field `([^`]{1,200}+)`")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*", re.ASCII)
_OURS: Final = ("accept", "accept-encoding", "content-length", "content-type", "host")


class InvalidProvider(ValueError):
    """A table of `[model_providers]` cannot be used. `field` is the key at fault, where it is one."""

    def __init__(self, provider: str, field: str | None, reason: str) -> None:
        where = f"model_providers.{provider}" + (f".{field}" if field else "")
        super().__init__(f"{where}: {reason}")
        self.provider = provider
        self.field = field


class Provider(ProviderKeys, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a model API is, how to ask it, and how patient to be. Made by `read_provider`."""

    key: str  # its name under `[model_providers]`
    name: str  # for people
    base_url: str  # without a slash at the end
    env_key_instructions: str | None = None  # shown to the person when the variable is not set
    wire_api: WireApi = "responses"
    quirks: Quirks = UNKNOWN  # of its chat completions API

    @property
    def budget(self) -> RetryBudget:
        """How often its requests are tried again."""
        return RetryBudget(self.request_max_retries, self.stream_max_retries)

    def url_of(self, path: str) -> str:
        """The address of one of its endpoints, such as `responses`."""
        query = f"?{urlencode(self.query_params)}" if self.query_params else ""
        return f"{self.base_url}/{path}{query}"


class RequestHeaders(msgspec.Struct, frozen=True):
    """The headers of every request to a provider, and what in them must never be shown."""

    pairs: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    advice: str | None = (
        None  # what a person does when they are refused; None: it depends on the provider's table
    )


def read_provider(key: str, table: Mapping[str, object]) -> Provider:
    """Read a table of config.toml. One of a built-in's name may be given in part; the rest is the built-in's.

    Raises:
        InvalidProvider: says which key is wrong, what was expected and what was found.
    """
    if "key" in table:
        raise InvalidProvider(key, "key", "no such setting; the variable's name goes into env_key")
    defaults = BUILT_IN.get(key, {})
    members: dict[str, object] = {"name": key, **defaults, **table, "key": key}
    if "base_url" not in members:
        raise InvalidProvider(key, "base_url", "expected the API's address, found nothing")
    quirks = members.pop("quirks", {})
    if not isinstance(quirks, dict):
        raise InvalidProvider(key, "quirks", f"expected a table, found {quirks!r}")
    try:
        provider = msgspec.convert(members, Provider)
    except msgspec.ValidationError as error:
        raise InvalidProvider(key, _field_of(str(error)), _reason(error, members)) from error
    _check_address(provider)
    _check_headers(provider)
    _check_numbers(provider)
    return _placed(provider, quirks)


def _placed(provider: Provider, said: dict[str, object]) -> Provider:
    """The provider with what depends on where it is. Raises: InvalidProvider."""
    host = urlsplit(provider.base_url).hostname or ""
    try:
        quirks = read_quirks(kind_of(provider.key, host), said)
    except ValueError as error:
        raise InvalidProvider(provider.key, "quirks", str(error)) from error
    return msgspec.structs.replace(provider, base_url=provider.base_url.rstrip("/"), quirks=quirks)


class Paid(msgspec.Struct, frozen=True):
    """The headers of a login, which take the place of a key."""

    headers: Mapping[str, str]
    secret: str
    advice: str


def request_headers(
    provider: Provider, env: Mapping[str, str], paid: Paid | None = None
) -> RequestHeaders:
    """The headers for a provider, its key among them, or those of a login.

    Raises:
        ModelError: the variable that should hold the key is not set. Nothing was sent.
    """
    headers = {
        "accept": "text/event-stream",
        # What streams must not wait in a compressor for its block to fill.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": f"codexd/{__version__}",
    }
    headers |= {name.lower(): value for name, value in provider.http_headers.items()}
    secrets = list(provider.http_headers.values())
    for name, variable in provider.env_http_headers.items():
        if value := env.get(variable, "").strip():
            headers[name.lower()] = _sendable(provider, variable, value)
            secrets.append(value)
    if paid is not None:
        return RequestHeaders(
            tuple((headers | dict(paid.headers)).items()), (*secrets, paid.secret), paid.advice
        )
    if provider.env_key is not None:
        value = _sendable(provider, provider.env_key, _key_in(provider, provider.env_key, env))
        # Azure's keys have a header of their own; the usual header has a token there.
        if is_azure(urlsplit(provider.base_url).hostname or ""):
            headers["api-key"] = value
        else:
            headers["authorization"] = f"Bearer {value}"
        secrets.append(value)
    return RequestHeaders(tuple(headers.items()), tuple(secrets))


def _key_in(provider: Provider, variable: str, env: Mapping[str, str]) -> str:
    if value := env.get(variable, "").strip():
        return value
    name = shown_variable(variable)
    hint = f" {provider.env_key_instructions}" if provider.env_key_instructions else ""
    no_login, login = "", ""
    if provider.requires_openai_auth:
        no_login, login = ", and there is no login", "run `codexctl login`; or "
    raise ModelError(
        f"No key for the model provider {provider.name!r}: the environment variable {name} is not set, neither in "
        f"the shell that sent this turn nor for the daemon{no_login}. Nothing was sent. Ways out: {login}set {name} "
        "in your shell and send again with codexctl, without a restart; or use a model on this machine, with "
        f"`codexctl send --oss`.{hint}",
        info="unauthorized",
    )


def _sendable(provider: Provider, variable: str, value: str) -> str:
    if _HEADER_VALUE.fullmatch(value):
        return value
    raise ModelError(
        f"The environment variable {shown_variable(variable)} for the model provider {provider.name!r} holds "
        "characters that no HTTP header may have. Nothing was sent.",
        info="unauthorized",
    )


def _field_of(reason: str) -> str | None:
    """The key that a validation error speaks of: "… - at `$.base_url`", or "unknown field `x`"."""
    found = _NAMED_FIELD.search(reason)
    return (found[1] or found[2]) if found else None


def _reason(error: msgspec.ValidationError, members: dict[str, object]) -> str:
    field = _field_of(str(error))
    if field == "wire_api":
        return f'expected "responses" or "chat", found {members[field]!r}'
    if field in _BOUNDS and isinstance(members[field], int):
        return _out_of_bounds(field, members[field])
    return str(error)


def _out_of_bounds(field: str, found: object) -> str:
    least, most = _BOUNDS[field]
    return f"expected a number from {least} to {most}, found {found}"


def _check_address(provider: Provider) -> None:
    try:
        parts = urlsplit(provider.base_url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        valid = False
    if not valid or not provider.base_url.isprintable() or " " in provider.base_url:
        raise InvalidProvider(
            provider.key,
            "base_url",
            "expected an address such as https://api.example.com/v1, "
            f"found {shown_url(provider.base_url)[:200]!r}",
        )
    if parts.query or parts.fragment or parts.username is not None:
        raise InvalidProvider(
            provider.key,
            "base_url",
            "expected an address without user, query or fragment; "
            "query_params, http_headers and env_key are for those",
        )


def _check_headers(provider: Provider) -> None:
    for field in ("http_headers", "env_http_headers"):
        headers: dict[str, str] = getattr(provider, field)
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise InvalidProvider(provider.key, field, f"{name!r} is no header name")
            if name.lower() in _OURS:
                raise InvalidProvider(provider.key, field, f"{name} is set by codexd itself")
            # The value may be a secret, so it is not repeated here.
            if not _HEADER_VALUE.fullmatch(value):
                raise InvalidProvider(
                    provider.key, field, f"the value of {name} holds characters no header may have"
                )


def _check_numbers(provider: Provider) -> None:
    field, value = "stream_idle_timeout_ms", provider.stream_idle_timeout_ms
    if value > IDLE_TIMEOUT_MS_MAX:
        raise InvalidProvider(provider.key, field, _out_of_bounds(field, value))
