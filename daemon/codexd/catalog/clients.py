"""The providers of config.toml and of the built-in table, with a client for each that is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from codexd.account.payment import CHATGPT_URL, EXEC_KEY, Payment, Payments
from codexd.catalog.web_search import web_search_declaration
from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.core.values.settings import Settings
from codexd.models.builtin import BUILT_IN, LOCAL, usable_names
from codexd.models.client import ModelClient, ModelError
from codexd.models.http.local import LocalModel, LocalServer, NoLocalModel, find_local
from codexd.models.provider import InvalidProvider, Provider, read_provider
from codexd.models.provider_table import ProviderTable

if TYPE_CHECKING:
    from codexd.models.http.client import HttpModelClient

CODEX_PATH: Final = "/codex"  # of ChatGPT's server, where it takes requests to models
_Source = tuple[ProviderTable | None, str | None]
# Queued requests for the context window of a local server: there are four servers, and a turn asks once.
ASKED_MAX: Final = 8


class Providers:
    """Clients by provider name; a table that has changed gets a new client for the next request."""

    def __init__(self, config: LiveConfig, env: Mapping[str, str], payments: Payments) -> None:
        self._config, self._env, self._payments = config, env, payments
        self._read: dict[str, tuple[_Source, Provider]] = {}
        self._clients: dict[tuple[str, bool], tuple[Provider, HttpModelClient]] = {}
        self._retired: list[HttpModelClient] = []
        self._windows: dict[tuple[str, str], int] = {}
        self._secret = frozenset(
            str(table["env_key"]) for table in BUILT_IN.values() if "env_key" in table
        )
        self._secret_of: Config | None = None  # the configuration whose variables are in it
        self._ask, self._asked = trio.open_memory_channel[str](ASKED_MAX)

    async def run(self) -> None:
        """Ask local servers for their context windows, when a turn that needs one has begun."""
        async for name in self._asked:
            with suppress(NoLocalModel, ModelError):
                await self.find_local(name, None)

    def client(self, name: str, turn_id: str = "") -> ModelClient:
        """The provider's client, for a turn. Raises: ModelError, if there is no provider of that name."""
        payment = self.payment(name, turn_id)
        return self._http(self._placed(payment), payment.is_chatgpt).paid_by(payment)

    def placed(self, name: str, turn_id: str) -> Provider:
        """The provider with the address that the requests of a turn go to. Raises: ModelError."""
        return self._placed(self.payment(name, turn_id))

    def payment(self, name: str, turn_id: str = "") -> Payment:
        """What the requests of a turn are paid with. Raises: ModelError, if there is no provider of that name."""
        return self._payments.of(self.provider(name), turn_id)

    async def chatgpt_usage(self, name: str) -> bytes | None:
        """What ChatGPT's server says of the limits of the account in use; None where requests do not go there.

        Raises:
            ModelError
        """
        payment = self.payment(name)
        placed = self._placed(payment)
        if placed == payment.provider:
            return None
        url = f"{placed.base_url.removesuffix(CODEX_PATH)}/wham/usage"
        return await self._http(placed, True).read(url, payment)

    def provider(self, name: str) -> Provider:
        """The provider of that name. Raises: ModelError."""
        return self._provider_by(self._config.last_good(), name)

    def _provider_by(self, config: Config, name: str) -> Provider:
        source = (config.model_providers.get(name), config.openai_base_url)
        kept = self._read.get(name)
        if kept is None or kept[0] != source:
            kept = self._read[name] = (source, _provider(name, config, str(self._config.file)))
        return kept[1]

    def _placed(self, payment: Payment) -> Provider:
        """The provider where it takes this payment: OpenAI has another address for ChatGPT's plans."""
        provider = payment.provider
        if not payment.is_chatgpt or provider.base_url != BUILT_IN["openai"]["base_url"]:
            return provider
        base = self._config.last_good().chatgpt_base_url or CHATGPT_URL
        return msgspec.structs.replace(provider, base_url=base.rstrip("/") + CODEX_PATH)

    def _http(self, provider: Provider, is_chatgpt: bool) -> HttpModelClient:
        key = (provider.key, is_chatgpt)
        kept = self._clients.get(key)
        if kept is not None and kept[0] == provider:
            return kept[1]
        if kept is not None:
            self._retired.append(kept[1])  # A request of it may be under way.
        # Imported here, since the daemon answers before a client needs a model.
        from codexd.models.http.client import HttpModelClient

        client = HttpModelClient(provider, self._env)
        self._clients[key] = (provider, client)
        return client

    def usable(self) -> Iterator[Provider]:
        """The providers that work without another key of config.toml, by their names."""
        for name in sorted(self.key_variables()):
            with suppress(ModelError):
                yield self.provider(name)

    def key_variables(self) -> dict[str, str | None]:
        """The variable that holds the key of each provider."""
        tables = self._config.last_good().model_providers
        known = {name: str(BUILT_IN[name].get("env_key") or "") or None for name in usable_names()}
        return known | {
            name: table.env_key or str(BUILT_IN.get(name, {}).get("env_key") or "") or None
            for name, table in tables.items()
        }

    def secret_variables(self) -> frozenset[str]:
        """The variables that hold keys and headers of any provider, MCP server or collector known since the start.

        Those that were removed from the config, or just added to it, count too.
        """
        config = self._config.last_good()
        if config is self._secret_of:
            return self._secret
        self._secret_of = config
        self._secret = self._secret.union(
            *[table.variables for table in config.model_providers.values()],
            *[table.variables for table in config.mcp_servers.values()],
            config.otel.variables,
            config.feedback.variables,
        )
        return self._secret

    async def find_local(
        self, name: str | None, model: str | None
    ) -> tuple[LocalServer, LocalModel]:
        """The local server that answers, and the model to use: the named server, else the config's
        `oss_provider`, else the first that answers.

        Raises:
            NoLocalModel, ModelError
        """
        config = self._config.last_good()
        named = name or config.oss_provider
        if named is not None and named not in LOCAL and named not in config.model_providers:
            raise NoLocalModel(
                f"expected a local provider, one of {', '.join(LOCAL)}, or one of config.toml, "
                f"found {named!r}. Nothing was sent."
            )
        names = LOCAL if named is None else (named,)
        found, chosen = await find_local(
            [self._provider_by(config, table_name) for table_name in names],
            model,
            self._env,
        )
        for found_model in found.models:
            if found_model.context_window is not None:
                self._windows[found.provider.key, found_model.id] = found_model.context_window
        return found, chosen

    def window(self, name: str, model: str) -> int | None:
        """The context window in tokens that a local server reported; None: unknown, and the server is asked again.

        A server that loads a model at its first use can report it only then.
        """
        known = self._windows.get((name, model))
        if known is None and name in LOCAL:
            with suppress(trio.WouldBlock):
                self._ask.send_nowait(name)
        return known

    def web_search(self, settings: Settings) -> bytes | None:
        """The declaration of the provider's web search; None if it has none, or may not search."""
        config = self._config.last_good()
        try:
            provider = self._provider_by(config, settings.provider)
        except ModelError:
            return None
        if provider.wire_api != "responses" or not provider.quirks.web_search:
            return None
        return web_search_declaration(config, settings.sandbox)

    def given_variables(self) -> tuple[str, ...]:
        """The variables of all providers and that of `exec`, which a client may give with a turn."""
        tables = self._config.last_good().model_providers.values()
        names = {name for name in self.key_variables().values() if name is not None}
        return tuple(sorted(names.union({EXEC_KEY}, *[table.variables for table in tables])))

    async def aclose(self) -> None:
        for _, client in self._clients.values():
            await client.aclose()
        for client in self._retired:
            await client.aclose()


def _provider(name: str, config: Config, file: str) -> Provider:
    table = config.model_providers.get(name)
    try:
        if table is None:
            moved = config.openai_base_url if name == "openai" else None
            return read_provider(name, {} if moved is None else {"base_url": moved})
        members, unsaid = msgspec.to_builtins(table), msgspec.to_builtins(ProviderTable())
        return read_provider(
            name, {key: value for key, value in members.items() if value != unsaid[key]}
        )
    except InvalidProvider as problem:
        raise ModelError(
            f"model provider {name!r} cannot be used: {problem} (see {file}); nothing was sent",
            info="badRequest",
        ) from problem
