"""What the requests of a turn are paid with: the login or the key that counted when the turn began.

    a provider with `requires_openai_auth`   the key of CODEX_API_KEY, where `codexctl exec` was given one; else the
                                             login of auth.json, else the key of its variable
    any other                                the key of its variable, and headers of variables

Law: a turn keeps what it started with. Newer tokens of the same account are the same login. Keys that a client gives
are in memory only: no event, log, file or command has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from codexd.account.account import Account
from codexd.account.issuer import IssuerFailed
from codexd.account.login import ApiKey, Chatgpt, Login, masked
from codexd.account.refresh import LoginEnded, is_stale
from codexd.core.values.items import ErrorInfo
from codexd.models.builtin import BUILT_IN
from codexd.models.client import ModelError
from codexd.models.provider import Paid, Provider, RequestHeaders, request_headers

# The turns whose payments are kept: far more than have work at a time.
KEPT_MAX: Final = 1_000
CHATGPT_URL: Final = "https://chatgpt.com/backend-api"
# What a program that has no login gives to `codex exec`, and the SDK to its child: it comes before a login.
EXEC_KEY: Final = "CODEX_API_KEY"

Key = TypeVar("Key")
Value = TypeVar("Value")

_AGAIN: Final = "`codexctl login` replaces it, `codexctl whoami` shows it"


class Payments:
    """Those of turns, and the keys that clients have given."""

    def __init__(self, account: Account, env: Mapping[str, str]) -> None:
        self.account, self._env = account, env
        self._given: dict[str, str] = {}  # the newest value of each variable
        self._of_turn: dict[str, Mapping[str, str]] = {}  # what came with a turn, the newest last
        self._begun: dict[tuple[str, str], Payment] = {}  # by turn and provider, the newest last

    def begin(self, turn_id: str, keys: Mapping[str, str]) -> None:
        """A turn is about to begin, with these values of variables of the shell that sent it."""
        self.account.keep_secret(*filter(None, keys.values()))
        self._given |= keys
        _put(self._of_turn, turn_id, keys)

    def of(self, provider: Provider, turn_id: str) -> Payment:
        """The payment of a turn's requests; it is settled with the first of them."""
        key = (turn_id, provider.key)
        begun = self._begun.get(key)
        if begun is not None and begun.provider == provider:
            return begun
        brought = self._of_turn.get(turn_id, {})
        env = self._variables(provider, brought)
        has_own = own_key(provider) is not None and env.get(provider.env_key or "", "").strip()
        login = None
        if not has_own and is_paid_by_login(provider):
            given = brought.get(EXEC_KEY, "").strip()
            login = ApiKey(given) if given else self.account.login
            env = {**env, EXEC_KEY: given}
        if begun is not None:  # The provider's table has changed since.
            login = begun.login
        payment = Payment(self.account, provider, login, env)
        if turn_id:
            _put(self._begun, key, payment)
        return payment

    def _variables(self, provider: Provider, brought: Mapping[str, str]) -> Mapping[str, str]:
        """The variables of a provider: of the shell that sent the turn, else the newest, else the daemon's."""
        names = filter(None, (provider.env_key, *provider.env_http_headers.values()))
        sources = (brought, self._given, self._env)
        found = {name: [s[name] for s in sources if s.get(name)] for name in names}
        return {name: values[0] for name, values in found.items() if values}

    def value(self, variable: str) -> str | None:
        """The newest value of a variable of a provider; None: it is not set, or empty."""
        return (self._given.get(variable) or self._env.get(variable, "")).strip() or None


