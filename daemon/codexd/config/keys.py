"""The keys of config.toml that codexd uses: their types and defaults.

A key's type and the text in its `Annotated` are also the source of the errors and of the reference page.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from codexd.config.mcp_table import McpServerTable
from codexd.config.otel_table import VARIABLE, OtelTable
from codexd.core.values.limits import TOKENS_MAX
from codexd.core.values.settings import ApprovalPolicy, SandboxMode
from codexd.models.provider_table import ProviderTable

ReasoningSummary = Literal["auto", "concise", "detailed", "none"]
Effort = Annotated[str, 'a string, such as "low", "medium" or "high"']
ModelName = Annotated[str, "the name of a model, a string"]
ProviderName = Annotated[str, "the name of a provider, a string"]
ProfileName = Annotated[str, "the name of a permission profile, a string"]
LocalProvider = Annotated[str, '"ollama", "lmstudio", "llamacpp" or "vllm"']
Tokens = Annotated[int, Meta(gt=0, le=TOKENS_MAX), "a number of tokens, an integer above 0"]
ContextTokens = Annotated[
    int, Meta(gt=0, le=TOKENS_MAX), "a number of tokens in context, an integer above 0"
]
Milliseconds = Annotated[int, Meta(ge=0), "a number of milliseconds, an integer from 0 on"]
Bytes = Annotated[int, Meta(ge=0), "a number of bytes, an integer from 0 on"]
Port = Annotated[int, Meta(ge=1, le=65535), "a TCP port, an integer from 1 to 65535"]
WorkspaceIds = Annotated[str | tuple[str, ...], "a workspace's id, or a list of them"]
Url = Annotated[str, "a URL, a string"]
FilePath = Annotated[str, "the path of a file, a string"]
CodexHome = Annotated[bool | str, "true, false, or the path of a folder"]
FileNames = Annotated[tuple[str, ...], "a list of names of files"]
Markers = Annotated[tuple[str, ...], "a list of names of files or folders"]
Program = Annotated[tuple[str, ...], "a list of strings: a program and its arguments"]
Folders = Annotated[tuple[str, ...], "a list of folders"]
Variables = Annotated[tuple[str, ...], "a list of names of environment variables"]
SecretKinds = Annotated[tuple[str, ...], "a list of kinds of secrets"]
Patterns = Annotated[
    Mapping[str, str], "a table of strings, each a regular expression that matches something"
]


class ProjectTable(msgspec.Struct, frozen=True):
    """A table `[projects."/folder"]`: the TUI asks whether a folder is trusted unless it says so."""

    trust_level: Literal["trusted", "untrusted"] | None = None


FileAccess = Literal["read", "write", "deny", "none"]  # none: as deny, in older files
DomainPermissions = Annotated[
    Mapping[str, Literal["allow", "deny"]], 'a table of domains, each "allow" or "deny"'
]


class NetworkProxyTable(msgspec.Struct, frozen=True):
    """A table `[features.network_proxy]`: the network of commands is a list of domains."""

    enabled: bool = False
    # A key is `example.com`, `*.example.com` (the names below it), `**.example.com` (it and the names below it),
    # an address, or one of these with a port; `"*" = "allow"` is everything on the internet. A refusal wins.
    domains: DomainPermissions = {}
    # Whether a listed name may lead to an address of this machine or of a private network.
    allow_local_binding: bool = False
    mode: Literal["full"] = "full"  # Codex also has "limited", which codexd cannot enforce


class FeaturesTable(msgspec.Struct, frozen=True):
    """The table `[features]`: the keys that codexd uses. A feature that is off takes its tools away."""

    # Whether models get exec_command and write_stdin instead of another tool for commands; None: those that know them.
    unified_exec: bool | None = None
    shell_tool: bool = True  # all tools for commands
    view_image: bool = True
    request_permissions_tool: bool = True

    # A bool alone: a list without domains.
    network_proxy: Annotated[
        bool | NetworkProxyTable,
        'a table [features.network_proxy] with `enabled`, `domains`, each "allow" or "deny", '
        '`allow_local_binding`, and `mode` "full"',
    ] = NetworkProxyTable()

    @property
    def proxy(self) -> NetworkProxyTable:
        """The table, also where a bool stands for it."""
        found = self.network_proxy
        return NetworkProxyTable(enabled=found) if isinstance(found, bool) else found


class WorkspaceWriteTable(msgspec.Struct, frozen=True):
    """The table `[sandbox_workspace_write]`: what the mode workspace-write allows."""

    writable_roots: Folders = ()  # absolute; more folders that commands may write in
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False  # $TMPDIR is not writable
    exclude_slash_tmp: bool = False  # /tmp is not writable


class ProfileNetworkTable(msgspec.Struct, frozen=True):
    """A table `[permissions.NAME.network]`."""

    enabled: bool | None = None  # None: as the profile that it extends, else off
    domains: DomainPermissions = {}  # they hold where `features.network_proxy` is enabled


class PermissionProfileTable(msgspec.Struct, frozen=True):
    """A table `[permissions.NAME]`: what commands may do, under a name. The keys are Codex's."""

    description: str | None = None
    extends: str | None = None  # ":read-only", ":workspace", or another profile
    # More folders in which the rules for ":workspace_roots" hold; false takes away what an extended profile adds.
    workspace_roots: Annotated[Mapping[str, bool], "a table of folders, each true or false"] = {}
    # A path, ":root", ":workspace_roots", ":tmpdir" or ":slash_tmp", with what commands may do there, or with a table
    # of paths below it.
    filesystem: Annotated[
        Mapping[str, int | FileAccess | Mapping[str, FileAccess]],
        'a table of paths, each "read", "write" or "deny", or a table of paths below it',
    ] = {}
    network: Annotated[ProfileNetworkTable, "a table [permissions.NAME.network]"] = (
        ProfileNetworkTable()
    )


