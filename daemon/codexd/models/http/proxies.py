"""The route to a provider by the environment: a proxy or a direct connection; and the errors of both.

The variables are those of curl and Go, small or capital; NO_PROXY also names networks and ports, as in Go.
No message has the name and password that the address of a proxy may have.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from codexd.models.client import ModelError

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# httpx speaks SOCKS only with a library that is not installed.
_SCHEMES: Final = frozenset({"http", "https"})
DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_NO_HOST: Final = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")


def proxy_for(base_url: str, env: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for an address. Raises: ModelError, if it cannot be used."""
    try:
        address = urlsplit(base_url)
        host, port = address.hostname or "", port_of(address)
    except ValueError:
        return None  # The request itself says what is wrong with its address.
    if host in LOOPBACK_HOSTS or _is_bypassed(host.rstrip("."), port, _named(env, "no")[1]):
        return None
    variable, proxy = _named(env, address.scheme)
    if not proxy:
        variable, proxy = _named(env, "all")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    _check(variable, url)
    return url


def port_of(address: SplitResult) -> int:
    """The port of an address, or that of its scheme; 0: neither is known. Raises: ValueError."""
    return address.port or DEFAULT_PORTS.get(address.scheme, 0)


def shown(proxy: str) -> str:
    """A proxy without the name and password that its address may have, also if it is no address."""
    scheme, separator, rest = proxy.rpartition("://")
    host = rest.rpartition("@")[2].partition("/")[0]
    return f"{scheme}{separator}{host}".encode(errors="replace").decode()


def unusable(problem: str) -> ModelError:
    """What the environment names cannot be used."""
    text = f"{problem}. Nothing was sent.".encode(errors="replace").decode()
    return ModelError(text, info="badRequest")


def _check(variable: str, url: str) -> None:
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            problem = "expected a proxy of HTTP, http:// or https://"
        elif not parts.hostname or _NO_HOST.search(parts.hostname):
            problem = "expected the name of a host"
        elif parts.port == 0:
            problem = "expected a port from 1 to 65535"
    except ValueError:  # Its words may repeat a part of a password.
        problem = "expected a host and a port from 1 to 65535"
    if problem:
        raise unusable(f"The proxy in {variable} cannot be used: {problem}, found {shown(url)}")


def _named(env: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable that is set, and its value; the value is empty if none is."""
    small, capital = f"{name}_proxy", f"{name.upper()}_PROXY"
    variable = small if env.get(small, "").strip() else capital
    return variable, env.get(variable, "").strip()


def _is_bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether a list of domains, addresses and networks names the host, a domain that it is in, or everything."""
    return any(_names(name, host, port) for name in re.split(r"[,\s]+", no_proxy.lower()) if name)


# [fd00::1]:443, [fd00::]/8, [fd00::/8]
_BRACKETED: Final = re.compile(r"\[([^]]*)\](/[0-9]+)?(?::([0-9]+))?")


def _names(name: str, host: str, port: int) -> bool:
    wanted = ""
    if bracketed := _BRACKETED.fullmatch(name):
        name, wanted = bracketed[1] + (bracketed[2] or ""), bracketed[3] or ""
    elif name.count(":") == 1:
        name, _, wanted = name.partition(":")
    if wanted and wanted != str(port):
        return False
    domain = name.removeprefix("*").strip(".")
    return name == "*" or _is_in(host, name) or bool(domain and f".{host}".endswith(f".{domain}"))


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False  # One of them is no address.
