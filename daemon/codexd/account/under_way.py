"""The login with ChatGPT that is under way: in a browser of this machine, or by a code in any browser. I/O.

One at a time: a new one gives an earlier one up. Each ends once, with tokens or with a reason.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
import trio

from codexd.account.callback import Callback, Query
from codexd.account.issuer import WORDS_CHARACTERS_MAX, Grant, Issuer, IssuerFailed, new_verifier
from codexd.account.login import ISSUER, Tokens, Unusable

log = logging.getLogger(__name__)

CALLBACK_PATH: Final = "/auth/callback"
# The ports that OpenAI sends a browser back to; Codex's too. Any other issuer may do with a free one.
PORTS: Final = (1455, 1457)
# How long a person may take: Codex's figures.
BROWSER_SECONDS_MAX: Final = 600.0
CODE_SECONDS_MAX: Final = 900.0
GIVEN_UP: Final = "the login was given up"

Store = Callable[[Tokens, Issuer], Awaitable[None]]
Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class Begun(msgspec.Struct, frozen=True):
    """What a person needs."""

    login_id: str
    url: str
    user_code: str | None = None


class LoginUnderWay:
    """At most one login, in a task of its own."""

    def __init__(
        self,
        spawn: Spawn,
        store: Store,
        ended: Callable[[str, str | None], None],
    ) -> None:
        """`store` keeps the tokens (raises Unusable, OSError); `ended` is told the login and why it failed, if it did."""
        self._spawn, self._store, self._ended = spawn, store, ended
        self._scope = trio.CancelScope()
        self._login_id: str | None = None

    async def in_browser(self, issuer: Issuer, login_id: str) -> Begun:
        """Begin; the browser comes back to a port of this machine. Raises: IssuerFailed, OSError."""
        self.give_up()
        listener = await _listener(issuer)
        browser = _InBrowser(issuer, listener, self._store)
        self._begin(login_id, BROWSER_SECONDS_MAX, browser.run, listener)
        return Begun(login_id, browser.url)

    async def by_code(self, issuer: Issuer, login_id: str) -> Begun:
        """Begin; the person types a code at the issuer's page. Raises: IssuerFailed."""
        self.give_up()
        code = await issuer.device_code()

        async def task() -> None:
            while (grant := await issuer.granted(code)) is None:  # noqa: ASYNC110  # the issuer has no other way
                await trio.sleep(code.interval_seconds)
            await self._store(await issuer.exchange(grant), issuer)

        self._begin(login_id, CODE_SECONDS_MAX, task)
        return Begun(login_id, f"{issuer.url}/codex/device", code.user_code)

    def give_up(self, login_id: str | None = None) -> bool:
        """End the login of that id, or any; whether there was one."""
        if self._login_id is None or login_id not in (None, self._login_id):
            return False
        self._scope.cancel()
        self._end(self._login_id, GIVEN_UP)
        return True

    def _begin(
        self,
        login_id: str,
        seconds: float,
        task: Callable[[], Awaitable[None]],
        listener: trio.SocketListener | None = None,
    ) -> None:
        self.give_up()
        scope = self._scope = trio.CancelScope()
        self._login_id = login_id

        async def run() -> None:
            problem: str | None = GIVEN_UP
            try:
                with scope:
                    problem = await _result(task, seconds)
            finally:
                if listener is not None:
                    listener.socket.close()
            self._end(login_id, problem)

        self._spawn(run)

    def _end(self, login_id: str, problem: str | None) -> None:
        if self._login_id == login_id:
            self._login_id = None
            self._ended(login_id, problem)


_FAILURES = (IssuerFailed, Unusable, OSError)


async def _result(task: Callable[[], Awaitable[None]], seconds: float) -> str | None:
    """Why a login failed; None: it did not."""
    try:
        with trio.fail_after(seconds):
            await task()
    except trio.TooSlowError:
        return f"nobody granted it within {seconds / 60:g} minutes"
    except _FAILURES as error:
        return str(error)
    except Exception:
        # As around an effect: an issuer must not end the daemon.
        log.exception("the login failed inside the daemon")
        return "it failed inside the daemon; its log says where"
    return None


class _InBrowser:
    """A login whose browser comes back to a port of this machine."""

    def __init__(self, issuer: Issuer, listener: trio.SocketListener, store: Store) -> None:
        self._issuer, self._listener, self._store = issuer, listener, store
        port = listener.socket.getsockname()[1]
        self._redirect_uri = f"http://127.0.0.1:{port}{CALLBACK_PATH}"
        self._verifier, state = new_verifier(), new_verifier()
        self.url = issuer.authorize_url(self._redirect_uri, self._verifier, state)
        self._callback = Callback(CALLBACK_PATH, self._told)
        self._callback.state = state
        self._done, self._problem = trio.Event(), ""

    async def run(self) -> None:
        """Until the browser is back, and its page is sent. Raises: IssuerFailed."""
        async with trio.open_nursery() as pages, trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(
                    trio.serve_listeners,
                    self._callback.serve,
                    [self._listener],
                    handler_nursery=pages,
                )
            )
            await self._done.wait()
            accepting.cancel_scope.cancel()
        if self._problem:
            raise IssuerFailed(self._problem)

    async def _told(self, query: Query) -> str:
        """The words of the page."""
        try:
            if "code" not in query:
                words = query.get("error_description") or query["error"]
                raise IssuerFailed(f"it was refused: {words[:WORDS_CHARACTERS_MAX]}")
            grant = Grant(query["code"], self._verifier, self._redirect_uri)
            await self._store(await self._issuer.exchange(grant), self._issuer)
        except _FAILURES as error:
            self._problem = str(error)
            return f"The login failed: {error}. You may close this page, and try again."
        finally:
            self._done.set()
        return "You are logged in. You may close this page."


async def _listener(issuer: Issuer) -> trio.SocketListener:
    """A port for the browser's way back. Raises: OSError."""
    ports = PORTS if issuer.url == ISSUER else (*PORTS, 0)
    for port in ports:
        try:
            (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
        except OSError as error:
            taken = error
        else:
            return listener
    raise OSError(
        f"the ports {PORTS[0]} and {PORTS[1]} of this machine are in use ({taken}); "
        "`codexctl login --device-auth` needs none"
    )
