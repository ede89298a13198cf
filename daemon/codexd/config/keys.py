"""The keys of config.toml: their types and defaults, and the keys that only Codex has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from codexd.core.values.settings import ApprovalPolicy, SandboxMode

Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]  # the bound of Codex
Positive = Annotated[int, msgspec.Meta(gt=0)]
ReasoningSummary = Literal["auto", "concise", "detailed", "none"]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class ProviderTable(msgspec.Struct, frozen=True):
    """A table `[model_providers.NAME]`; `codexd.models` defines the meaning of its members."""

    name: str | None = None
    base_url: str | None = None
    env_key: str | None = None
    wire_api: Literal["responses", "chat"] | None = None  # None: the built-in's, else "responses"
    query_params: Mapping[str, str] = {}
    http_headers: Mapping[str, str] = {}
    env_http_headers: Mapping[str, str] = {}  # header: name of the variable that holds its value
    request_max_retries: Retries = 4
    stream_max_retries: Retries = 5
    stream_idle_timeout_ms: Positive = 300_000
    requires_openai_auth: bool = False
    requires_item_ids: bool = False  # does not accept `store: false`: for Azure's API of 2025
    quirks: Mapping[str, str | bool] = {}  # how its chat completions API differs


class ProjectTable(msgspec.Struct, frozen=True):
    """A table `[projects."/folder"]`: the TUI asks whether a folder is trusted unless it says so."""

    trust_level: Literal["trusted", "untrusted"] | None = None


class RedactionTable(msgspec.Struct, frozen=True):
    """The table `[redaction]`: which secrets are removed from every log."""

    enabled: bool = True
    variables: tuple[str, ...] = ()  # more variables that hold secrets, regardless of their names
    except_variables: tuple[
        str, ...
    ] = ()  # variables that hold no secrets, regardless of their names
    patterns: Mapping[str, str] = {}  # name: a regular expression, repeats bounded: {1,100}
    except_patterns: tuple[str, ...] = ()  # well-known kinds of secrets that are not searched for


class TitlesTable(msgspec.Struct, frozen=True):
    """The table `[titles]`: titles of threads without a name."""

    by_model: bool = False  # a model is asked for a title when the first turn starts
    model: str | None = None  # a model of the thread's provider; None: the thread's own


# US dollars per million tokens: no price is near the upper bound, and every digit down to 10^-6 counts.
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class PriceTable(msgspec.Struct, frozen=True):
    """A table `[prices."MODEL"]`: the price of the model's tokens, in place of codexd's own."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None  # None: as the input
    cache_write: Dollars | None = None  # the same


class Config(msgspec.Struct, frozen=True):
    """The settings; keys that the file does not set have their default."""

    model: str | None = None  # None: the catalogue's default
    model_provider: str = "openai"
    # There is no sandbox yet that could replace a person's decision, so a person is asked.
    approval_policy: ApprovalPolicy = "untrusted"
    sandbox_mode: SandboxMode = "workspace-write"
    model_reasoning_effort: str | None = None  # any value: models differ
    model_reasoning_summary: ReasoningSummary | None = (
        None  # None: auto, if the model has summaries
    )
    model_verbosity: Literal["low", "medium", "high"] | None = None
    model_context_window: Positive | None = None  # tokens; None: the catalogue's value
    model_auto_compact_token_limit: Positive | None = None  # None: nine tenths of the window
    compact_prompt: str | None = None  # the prompt for a summary; None: codexd's own
    experimental_compact_prompt_file: str | None = None  # the same, from a file
    oss_provider: str | None = None  # the local provider of `--oss`; None: the first that answers
    # A file whose text replaces the base instructions of new threads.
    model_instructions_file: str | None = None
    developer_instructions: str | None = None  # sent in new threads
    hide_agent_reasoning: bool = False  # codexctl shows no reasoning
    show_raw_agent_reasoning: bool = False  # codexctl shows raw reasoning, not only summaries
    # Names that mark the root of a project, where AGENTS.md files begin; none: only the working directory's file.
    project_root_markers: tuple[str, ...] = (".git",)
    project_doc_fallback_filenames: tuple[str, ...] = ()  # tried in a folder without AGENTS.md
    project_doc_max_bytes: NotNegative = 32_768  # of all AGENTS.md together; 0: no file is read
    on_restart: Literal["resume", "interrupt"] = "resume"  # for a turn that a crash cut short
    model_providers: Mapping[str, ProviderTable] = {}
    projects: Mapping[str, ProjectTable] = {}
    redaction: RedactionTable = RedactionTable()
    review_model: str | None = None  # the model of `review/start`; None: the thread's own model
    titles: TitlesTable = TitlesTable()
    prices: Mapping[str, PriceTable] = {}


