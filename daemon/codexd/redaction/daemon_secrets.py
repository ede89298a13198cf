"""All secrets that the daemon knows: from its config, its environment, and the environments of commands.

Law: secrets are only added. A former secret stays secret for as long as the daemon runs, since it may still
occur in later texts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from codexd.config.keys import Config
from codexd.config.live import LiveConfig
from codexd.machine.log_lines import LogLines
from codexd.redaction.names import SECRET_CHARACTERS_MIN, secrets_in
from codexd.redaction.patterns import PATTERNS, Pattern
from codexd.redaction.redactor import Redactor
from codexd.redaction.streaming import StreamRedactor


class DaemonSecrets:
    """Holds the current redactor; its methods can be passed to writers."""

    def __init__(self, config: LiveConfig, env: Mapping[str, str]) -> None:
        self._config, self._env = config, env
        self._login: Mapping[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._former: set[tuple[str, str]] = set()  # names with the secrets that they had before
        self._built_of: Config | None = None
        self.known = Redactor(patterns=())  # `--known` scrubs with it if redaction is off
        self._used = self.known
        self.refresh()

    def __call__(self, content: bytes) -> bytes:
        """Content for a log or a blob, without secrets."""
        return self._used(content)

    def text(self, text: str) -> str:
        return self._used.text(text)

    def stream(self) -> StreamRedactor:
        """A redactor for a text that grows."""
        return StreamRedactor(lambda: self._used)

    def login_taken(self, variables: Mapping[str, str]) -> None:
        """Commands run in this environment from now on."""
        self._login = variables
        self._build(self._config.last_good())

    def passed_taken(self, variables: Mapping[str, str]) -> None:
        """Commands of a turn have these variables, which a client passed."""
        if self._take(variables):
            self._build(self._config.last_good())

    def learnt(self, secret: str) -> None:
        """The daemon has a secret that is in no file of the person's, for example a token of a login."""
        if len(secret) >= SECRET_CHARACTERS_MIN and self._add(
            {f"login.{len(self._former)}.{len(self._secrets)}": secret}
        ):
            self._build(self._config.last_good())

    def refresh(self) -> None:
        """Rebuild the redactor if the config has changed."""
        config = self._config.last_good()
        if config is not self._built_of:
            self._build(config)

    def _build(self, config: Config) -> None:
        self._built_of = config
        table = config.redaction
        # The daemon's own names first: they say more than a name that a profile gave the same value.
        for variables in (self._env, self._login):
            self._take(variables)
        self._add(_written_in(config))
        spared = frozenset(table.except_variables)
        secrets = [
            (name, value)
            for name, value in (*self._secrets.items(), *sorted(self._former))
            if name not in spared
        ]
        own = [Pattern(name, regex.encode()) for name, regex in table.patterns.items()]
        kinds = frozenset(table.except_patterns)
        patterns = [pattern for pattern in PATTERNS if pattern.kind not in kinds]
        self.known = Redactor(secrets, patterns=patterns, own=own)
        self._used = self.known if table.enabled else Redactor(patterns=())

    def _take(self, variables: Mapping[str, str]) -> bool:
        """Add the secrets among variables; returns whether any is new."""
        config = self._config.last_good()
        named = frozenset(config.redaction.variables).union(
            *[table.variables for table in config.model_providers.values()],
            *[table.variables for table in config.mcp_servers.values()],
            config.otel.variables,
            config.feedback.variables,
        )
        spared = frozenset(config.redaction.except_variables)
        return self._add(secrets_in(variables, named=named, spared=spared))

    def _add(self, secrets: Mapping[str, str]) -> bool:
        new = {
            (name, value)
            for name, value in secrets.items()
            if self._secrets.get(name) != value and (name, value) not in self._former
        }
        self._former |= {(name, self._secrets[name]) for name, _ in new if name in self._secrets}
        self._secrets |= dict(new)
        return bool(new)


def _written_in(config: Config) -> dict[str, str]:
    """Values of headers and of query parameters: some providers take their keys there. Those of MCP servers too, and
    secrets among the variables that these are given.
    """
    found: dict[str, str] = {}
    for server, own in config.mcp_servers.items():
        named = secrets_in(own.env) | {
            name: value for name, value in own.http_headers.items() if not _HARMLESS.search(name)
        }
        found |= {
            f"{server}.{name}": value.removeprefix("Bearer ")
            for name, value in named.items()
            if len(value) >= SECRET_CHARACTERS_MIN
        }
    found |= {
        f"otel.{name}": value.removeprefix("Bearer ")
        for name, value in (*config.otel.literal_headers(), *config.feedback.headers.items())
        if len(value) >= SECRET_CHARACTERS_MIN and not _HARMLESS.search(name)
    }
    for provider, table in config.model_providers.items():
        for name, value in (*table.http_headers.items(), *table.query_params.items()):
            if len(value) >= SECRET_CHARACTERS_MIN and not _HARMLESS.search(name):
                found[f"{provider}.{name}"] = value.removeprefix("Bearer ")
    return found


# Headers and parameters that identify the client or the request, with values that occur in other text.
_HARMLESS = re.compile(
    r"(?i)(?:version|beta|agent|title|referer|source|region|project|organization|model|name)"
)


@contextmanager
def clean_logs(redact: Callable[[str], str]) -> Iterator[None]:
    """Redact all log handlers of the process, for as long as the context lasts."""
    handlers = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    for handler, formatter in handlers:
        inner = formatter.inner if isinstance(formatter, LogLines) else formatter
        handler.setFormatter(LogLines(inner or logging.Formatter(), redact))
    try:
        yield
    finally:
        for handler, formatter in handlers:
            handler.setFormatter(formatter)
