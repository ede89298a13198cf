"""The route to a provider by the environment: a proxy or a direct connection; and the errors of both.

The variables are those of curl and Go, small or capital; NO_PROXY also names networks, as it does there.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from codexd.models.client import ModelError

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SCHEMES = frozenset(
    {"http", "https"}
)  # httpx speaks SOCKS only with a library that is not installed


def proxy_for(base_url: str, env: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for an address. Raises: ModelError, if it cannot be used."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    if host in _LOOPBACK_HOSTS or _is_bypassed(host, _named(env, "no")[1]):
        return None
    variable, proxy = _named(env, address.scheme)
    if not proxy:
        variable, proxy = _named(env, "all")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    _check(variable, url)
    return url


def shown(proxy: str) -> str:
    """A proxy without the name and password that its address may have."""
    parts = urlsplit(proxy)
    return SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], "", "", "").geturl()


def no_certificates(error: OSError) -> ModelError:
    """The certificates of servers cannot be read; httpx takes them from the variables that are set."""
    named = [f"{name}={os.environ[name]}" for name in _CERTIFICATES if os.environ.get(name)]
    return _unusable(
        f"The certificates of {' or '.join(named) or 'this system'} cannot be read: {error}"
    )


def _unusable(problem: str) -> ModelError:
    return ModelError(f"{problem}. Nothing was sent.", info="badRequest", at="request", retry=False)


def _check(variable: str, url: str) -> None:
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            problem = f"expected a proxy of HTTP, http:// or https://, found {parts.scheme}://"
        elif not parts.hostname:
            problem = "it names no host"
        else:
            _ = parts.port
    except ValueError as error:
        problem = str(error)
    if problem:
        raise _unusable(f"The proxy in {variable} cannot be used: {problem}")


def _named(env: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable that is set, and its value; the value is empty if none is."""
    small, capital = f"{name}_proxy", f"{name.upper()}_PROXY"
    return (small, env[small]) if env.get(small) else (capital, env.get(capital, ""))


def _is_bypassed(host: str, no_proxy: str) -> bool:
    """Whether a list of domains and networks names the host, what it is in, or everything."""
    names = [name.strip().lower() for name in no_proxy.split(",")]
    domains = [name.lstrip(".") for name in names]
    named = any(domain and f".{host}".endswith(f".{domain}") for domain in domains)
    return "*" in names or named or any(_is_in(host, name) for name in names)


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False  # One of them is no address.
