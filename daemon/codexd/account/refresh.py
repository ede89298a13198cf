"""Refreshes of tokens: one at a time for an account, which nobody's interrupt ends half-way.

A refresh token is used up by its first use. So a refresh that has begun goes on to its end, whoever stops waiting
for it, and all who need it wait for the same one. One that was refused is not tried again with the same token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import trio

from codexd.account.issuer import IssuerFailed
from codexd.account.login import Chatgpt

# Of a daemon's life: a person logs in again after each.
REFUSED_MAX: Final = 100

# An access token that expires while a request is on its way is refreshed before.
EXPIRY_MARGIN_SECONDS: Final = 60.0
# Older tokens are refreshed before they are used, whatever they say: Codex's figure.
REFRESH_DAYS: Final = 28

_WHY: Final = {
    "refresh_token_expired": "the login has expired",
    "refresh_token_reused": "its refresh token was used already, by another program that has the same auth.json",
    "refresh_token_invalidated": "the login was revoked",
    "invalid_grant": "the login was revoked or has expired",
}


def is_stale(login: Chatgpt, now: datetime | None = None) -> bool:
    """Whether the tokens should be refreshed before they are used."""
    now = now or datetime.now(UTC)
    if login.expires_at is not None and login.expires_at - EXPIRY_MARGIN_SECONDS < now.timestamp():
        return True
    if login.last_refresh is None:
        return False
    return now - datetime.fromisoformat(login.last_refresh) > timedelta(days=REFRESH_DAYS)


class LoginEnded(Exception):
    """No refresh will help any more: a person has to do what the message says. It holds no secret."""


def refresh_problem(error: IssuerFailed) -> LoginEnded | IssuerFailed:
    """What a failed refresh means: for good, or for the moment."""
    if not error.refused:
        return error
    why = _WHY.get(error.code or "", str(error))
    return LoginEnded(f"the login with ChatGPT cannot be refreshed: {why}. Run `codexctl login`")


class _Running:
    def __init__(self) -> None:
        self.done = trio.Event()
        self.renewed: Chatgpt | None = None
        self.problem: LoginEnded | IssuerFailed = IssuerFailed("the daemon stops")


class Refreshes:
    """Those under way, and those that were refused."""

    def __init__(self, spawn: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        self._spawn = spawn
        self._running: dict[str, _Running] = {}  # by refresh token
        self._refused: dict[str, str] = {}

    async def join(self, login: Chatgpt, refresh: Callable[[], Awaitable[Chatgpt]]) -> Chatgpt:
        """The result of the refresh of this login, begun if none is under way. Raises: LoginEnded, IssuerFailed."""
        token = login.refresh_token
        if (refused := self._refused.get(token)) is not None:
            raise LoginEnded(refused)
        running = self._running.get(token)
        if running is None:
            running = self._running[token] = _Running()
            self._spawn(lambda: self._run(token, running, refresh))
        await running.done.wait()
        if running.renewed is None:
            raise type(running.problem)(str(running.problem))
        return running.renewed

    async def _run(
        self, token: str, running: _Running, refresh: Callable[[], Awaitable[Chatgpt]]
    ) -> None:
        try:
            running.renewed = await refresh()
        except LoginEnded as ended:
            running.problem = ended
            if len(self._refused) >= REFUSED_MAX:
                self._refused.clear()
            self._refused[token] = str(ended)
        except IssuerFailed as failed:
            running.problem = failed
        except OSError as error:
            running.problem = IssuerFailed(f"its tokens cannot be written: {error.strerror}")
        finally:
            del self._running[token]
            running.done.set()