# The expected value of each key, for errors and the reference.
EXPECTED: Mapping[str, str] = {
    "model": "a string",
    "model_provider": "the name of a provider, a string",
    "approval_policy": '"untrusted", "on-request" or "never"',
    "sandbox_mode": '"read-only", "workspace-write" or "danger-full-access"',
    "model_reasoning_effort": 'a string, such as "low", "medium" or "high"',
    "model_reasoning_summary": '"auto", "concise", "detailed" or "none"',
    "model_verbosity": '"low", "medium" or "high"',
    "model_context_window": "a number of tokens, an integer above 0",
    "model_auto_compact_token_limit": "so many tokens in context, an integer above 0",
    "compact_prompt": "a string",
    "experimental_compact_prompt_file": "the path of a file, a string",
    "oss_provider": '"ollama", "lmstudio", "llamacpp" or "vllm"',
    "model_instructions_file": "the path of a file, a string",
    "developer_instructions": "a string",
    "hide_agent_reasoning": "true or false",
    "show_raw_agent_reasoning": "true or false",
    "project_root_markers": "a list of names of files or folders",
    "project_doc_fallback_filenames": "a list of names of files",
    "project_doc_max_bytes": "a number of bytes, an integer from 0 on",
    "on_restart": '"resume" or "interrupt"',
    "model_providers": "tables [model_providers.NAME]",
    "projects": 'tables [projects."/FOLDER"]',
    "redaction": "a table [redaction]",
    "review_model": "a string",
    "titles": "a table [titles]",
    "prices": 'tables [prices."MODEL"] with `input` and `output`',
}
EXPECTED_OF_TITLES: Mapping[str, str] = {
    "by_model": "true or false",
    "model": "the name of a model, a string",
}
EXPECTED_OF_REDACTION: Mapping[str, str] = {
    "enabled": "true or false",
    "variables": "a list of names of environment variables",
    "except_variables": "a list of names of environment variables",
    "patterns": "a table of strings, each a regular expression that matches something",
    "except_patterns": "a list of kinds of secrets",
}
EXPECTED_OF_PROVIDER: Mapping[str, str] = {
    "name": "a string",
    "base_url": "a URL, a string",
    "env_key": "the name of an environment variable, a string",
    "wire_api": '"responses" or "chat"',
    "query_params": "a table of strings",
    "http_headers": "a table of strings",
    "env_http_headers": "a table of strings, each the name of an environment variable",
    "request_max_retries": "an integer from 0 to 100",
    "stream_max_retries": "an integer from 0 to 100",
    "stream_idle_timeout_ms": "a number of milliseconds, an integer above 0",
    "requires_openai_auth": "true or false",
    "requires_item_ids": "true or false",
    "quirks": "a table of strings, true and false",
}
EXPECTED_OF_PRICE: Mapping[str, str] = {
    "input": "US dollars a million tokens, a number from 0 on",
    "output": "US dollars a million tokens, a number from 0 on",
    "cached_input": "US dollars a million tokens, a number from 0 on",
    "cache_write": "US dollars a million tokens, a number from 0 on",
}
EXPECTED_OF_PROJECT: Mapping[str, str] = {"trust_level": '"trusted" or "untrusted"'}

# Keys of Codex that codexd does not use: they give no warning.
FOREIGN_KEYS = frozenset(
    """
    agents allow_login_shell analytics approvals_reviewer apps background_terminal_max_timeout
    browser_use chatgpt_base_url check_for_update_on_startup cli_auth_credentials_store commit_attribution
    computer_use default_permissions desktop disable_paste_burst
    experimental_instructions_file experimental_use_unified_exec_tool
    features feedback file_opener forced_chatgpt_workspace_id forced_login_method ghost_snapshot
    history hooks instructions js_repl_node_path log_dir marketplaces
    mcp_oauth_callback_port mcp_oauth_callback_url mcp_oauth_credentials_store mcp_servers memories
    model_auto_compact_token_limit_scope model_catalog_json
    model_supports_reasoning_summaries notice notify openai_base_url
    otel permissions personality plan_mode_reasoning_effort plugins profile profiles
    sandbox_workspace_write service_tier shell_environment_policy skills
    sqlite_home suppress_unstable_features_warning tool_output_token_limit tools tui web_search windows
    disable_response_storage preferred_auth_method experimental_use_rmcp_client zsh_path
    """.split()  # noqa: SIM905 (as a list it would be eighty lines)
)
FOREIGN_PROVIDER_KEYS = frozenset(
    {"env_key_instructions", "supports_websockets", "websocket_connect_timeout_ms", "auth", "aws"}
)