class Payment:
    """What one turn's requests to one provider are paid with."""

    def __init__(
        self, account: Account, provider: Provider, login: Login | None, env: Mapping[str, str]
    ) -> None:
        self._account, self.provider, self.login, self._env = account, provider, login, env
        self._headers: RequestHeaders | None = None
        self._headers_of: Login | None = None
        self._is_fresh = False  # as fresh as it gets

    @property
    def fingerprint(self) -> str:
        """Whose account it is: the same for the same login or key; without any, it is the provider's."""
        if self.login is not None:
            return self.login.fingerprint
        variable = self.provider.env_key
        key = self._env.get(variable, "").strip() if variable is not None else ""
        return ApiKey(key).fingerprint if key else self.provider.key

    @property
    def is_chatgpt(self) -> bool:
        return isinstance(self.login, Chatgpt)

    async def headers(self) -> RequestHeaders:
        """The headers of a request. Raises: ModelError; nothing was sent."""
        if isinstance(self.login, Chatgpt) and not self._is_fresh and is_stale(self.login):
            await self._renew(self.login, needed=False)
        if self._headers is None or self._headers_of is not self.login:
            self._headers, self._headers_of = self._made(), self.login
        return self._headers

    async def renewed(self, refused: RequestHeaders) -> bool:
        """After HTTP 401: whether there are newer tokens. Raises: ModelError, where a person has to log in."""
        login = self.login
        if not isinstance(login, Chatgpt):
            return False
        if refused is not self._headers:
            return True
        await self._renew(login, needed=True)
        return self.login is not login

    async def _renew(self, login: Chatgpt, *, needed: bool) -> None:
        """Raises: ModelError; where it is not needed, the old tokens may still do."""
        self._is_fresh = True
        try:
            self.login = await self._account.renewed(login)
        except LoginEnded as ended:
            if needed:
                text = f"{self.provider.name} does not accept the login any more: {ended}."
                raise ModelError(text, info="unauthorized") from ended
        except IssuerFailed as failed:
            if needed:
                text = f"The login with ChatGPT could not be refreshed: {failed}."
                info: ErrorInfo = {"httpConnectionFailed": {"httpStatusCode": None}}
                raise ModelError(text, info=info, retry=True) from failed

    def _made(self) -> RequestHeaders:
        """Raises: ModelError."""
        match self.login:
            case ApiKey(key):
                advice = f"It is the key of the login ({masked(key)}): {_AGAIN}."
                if key == self._env.get(EXEC_KEY):
                    advice = f"It is the key of {EXEC_KEY} ({masked(key)})."
                paid = Paid({"authorization": f"Bearer {key}"}, key, advice)
            case Chatgpt() as login:
                token = login.access_token
                headers = {"authorization": f"Bearer {token}", "originator": "codexd"}
                if login.account_id is not None:
                    headers["chatgpt-account-id"] = login.account_id
                paid = Paid(headers, token, f"It is the login with ChatGPT: {_AGAIN}.")
            case None:
                return self._by_key()
        return request_headers(self.provider, self._env, paid)

    def _by_key(self) -> RequestHeaders:
        """Raises: ModelError."""
        provider = self.provider
        if is_paid_by_login(provider) and provider.env_key is None:
            problem = self._account.found().problem
            raise ModelError(
                f"There is no login for the model provider {provider.name!r}"
                f"{f' ({problem})' if problem else ''}. Nothing was sent. Ways out: run `codexctl login`; give "
                f"model_providers.{provider.key} an env_key in config.toml; or use a model on this machine, with "
                "`codexctl send --oss`.",
                info="unauthorized",
            )
        return request_headers(provider, self._env)


def own_key(provider: Provider) -> str | None:
    """The variable that somebody named for a provider: its key comes before a login. The built-in one comes after."""
    built_in = BUILT_IN.get(provider.key, {}).get("env_key")
    return None if provider.env_key == built_in else provider.env_key


def is_paid_by_login(provider: Provider) -> bool:
    """Whether a login counts for a provider, unless it has its own key."""
    own = provider.http_headers.keys() | provider.env_http_headers.keys()
    return provider.requires_openai_auth and "authorization" not in {name.lower() for name in own}


def _put(kept: dict[Key, Value], key: Key, value: Value) -> None:
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > KEPT_MAX:
        del kept[next(iter(kept))]
