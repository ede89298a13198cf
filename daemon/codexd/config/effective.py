"""The settings in force as JSON, for clients: by their names in config.toml, without secrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from codexd.config.file import ReadConfig
from codexd.config.keys import Config, ToolsTable
from codexd.config.mcp_table import McpServerTable
from codexd.config.otel_table import without_secrets
from codexd.core.values.shown import REDACTED, shown_url, shown_variable


def effective(config: Config) -> bytes:
    """The settings in force as JSON, by their names in config.toml, with secrets left out."""
    providers = {
        name: msgspec.structs.replace(
            table,
            base_url=None if table.base_url is None else shown_url(table.base_url),
            env_key=None if table.env_key is None else shown_variable(table.env_key),
            http_headers=_redacted(table.http_headers),
            query_params=_redacted(table.query_params),
            env_http_headers=_variables(table.env_http_headers),
        )
        for name, table in config.model_providers.items()
    }
    redaction = msgspec.structs.replace(
        config.redaction,
        variables=tuple(map(shown_variable, config.redaction.variables)),
        except_variables=tuple(map(shown_variable, config.redaction.except_variables)),
        patterns=_redacted(
            config.redaction.patterns
        ),  # A pattern for a secret may contain the secret.
    )
    return msgspec.json.encode(
        msgspec.structs.replace(
            config,
            model_providers=providers,
            mcp_servers={name: _server(table) for name, table in config.mcp_servers.items()},
            redaction=redaction,
            otel=without_secrets(config.otel, REDACTED, shown_url),
            # Codex's clients know the table, and not the older form.
            tools=ToolsTable() if isinstance(config.tools.web_search, bool) else config.tools,
        )
    )


def _server(table: McpServerTable) -> McpServerTable:
    token = table.bearer_token_env_var
    return msgspec.structs.replace(
        table,
        url=None if table.url is None else shown_url(table.url),
        env=_redacted(table.env),
        env_vars=tuple(map(shown_variable, table.passed_variables)),
        bearer_token_env_var=None if token is None else shown_variable(token),
        http_headers=_redacted(table.http_headers),
        env_http_headers=_variables(table.env_http_headers),
    )


def _variables(names: Mapping[str, str]) -> dict[str, str]:
    return {header: shown_variable(name) for header, name in names.items()}


def _redacted(values: Mapping[str, str]) -> dict[str, str]:
    # Values of query parameters too: some providers take their key there.
    return dict.fromkeys(values, REDACTED)


class _Layer(msgspec.Struct, frozen=True, tag="user"):
    file: str
    profile: None = None


class _Origin(msgspec.Struct, frozen=True):
    name: _Layer
    version: str


def origins(read: ReadConfig) -> bytes:
    """The source file of each dotted key, as JSON, without keys at their default."""
    origin = _Origin(_Layer(read.file), read.version)
    return msgspec.json.encode(dict.fromkeys(read.keys, origin))
