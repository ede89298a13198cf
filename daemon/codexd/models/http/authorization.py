"""What a request is paid with: the key of a variable, or a login that may be refreshed once when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from codexd.models.provider import Provider, RequestHeaders, request_headers


class Authorization(Protocol):
    """The credentials of the requests of one turn to one provider."""

    async def headers(self) -> RequestHeaders:
        """The headers of a request. Raises: ModelError, where there are no credentials; nothing was sent."""

    async def renewed(self, refused: RequestHeaders) -> bool:
        """After HTTP 401: whether other credentials are at hand now, so that one more attempt is worth it.

        Raises:
            ModelError: the login has ended; the message says what a person does about it.
        """


class KeyOfVariable:
    """The key that the provider's table names, and nothing else."""

    def __init__(self, provider: Provider, env: Mapping[str, str]) -> None:
        self._provider, self._env = provider, env
        self._headers: RequestHeaders | None = None

    async def headers(self) -> RequestHeaders:
        """The headers of all requests, made for the first. Raises: ModelError."""
        if self._headers is None:
            self._headers = request_headers(self._provider, self._env)
        return self._headers

    async def renewed(self, refused: RequestHeaders) -> bool:
        """A variable has no second value."""
        return False
