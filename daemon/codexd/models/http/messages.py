"""HTTP messages: the request to a provider, the beginning of a plain answer, packed bodies, reasons of errors."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from codexd.models import errors
from codexd.models.client import ModelError
from codexd.models.exchange.notes import ExchangeNotes
from codexd.models.http.answer import Outgoing
from codexd.models.provider import Provider, RequestHeaders

if TYPE_CHECKING:
    import httpx

# A host that takes longer to accept a connection is down, or a packet filter swallows the attempt.
CONNECT_SECONDS: Final = 15.0
# Reading has no limit here: how long a stream may be silent is ours to say.
TIMEOUTS: Final = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}
# Lists of models are long where a provider has hundreds.
READ_BYTES_MAX: Final = 4 * 1024 * 1024


def outgoing(
    provider: Provider, headers: RequestHeaders, path: str, body: bytes, notes: ExchangeNotes | None
) -> Outgoing:
    """A request to an endpoint of a provider. Raises: ModelError, where its address is none."""
    import httpx

    try:
        url = _url(provider.url_of(path))
    except httpx.InvalidURL as error:
        raise ModelError(
            f"The address of {provider.name} cannot be used: {error}. Nothing was sent.",
            info="badRequest",
        ) from error
    if notes is None:
        return Outgoing(url, headers.pairs, body)
    named = {name.lower(): value for name, value in headers.pairs}
    added = len(named)
    notes.sent(named)
    return Outgoing(url, (*headers.pairs, *list(named.items())[added:]), body)


@lru_cache(
    maxsize=16
)  # those of a few providers; to read one takes as long as the rest of a request
def _url(address: str) -> httpx.URL:
    import httpx

    return httpx.URL(address)


def inflater(provider: Provider, encoding: str) -> zlib._Decompress | None:
    """What unpacks an answer; None for one that is not packed. Raises: ModelError, for an unknown packing."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # with a head of either kind
    raise errors.packed(provider, encoding)


async def beginning_of(response: httpx.Response) -> bytes:
    """The beginning of a body that is no stream. Raises: httpx.TransportError."""
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > READ_BYTES_MAX:
                break
    finally:
        await response.aclose()
    return bytes(body[:READ_BYTES_MAX])


def reason_of(error: BaseException) -> str:
    """The text of the first error: the libraries above only repeat that it failed."""
    words = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, OSError) and str(cause):
            words = str(cause)
        words = words or str(cause)
        cause = cause.__cause__ or cause.__context__
    return words or type(error).__name__
