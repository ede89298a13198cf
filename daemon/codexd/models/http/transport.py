"""The way to a provider, with the proxy and the certificates that the environment names. I/O.

It imports httpx and h11 late, since they are heavy. Certificates are those of SSL_CERT_FILE, else of SSL_CERT_DIR, else
of the package certifi.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from codexd.machine.foreign_files import open_file
from codexd.machine.patience import patiently
from codexd.models.http.answer import Sender
from codexd.models.http.connection import KEPT_CONNECTIONS_MAX, KEPT_SECONDS
from codexd.models.http.library import Network, ProxiedSender
from codexd.models.http.proxies import proxy_for, unusable

if TYPE_CHECKING:
    import httpcore
    import httpx

_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


async def open_sender(base_url: str, env: Mapping[str, str]) -> Sender:
    """The connections to a provider: direct, or through the proxy that the environment names.

    Raises:
        ModelError: a proxy or certificates of the environment cannot be used.
    """
    if proxy_for(base_url, env) is not None:
        return ProxiedSender(await open_transport(base_url, env))
    from codexd.models.http.direct import DirectSender

    return DirectSender(await _certificates(env) if _is_tls(base_url) else None)


async def open_transport(base_url: str, env: Mapping[str, str]) -> httpx.AsyncHTTPTransport:
    """The transport of httpx, on connections of our own.

    Raises:
        ModelError: a proxy or certificates of the environment cannot be used.
    """
    import httpx

    proxy = proxy_for(base_url, env)
    certificates = await _certificates(env) if _is_tls(base_url) or _is_tls(proxy) else None
    try:
        transport = httpx.AsyncHTTPTransport(
            verify=certificates if certificates and _is_tls(base_url) else False,
            proxy=_proxy(proxy, certificates),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=KEPT_CONNECTIONS_MAX,
                keepalive_expiry=KEPT_SECONDS,
            ),
        )
    except httpx.InvalidURL as error:
        raise unusable(
            "The proxy of the environment cannot be used: its address is none"
        ) from error
    # XXX httpx offers no way to name httpcore's network backend, though httpcore has one. If this no longer
    # takes effect, `ProxiedAnswer` finds connections that are none of ours, and every test fails.
    transport._pool._network_backend = cast("httpcore.AsyncNetworkBackend", Network())
    return transport


def named_certificates(env: Mapping[str, str]) -> str | None:
    """The variable that names the trusted certificates, with its value; None: no variable does."""
    return next((f"{name}={env[name]}" for name in _CERTIFICATES if env.get(name)), None)


def _is_tls(url: str | None) -> bool:
    return url is not None and url.lower().startswith("https:")


def _proxy(url: str | None, certificates: ssl.SSLContext | None) -> httpx.Proxy | None:
    import httpx

    if url is None:
        return None
    return httpx.Proxy(url, ssl_context=certificates if _is_tls(url) else None)


async def _certificates(env: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates that are trusted. Raises: ModelError, if those of the environment cannot be read."""
    named = named_certificates(env)
    try:
        # Some 20 ms, in a thread; and the file may be on a disk that does not answer.
        return await patiently(named or "certificates", partial(_read_certificates, named))
    except OSError as error:  # An ssl.SSLError is one.
        reason = error.strerror or str(error)
        raise unusable(
            f"The certificates of {named or 'this system'} cannot be read: {reason}"
        ) from error


def _read_certificates(named: str | None) -> ssl.SSLContext:
    """Raises: OSError."""
    import httpx

    if named is None:
        return httpx.create_ssl_context(trust_env=False)
    variable, _, path = named.partition("=")
    if variable == "SSL_CERT_DIR":
        if not any(os.path.isdir(folder) for folder in path.split(":")):  # A list, as in OpenSSL.
            raise NotADirectoryError(errno.ENOTDIR, "expected a folder", path)
        return ssl.create_default_context(capath=path)
    open_file(path).close()  # OpenSSL would wait for the other end of a pipe.
    return ssl.create_default_context(cafile=path)
