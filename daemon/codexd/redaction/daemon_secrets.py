"""All secrets that the daemon knows of: from its config, its environment, and the one that commands get.

Law: it only learns. A secret that was one once stays one for as long as the daemon runs: it may still stand
in what comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.redaction.names import SECRET_CHARACTERS_MIN, secrets_in
from codexd.redaction.patterns import PATTERNS, Pattern
from codexd.redaction.redactor import Redactor
from codexd.redaction.streaming import StreamRedactor


class DaemonSecrets:
    """Makes the redactor of the moment; its methods can be handed to whoever writes."""

    def __init__(self, config: LiveConfig, env: Mapping[str, str]) -> None:
        self._config, self._env = config, env
        self._login: Mapping[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._built_of: Config | None = None
        self.known = Redactor(
            patterns=()
        )  # the one that `--known` scrubs with, if redaction is off
        self._used = self.known
        self.refresh()

    def __call__(self, content: bytes) -> bytes:
        """Content for a log or a blob, without secrets."""
        return self._used(content)

    def text(self, text: str) -> str:
        """A text, without secrets."""
        return self._used.text(text)

    def stream(self) -> StreamRedactor:
        """For a text that grows."""
        return StreamRedactor(lambda: self._used)

    def login_taken(self, variables: Mapping[str, str]) -> None:
        """Commands run in this environment from now on."""
        self._login = variables
        self._build(self._config.last_good())

    def refresh(self) -> None:
        """Look whether the config has changed."""
        config = self._config.last_good()
        if config is not self._built_of:
            self._build(config)

    def _build(self, config: Config) -> None:
        self._built_of = config
        table = config.redaction
        # The daemon's own first: a name of its own says more than one that a profile gave the same value.
        for variables in (self._env, self._login):
            self._secrets |= secrets_in(
                variables,
                named={*table.variables, *_key_variables(config)},
                spared=frozenset(table.except_variables),
            )
        self._secrets |= _written_in(config)
        spared = frozenset(table.except_variables)
        secrets = {name: one for name, one in self._secrets.items() if name not in spared}
        own = [Pattern(name, regex.encode()) for name, regex in table.patterns.items()]
        kinds = frozenset(table.except_patterns)
        patterns = [one for one in PATTERNS if one.kind not in kinds]
        self.known = Redactor(secrets, patterns=patterns, own=own)
        self._used = self.known if table.enabled else Redactor(patterns=())


def _key_variables(config: Config) -> set[str]:
    """The variables that providers take their keys and headers from."""
    tables = config.model_providers.values()
    names = {table.env_key for table in tables if table.env_key}
    return names.union(*[table.env_http_headers.values() for table in tables])


def _written_in(config: Config) -> dict[str, str]:
    """Values of headers and of query parameters: some providers take their keys there."""
    found: dict[str, str] = {}
    for provider, table in config.model_providers.items():
        for name, value in (*table.http_headers.items(), *table.query_params.items()):
            if len(value) >= SECRET_CHARACTERS_MIN and _may_be_a_key(name):
                found[f"{provider}.{name}"] = value.removeprefix("Bearer ")
    return found


# Headers and parameters that say who asks or how, and hold words that stand in innocent text.
_HARMLESS = re.compile(
    r"(?i)(?:version|beta|agent|title|referer|source|region|project|organization|model|name)"
)


def _may_be_a_key(name: str) -> bool:
    return _HARMLESS.search(name) is None
