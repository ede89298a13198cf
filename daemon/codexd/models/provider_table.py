"""The keys of a table `[model_providers.NAME]`, for the reader of config.toml and for the clients of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# More retries take hours, because of the back-off: the daemon would look alive and do nothing. The bound of Codex.
RETRIES_MAX = 100

WireApi = Literal["responses", "chat"]
Url = Annotated[str, "a URL, a string"]
Variable = Annotated[str, "the name of an environment variable, a string"]
HeaderVariables = Annotated[
    Mapping[str, str], "a table of strings, each the name of an environment variable"
]
Retries = Annotated[int, Meta(ge=0, le=RETRIES_MAX), f"an integer from 0 to {RETRIES_MAX}"]
QuirkTable = Annotated[Mapping[str, str | bool], "a table of strings, true and false"]
Milliseconds = Annotated[int, Meta(gt=0), "a number of milliseconds, an integer above 0"]


class ProviderKeys(msgspec.Struct, frozen=True):
    """The keys that mean the same in the file and in use; None: not set, the built-in provider's value is used."""

    name: str | None = None
    base_url: Url | None = None
    env_key: Variable | None = None
    wire_api: WireApi | None = None  # None: the built-in's, else "responses"
    query_params: Mapping[str, str] = {}
    http_headers: Mapping[str, str] = {}
    env_http_headers: HeaderVariables = {}  # header: name of the variable that holds its value
    request_max_retries: Retries = 4
    stream_max_retries: Retries = 5
    stream_idle_timeout_ms: Milliseconds = 300_000
    requires_openai_auth: bool = False
    # Such an API accepts reasoning only by the ids of the items that it stored.
    requires_item_ids: bool = False  # does not accept `store: false`: for Azure's API of 2025


class ProviderTable(ProviderKeys, frozen=True):
    """The table as it is in config.toml."""

    quirks: QuirkTable = {}  # how its chat completions API differs

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that its key and its headers are taken from."""
        return frozenset(filter(None, (self.env_key, *self.env_http_headers.values())))