class RedactionTable(msgspec.Struct, frozen=True):
    """The table `[redaction]`: which secrets are removed from every log."""

    enabled: bool = True
    variables: Variables = ()  # more variables that hold secrets, regardless of their names
    except_variables: Variables = ()  # variables that hold no secrets, regardless of their names
    patterns: Patterns = {}  # name: a regular expression, repeats bounded: {1,100}
    except_patterns: SecretKinds = ()  # well-known kinds of secrets that are not searched for


class LoginTable(msgspec.Struct, frozen=True):
    """The table `[login]`: where `codexctl login` gets its tokens; None: where Codex gets them."""

    issuer: Url | None = None  # None: https://auth.openai.com
    client_id: str | None = None  # None: that of Codex


class FeedbackTable(msgspec.Struct, frozen=True):
    """The table `[feedback]`: where reports of a problem are sent, when a person sends one."""

    enabled: bool = True
    endpoint: str | None = None  # an address that takes a ZIP file by POST; None: there is none
    # Of the request; `${NAME}` in a value is an environment variable of the daemon.
    headers: Annotated[Mapping[str, str], "a table of strings"] = {}

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that headers name: what they hold is secret."""
        return tuple(VARIABLE.findall(" ".join(self.headers.values())))

    def headers_in(self, env: Mapping[str, str]) -> dict[str, str]:
        """The headers with the values of their variables; one whose variable is not set is left out."""
        return {
            name: VARIABLE.sub(lambda found: env[found[1]], value)
            for name, value in self.headers.items()
            if all(env.get(variable) for variable in VARIABLE.findall(value))
        }


class TitlesTable(msgspec.Struct, frozen=True):
    """The table `[titles]`: titles of threads without a name."""

    by_model: bool = False  # a model is asked for a title when the first turn starts
    model: ModelName | None = None  # a model of the thread's provider; None: the thread's own


class ThreadsTable(msgspec.Struct, frozen=True):
    """The table `[threads]`: whether models work with other threads."""

    tools: bool = False  # models have tools to list, read, start, send to and await threads
    # How deep threads that models start may be nested; 0: they start none.
    max_depth: Annotated[int, Meta(ge=0, le=10), "a number from 0 to 10"] = 1
    # How many threads that one thread has started may run at a time.
    max_children: Annotated[int, Meta(ge=0, le=100), "a number from 0 to 100"] = 4


class WebSearchTable(msgspec.Struct, frozen=True):
    """A table `[tools.web_search]`: where and how a provider searches."""

    context_size: Literal["low", "medium", "high"] | None = None  # None: the provider's choice
    allowed_domains: Annotated[tuple[str, ...], "a list of domains"] | None = None  # None: all
    # Where the person is, roughly: country, region, city, timezone.
    location: Annotated[Mapping[str, str], "a table of strings"] | None = None


class ToolSwitchTable(msgspec.Struct, frozen=True):
    """A table `[tools.update_plan]`."""

    enabled: bool = True


class ToolsTable(msgspec.Struct, frozen=True):
    """The table `[tools]`."""

    update_plan: Annotated[ToolSwitchTable, "a table [tools.update_plan]"] = ToolSwitchTable()

    # A bool is an older form of the key `web_search`: false is "disabled", true is "live".
    web_search: Annotated[
        bool | WebSearchTable | None,
        "true, false, or a table with context_size (low, medium or high), allowed_domains and location",
    ] = None


WebSearchMode = Literal["disabled", "cached", "indexed", "live"]

# US dollars per million tokens: no price is near the upper bound, and every digit down to 10^-6 counts.
Dollars = Annotated[
    float, Meta(ge=0, le=1_000_000), "US dollars a million tokens, a number from 0 on"
]


class PriceTable(msgspec.Struct, frozen=True):
    """A table `[prices."MODEL"]`: the price of the model's tokens, in place of codexd's own."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None  # None: as the input
    cache_write: Dollars | None = None  # the same


