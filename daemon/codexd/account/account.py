"""The account of the person: the login in auth.json, its changes, and its tokens. I/O.

Law: the files are the truth. They are looked at again whenever the login is asked for, so that a login in another
program counts for the next turn; a turn keeps what it started with (`payment.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
import trio

from codexd.account.auth_files import AuthFiles, Found, Stamp
from codexd.account.issuer import Issuer, IssuerFailed
from codexd.account.login import (
    CLIENT_ID,
    ISSUER,
    ApiKey,
    Chatgpt,
    Login,
    Members,
    Tokens,
    Unusable,
    checked_key,
    key_members,
    read_login,
    refreshed_members,
    token_members,
)
from codexd.account.refresh import LoginEnded, Refreshes, refresh_problem
from codexd.account.under_way import LoginUnderWay
from codexd.config.keys import Config
from codexd.protocol.account import (
    ACCOUNT_UPDATED,
    LOGIN_COMPLETED,
    AccountLoginCompletedNotification,
    AccountUpdatedNotification,
    wire_plan,
)

log = logging.getLogger(__name__)

# A logout does not wait for longer until the issuer has taken the tokens back.
REVOKE_SECONDS_MAX: Final = 10.0
# The variable by which Codex's refreshes are sent elsewhere, as in tests of it.
REFRESH_URL: Final = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"

Announce = Callable[[str, msgspec.Struct], None]


# Appends a fact about the account to the daemon's own stream; it does not fail.
Note = Callable[[str, Mapping[str, object]], Awaitable[None]]


class Account:
    """The login in use; one for a daemon."""

    def __init__(
        self,
        files: AuthFiles,
        config: Callable[[], Config],
        env: Mapping[str, str],
        *,
        learnt: Callable[[str], None],
        announce: Announce,
        note: Note,
    ) -> None:
        """`learnt` is told each secret before it is used, `announce` each change, and `note` each login and logout."""
        self._files, self._config, self._env = files, config, env
        self._learnt, self._announce, self._note = learnt, announce, note
        self._stamp: Stamp | None = None
        self._found = Found()
        self._secrets: set[str] = set()
        self._spawn: Callable[[Callable[[], Awaitable[None]]], None] | None = None
        self.under_way = LoginUnderWay(self._start, self._store_tokens, self._login_ended)
        self._refreshes = Refreshes(self._start)

    async def run(self) -> None:
        """Own the logins and refreshes that are under way, for as long as the daemon runs."""
        async with trio.open_nursery() as nursery:
            self._spawn = nursery.start_soon
            try:
                await trio.sleep_forever()
            finally:
                self._spawn = None

    def found(self) -> Found:
        """What auth.json has now, as far as the config allows it."""
        stamp = self._files.stamp()
        if stamp != self._stamp:
            before, known = self._found.login, self._stamp is not None
            self._stamp, self._found = stamp, self._files.read()
            if self._found.login is not None:
                self.keep_secret(*self._found.login.secrets)
            if known and _print(before) != _print(self._found.login):
                self.tell_updated()
        return self._allowed(self._found)

    @property
    def login(self) -> Login | None:
        """The login in use."""
        return self.found().login

    def issuer(self, login: Chatgpt | None = None) -> Issuer:
        """The issuer of a login, or of the next one."""
        table = self._config().login
        url = table.issuer or ISSUER
        client = table.client_id or CLIENT_ID
        if login is not None and login.issuer is not None:
            url, client = login.issuer, login.client_id or client
        return Issuer(url, client, self._env)

    def keep_secret(self, *secrets: str) -> None:
        """Nothing that is written from now on has them."""
        for secret in secrets:
            if secret not in self._secrets:
                self._secrets.add(secret)
                self._learnt(secret)

    async def log_in_with_key(self, text: str) -> Callable[[], None]:
        """Store a key; what is returned tells all clients, after the answer. Raises: Unusable, OSError, StoreError."""
        self._refuse_method("api")
        key = checked_key(text)
        self.keep_secret(key)
        self.under_way.give_up()
        self._write(key_members(key))
        await self._note_of("account.logged_in", self._found.login)
        return lambda: self._login_ended(None, None)

    def refuse_chatgpt(self) -> None:
        """Raises: Unusable, where the config allows keys only."""
        self._refuse_method("chatgpt")

    async def log_out(self) -> tuple[bool, str | None]:
        """Forget the login; whether there was one, and Codex's file if Codex stays logged in there.

        Raises:
            OSError
        """
        self.under_way.give_up()
        login, is_codexs = self._found_now().login, self._found.is_codexs
        codexs = self._files.forget()
        self._reread()
        if isinstance(login, Chatgpt) and not is_codexs:
            self._start(lambda: self._revoke(login))
        await self._note_of("account.logged_out", login)
        return login is not None, None if codexs is None else str(codexs)

    def tell_updated(self) -> None:
        """Tell all clients which account is in use."""
        self._announce(ACCOUNT_UPDATED, self._updated())

    async def renewed(self, login: Chatgpt) -> Chatgpt:
        """The same account with newer tokens; however many ask, the issuer is asked once.

        Raises:
            LoginEnded: there are no newer ones, and a person has to log in.
            IssuerFailed: the issuer did not answer; it may later.
        """
        current = self._current(login)
        if current.access_token != login.access_token:
            return current  # Another request was faster, or another program.
        if self._found.is_codexs:
            raise LoginEnded(
                f"the access token in {self._files.codexs}, which is Codex's, is no longer valid. codexd does not "
                "refresh it, since that would end Codex's own login: run `codex` once, or `codexctl login`"
            )
        return await self._refreshes.join(current, lambda: self._refresh(current))

    def _current(self, login: Chatgpt) -> Chatgpt:
        """The login of the same account, as it is now. Raises: LoginEnded."""
        current = self._found_now().login
        if isinstance(current, Chatgpt) and current.fingerprint == login.fingerprint:
            return current
        what = "logged out" if current is None else "logged in to another account"
        raise LoginEnded(f"somebody has {what} since this turn started: send it again")

    async def _refresh(self, login: Chatgpt) -> Chatgpt:
        """Raises: LoginEnded, IssuerFailed."""
        try:
            tokens = await self.issuer(login).refresh(
                login.refresh_token, self._env.get(REFRESH_URL)
            )
        except IssuerFailed as error:
            raise refresh_problem(error) from error
        self.keep_secret(*filter(None, msgspec.structs.astuple(tokens)))
        found = self._found_now()
        held = found.login
        is_ours = isinstance(held, Chatgpt) and held.refresh_token == login.refresh_token
        members = refreshed_members(
            found.members if is_ours else _members_of(login), tokens, _now()
        )
        renewed = read_login(members)
        if not isinstance(renewed, Chatgpt) or not _is_same_account(login, renewed):
            raise LoginEnded("the issuer gave the tokens of another account. Run `codexctl login`")
        if is_ours and not found.is_codexs:  # Else somebody has logged out meanwhile.
            self._write(members)
        return renewed

    async def _store_tokens(self, tokens: Tokens, issuer: Issuer) -> None:
        """Raises: Unusable, OSError."""
        self.keep_secret(*filter(None, msgspec.structs.astuple(tokens)))
        members = token_members(tokens, issuer.url, issuer.client_id, _now())
        login = read_login(members)
        assert isinstance(login, Chatgpt)
        if (problem := _workspace_problem(login, self._config())) is not None:
            raise Unusable(problem)
        self._write(members)
        await self._note_of("account.logged_in", self._found.login)

    def _login_ended(self, login_id: str | None, problem: str | None) -> None:
        done = AccountLoginCompletedNotification(
            login_id=login_id, success=problem is None, error=problem
        )
        self._announce(LOGIN_COMPLETED, done)
        if problem is None:
            self.tell_updated()

    async def _note_of(self, kind: str, login: Login | None) -> None:
        if login is not None:
            await self._note(kind, {"method": login.method, "fingerprint": login.fingerprint})

    async def _revoke(self, login: Chatgpt) -> None:
        with trio.move_on_after(REVOKE_SECONDS_MAX):
            try:
                await self.issuer(login).revoke(login.refresh_token)
            except IssuerFailed as error:
                log.info("logged out; the issuer did not take the tokens back: %s", error)

    def _write(self, members: Members) -> None:
        self._files.write(members)
        self._reread()

    def _reread(self) -> None:
        """After a change of our own, which is announced by its maker."""
        self._stamp, self._found = self._files.stamp(), self._files.read()

    def _found_now(self) -> Found:
        self.found()
        return self._found

    def _updated(self) -> AccountUpdatedNotification:
        match self._allowed(self._found).login:
            case ApiKey():
                return AccountUpdatedNotification("apikey")
            case Chatgpt() as login:
                return AccountUpdatedNotification("chatgpt", wire_plan(login.claims.plan))
            case None:
                return AccountUpdatedNotification(None)

    def _allowed(self, found: Found) -> Found:
        """Without a login that the config does not allow."""
        login, config = found.login, self._config()
        problem = None
        if isinstance(login, ApiKey) and config.forced_login_method == "chatgpt":
            problem = 'it has a key, and forced_login_method is "chatgpt"'
        elif isinstance(login, Chatgpt):
            problem = (
                'it has a login with ChatGPT, and forced_login_method is "api"'
                if config.forced_login_method == "api"
                else _workspace_problem(login, config)
            )
        if problem is None:
            return found
        return msgspec.structs.replace(
            found, login=None, problem=f"{found.file} is not used: {problem}"
        )

    def _refuse_method(self, method: str) -> None:
        """Raises: Unusable."""
        forced = self._config().forced_login_method
        if forced not in (None, method):
            raise Unusable(f'forced_login_method in config.toml allows "{forced}" only')

    def _start(self, task: Callable[[], Awaitable[None]]) -> None:
        assert self._spawn is not None, "the daemon runs"
        self._spawn(task)


def _workspace_problem(login: Chatgpt, config: Config) -> str | None:
    """Why the config does not allow a login's workspace; None: it does."""
    wanted = config.forced_chatgpt_workspace_id
    allowed = (wanted,) if isinstance(wanted, str) else wanted
    if allowed is None or login.account_id in allowed:
        return None
    return "it is a login to another workspace than forced_chatgpt_workspace_id names"


def _is_same_account(login: Chatgpt, renewed: Chatgpt) -> bool:
    """Whether refreshed tokens are of the same account and person, as far as they say."""
    claims = renewed.claims
    return claims.account_id in (None, login.account_id) and (
        None in (claims.user_id, login.claims.user_id) or claims.user_id == login.claims.user_id
    )


def _members_of(login: Chatgpt) -> Members:
    tokens = {
        "id_token": login.id_token,
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "account_id": login.account_id,
    }
    return {"auth_mode": "chatgpt", "tokens": tokens}


def _print(login: Login | None) -> str | None:
    return None if login is None else login.fingerprint


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
