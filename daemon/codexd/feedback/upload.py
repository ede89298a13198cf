"""Sends a report to the endpoint that the person has configured. I/O; it imports httpx late, since that is heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import trio

from codexd.models.client import ModelError
from codexd.models.http.transport import open_transport

# Codex's figure.
UPLOAD_SECONDS_MAX: Final = 10.0


class NotSent(Exception):
    """The report was not taken; says why."""


async def upload(
    endpoint: str, headers: Mapping[str, str], content: bytes, env: Mapping[str, str]
) -> None:
    """POST a report. Raises: NotSent."""
    import httpx

    sent = {"content-type": "application/zip", "user-agent": "codexd", **headers}
    try:
        request = httpx.Request("POST", endpoint, headers=sent, content=content)
        transport = await open_transport(endpoint, env)
        async with transport:
            with trio.fail_after(UPLOAD_SECONDS_MAX):
                response = await transport.handle_async_request(request)
                await response.aclose()
    except trio.TooSlowError as error:
        raise NotSent(f"no answer within {UPLOAD_SECONDS_MAX:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NotSent(str(error) or type(error).__name__) from error
    except ModelError as error:
        raise NotSent(error.message) from error
    if not 200 <= response.status_code < 300:
        raise NotSent(f"it answered HTTP {response.status_code}")