Prices = Annotated[Mapping[str, PriceTable], 'tables [prices."MODEL"] with `input` and `output`']


class Config(msgspec.Struct, frozen=True):
    """The settings; keys that the file does not set have their default."""

    model: str | None = None  # None: the catalogue's default
    model_provider: ProviderName = "openai"
    # None: on-request; in a project of trust_level "untrusted": untrusted
    approval_policy: ApprovalPolicy | None = None
    # None: workspace-write in a project with a trust_level, else read-only
    sandbox_mode: SandboxMode | None = None
    sandbox_workspace_write: Annotated[WorkspaceWriteTable, "a table [sandbox_workspace_write]"] = (
        WorkspaceWriteTable()
    )
    # The permission profile of new threads, in place of `sandbox_mode`; None: as `sandbox_mode` says.
    default_permissions: ProfileName | None = None
    permissions: Annotated[Mapping[str, PermissionProfileTable], "tables [permissions.NAME]"] = {}
    allow_unsandboxed: bool = (
        False  # a machine that cannot enforce the sandbox asks before commands
    )
    model_reasoning_effort: Effort | None = None  # any value: models differ
    model_reasoning_summary: ReasoningSummary | None = (
        None  # None: auto, if the model has summaries
    )
    model_verbosity: Literal["low", "medium", "high"] | None = None
    # Whether any model is asked for summaries of its reasoning; None: as the catalogue says.
    model_supports_reasoning_summaries: bool | None = None
    # A file with another catalogue of models, in Codex's format; None: that of the package.
    model_catalog_json: FilePath | None = None
    model_context_window: Tokens | None = None  # tokens; None: the catalogue's value
    model_auto_compact_token_limit: ContextTokens | None = None  # None: nine tenths of the window
    compact_prompt: str | None = None  # the prompt for a summary; None: codexd's own
    experimental_compact_prompt_file: FilePath | None = None  # the same, from a file
    oss_provider: LocalProvider | None = (
        None  # the local provider of `--oss`; None: the first that answers
    )
    # A file whose text replaces the base instructions of new threads.
    model_instructions_file: FilePath | None = None
    developer_instructions: str | None = None  # sent in new threads
    hide_agent_reasoning: bool = False  # codexctl shows no reasoning
    show_raw_agent_reasoning: bool = False  # codexctl shows raw reasoning, not only summaries
    # Names that mark the root of a project, where AGENTS.md files begin; none: only the working directory's file.
    project_root_markers: Markers = (".git",)
    project_doc_fallback_filenames: FileNames = ()  # tried in a folder without AGENTS.md
    project_doc_max_bytes: Bytes = 32_768  # of all AGENTS.md together; 0: no file is read
    # How long a look of the model at a command that goes on may wait for its end; at least 5000.
    background_terminal_max_timeout: Milliseconds = 300_000
    # A program and its arguments: it runs after each turn, with a JSON document as its last argument.
    notify: Program = ()
    # Whether plain `codex` uses this daemon, by a symlink where it looks for its own; a path is another $CODEX_HOME.
    codex_home: CodexHome = False
    on_restart: Literal["resume", "interrupt"] = "resume"  # for a turn that a crash cut short
    model_providers: Annotated[Mapping[str, ProviderTable], "tables [model_providers.NAME]"] = {}
    mcp_servers: Annotated[Mapping[str, McpServerTable], "tables [mcp_servers.NAME]"] = {}
    mcp_oauth_callback_port: Port | None = None  # of a login; None: any free port
    projects: Annotated[Mapping[str, ProjectTable], 'tables [projects."/FOLDER"]'] = {}
    redaction: Annotated[RedactionTable, "a table [redaction]"] = RedactionTable()
    # The speed at which the provider answers, at another price, where a model has several: "fast", or its id.
    service_tier: str | None = None
    review_model: str | None = None  # the model of `review/start`; None: the thread's own model
    titles: Annotated[TitlesTable, "a table [titles]"] = TitlesTable()
    threads: Annotated[ThreadsTable, "a table [threads]"] = ThreadsTable()
    forced_login_method: Literal["chatgpt", "api"] | None = None  # another login is not used
    forced_chatgpt_workspace_id: WorkspaceIds | None = None  # of a login with ChatGPT
    login: Annotated[LoginTable, "a table [login]"] = LoginTable()
    # Where a login with ChatGPT sends requests; None: https://chatgpt.com/backend-api
    chatgpt_base_url: Url | None = None
    openai_base_url: Url | None = None  # of the provider openai
    feedback: Annotated[FeedbackTable, "a table [feedback]"] = FeedbackTable()
    otel: Annotated[OtelTable, "a table [otel]"] = OtelTable()
    features: Annotated[FeaturesTable, "a table [features]"] = FeaturesTable()
    prices: Prices = {}
    # Of a provider that can search the web: its own copies of pages, or the web itself. None: cached, and live where
    # commands have the network as well (danger-full-access).
    web_search: WebSearchMode | None = None
    tools: Annotated[ToolsTable, "a table [tools]"] = ToolsTable()


def expectations(table: type[msgspec.Struct]) -> Mapping[str, str]:
    """The expected value of each key of a table, for errors and the reference."""
    hints = get_type_hints(table, include_extras=True)
    return {key: _words(hints[key]) for key in table.__struct_fields__}


def _words(hint: Any) -> str:
    """The text in a type's `Annotated`; without such a text, a description of the type itself."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        texts = [extra for extra in arguments[1:] if isinstance(extra, str)]
        return texts[0] if texts else _words(arguments[0])
    if origin is Literal:
        *others, last = (f'"{value}"' for value in arguments)
        return f"{', '.join(others)} or {last}"
    if origin in (Union, UnionType):
        return _words(arguments[0])
    return {str: "a string", bool: "true or false"}.get(hint, "a table of strings")
