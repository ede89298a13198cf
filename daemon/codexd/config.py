"""config.toml, read into one frozen `Config`. Opens the file it is told to, and no other.

The law: a file is used whole or not at all. What codexd acts on is checked, and a mistake names file, line
and key, what was expected and what was found. What the original has and codexd does not is ignored
without a word, so that one file serves both; what neither has gets a warning and the nearest known key.

    InvalidConfig    the user's file cannot be used
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from codexd.core.settings import ApprovalPolicy, SandboxMode

REDACTED = "[redacted]"
FOUND_SHOWN_MAX = 80  # characters of a wrong value in an error: enough to recognise it

Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]  # the original's bound as well
Positive = Annotated[int, msgspec.Meta(gt=0)]


class InvalidConfig(Exception):
    """A config file cannot be used, and was not."""

    def __init__(self, file: str, line: int | None, key: str | None, problem: str) -> None:
        subject = f"`{key}`: " if key else ""
        super().__init__(f"{_place(file, line)}: {subject}{problem}; nothing of the file was used")
        self.file = file
        self.line = line
        self.key = key  # dotted
        self.problem = problem


class ProviderTable(msgspec.Struct, frozen=True):
    """A table `[model_providers.NAME]`. The models floor knows what its members mean."""

    name: str | None = None
    base_url: str | None = None
    env_key: str | None = None
    wire_api: Literal["responses", "chat"] = "responses"
    query_params: Mapping[str, str] = {}
    http_headers: Mapping[str, str] = {}
    env_http_headers: Mapping[str, str] = {}  # header: name of the variable that holds its value
    request_max_retries: Retries = 4
    stream_max_retries: Retries = 5
    stream_idle_timeout_ms: Positive = 300_000
    requires_openai_auth: bool = False


class ProjectTable(msgspec.Struct, frozen=True):
    """A table `[projects."/folder"]`: the TUI asks whether a folder is trusted unless it says so."""

    trust_level: Literal["trusted", "untrusted"] | None = None


class RedactionTable(msgspec.Struct, frozen=True):
    """The table `[redaction]`: what of secrets is kept out of every log."""

    enabled: bool = True
    variables: tuple[str, ...] = ()  # more variables that hold secrets, whatever their names
    except_variables: tuple[str, ...] = ()  # variables that hold none, whatever their names
    patterns: Mapping[str, str] = {}  # name: a regular expression of one's own
    except_patterns: tuple[str, ...] = ()  # well-known kinds that are not to be looked for


class Config(msgspec.Struct, frozen=True):
    """What a user has set; the rest is at its default."""

    model: str | None = None  # None: the catalogue's default
    model_provider: str = "openai"
    # There is no sandbox yet that could stand in for a person, so a person is asked.
    approval_policy: ApprovalPolicy = "untrusted"
    sandbox_mode: SandboxMode = "workspace-write"
    model_reasoning_effort: str | None = None  # an open set of words
    model_reasoning_summary: Literal["auto", "concise", "detailed", "none"] | None = None
    model_verbosity: Literal["low", "medium", "high"] | None = None
    model_context_window: Positive | None = None  # tokens; None: what the catalogue knows
    on_restart: Literal["resume", "interrupt"] = "resume"  # a turn that a crash cut short
    model_providers: Mapping[str, ProviderTable] = {}
    projects: Mapping[str, ProjectTable] = {}
    redaction: RedactionTable = RedactionTable()


class ReadConfig(msgspec.Struct, frozen=True):
    """A config, and where it is from."""

    config: Config
    file: str
    version: str  # of the file's bytes: `sha256:…`
    keys: tuple[str, ...] = ()  # the dotted keys that the file sets, of those that count
    warnings: tuple[str, ...] = ()  # each a sentence with file and line


# What each key may be: said in errors and in the reference.
EXPECTED: Mapping[str, str] = {
    "model": "a string",
    "model_provider": "the name of a provider, a string",
    "approval_policy": '"untrusted", "on-request" or "never"',
    "sandbox_mode": '"read-only", "workspace-write" or "danger-full-access"',
    "model_reasoning_effort": 'a string, such as "low", "medium" or "high"',
    "model_reasoning_summary": '"auto", "concise", "detailed" or "none"',
    "model_verbosity": '"low", "medium" or "high"',
    "model_context_window": "a number of tokens, an integer above 0",
    "on_restart": '"resume" or "interrupt"',
    "model_providers": "tables [model_providers.NAME]",
    "projects": 'tables [projects."/FOLDER"]',
    "redaction": "a table [redaction]",
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
}
EXPECTED_OF_PROJECT: Mapping[str, str] = {"trust_level": '"trusted" or "untrusted"'}

# Keys of the original that codexd has no use for: nobody is to be told of them.
FOREIGN_KEYS = frozenset(
    """
    agents allow_login_shell analytics approvals_reviewer apps background_terminal_max_timeout
    browser_use chatgpt_base_url check_for_update_on_startup cli_auth_credentials_store commit_attribution
    compact_prompt computer_use default_permissions desktop developer_instructions disable_paste_burst
    experimental_compact_prompt_file experimental_instructions_file experimental_use_unified_exec_tool
    features feedback file_opener forced_chatgpt_workspace_id forced_login_method ghost_snapshot
    hide_agent_reasoning history hooks instructions js_repl_node_path log_dir marketplaces
    mcp_oauth_callback_port mcp_oauth_callback_url mcp_oauth_credentials_store mcp_servers memories
    model_auto_compact_token_limit model_auto_compact_token_limit_scope model_catalog_json
    model_instructions_file model_supports_reasoning_summaries notice notify openai_base_url oss_provider
    otel permissions personality plan_mode_reasoning_effort plugins profile profiles
    project_doc_fallback_filenames project_doc_max_bytes project_root_markers review_model
    sandbox_workspace_write service_tier shell_environment_policy show_raw_agent_reasoning skills
    sqlite_home suppress_unstable_features_warning tool_output_token_limit tools tui web_search windows
    disable_response_storage preferred_auth_method experimental_use_rmcp_client zsh_path
    """.split()  # noqa: SIM905 (as a list it would be eighty lines)
)
FOREIGN_PROVIDER_KEYS = frozenset(
    {"env_key_instructions", "supports_websockets", "websocket_connect_timeout_ms", "auth", "aws"}
)

Table = dict[str, object]  # as tomllib gives it: checked here, and nowhere else


def read_config(file: Path) -> ReadConfig:
    """The config in a file; a missing file is an empty one. Raises: InvalidConfig."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise InvalidConfig(str(file), None, None, f"cannot be read: {error.strerror}") from error
    return parse_config(content, str(file))


def parse_config(content: bytes, file: str) -> ReadConfig:
    """The config in the bytes of a file; `file` is for messages. Raises: InvalidConfig."""
    import hashlib
    import tomllib

    try:
        text = content.decode()
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(file, line, None, "expected UTF-8, found other bytes") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise InvalidConfig(file, line, None, f"not TOML: {error}") from error
    version = "sha256:" + hashlib.sha256(content).hexdigest()
    return _Reader(file, text).read(tables, version)


_TABLES_OF_STRINGS = ("env_http_headers", "http_headers", "query_params")


class _Kind(msgspec.Struct, frozen=True):
    """A kind of table: what it becomes, and which keys may stand in it."""

    struct: type[msgspec.Struct]
    expected: Mapping[str, str]
    foreign: frozenset[str] = frozenset()


_TOP = _Kind(Config, EXPECTED, FOREIGN_KEYS)
_PROVIDER = _Kind(ProviderTable, EXPECTED_OF_PROVIDER, FOREIGN_PROVIDER_KEYS)
_PROJECT = _Kind(ProjectTable, EXPECTED_OF_PROJECT)
_REDACTION = _Kind(RedactionTable, EXPECTED_OF_REDACTION)


class _Reader:
    """One reading of one file."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._warnings: list[str] = []
        self._keys: list[str] = []

    def read(self, tables: Table, version: str) -> ReadConfig:
        """The whole of it."""
        known = self._known(tables, (), _TOP)
        if _asks_more_finely(known.get("approval_policy")):
            known["approval_policy"] = "on-request"
        providers = self._tables(known.pop("model_providers", {}), "model_providers", _PROVIDER)
        projects = self._tables(known.pop("projects", {}), "projects", _PROJECT)
        redaction = self._table(known.pop("redaction", {}), ("redaction",), _REDACTION)
        assert isinstance(redaction, RedactionTable)
        self._check_patterns(redaction.patterns)
        config = msgspec.structs.replace(
            self._struct(known, (), _TOP),
            model_providers=providers,
            projects=projects,
            redaction=redaction,
        )
        assert isinstance(config, Config)
        return ReadConfig(config, self._file, version, tuple(self._keys), tuple(self._warnings))

    def _check_patterns(self, patterns: Mapping[str, str]) -> None:
        for name, regex in patterns.items():
            at = ("redaction", "patterns", name)
            try:
                nothing = re.compile(regex.encode()).match(b"") is not None
            except re.error as error:
                problem = f"expected a regular expression, found {_shown(regex, name)}: {error}"
                raise InvalidConfig(
                    self._file, line_of(self._text, at), dotted(at), problem
                ) from error
            if nothing:
                raise self._invalid(at, "one that does not match an empty text", regex)

    def _tables(self, tables: object, key: str, kind: _Kind) -> dict[str, msgspec.Struct]:
        """A table of tables of one kind, by their names."""
        if not isinstance(tables, dict):
            raise self._invalid((key,), EXPECTED[key], tables)
        return {name: self._table(table, (key, name), kind) for name, table in tables.items()}

    def _table(self, table: object, at: tuple[str, ...], kind: _Kind) -> msgspec.Struct:
        if not isinstance(table, dict):
            raise self._invalid(at, "a table", table)
        return self._struct(self._known(table, at, kind), at, kind)

    def _known(self, table: Table, at: tuple[str, ...], kind: _Kind) -> Table:
        """What of a table codexd acts on; warns of what nobody knows."""
        for key in table:
            if key not in kind.expected and key not in kind.foreign:
                self._warn((*at, key), kind)
        known = {key: value for key, value in table.items() if key in kind.expected}
        nested = ("model_providers", "projects", "redaction")
        self._keys += [dotted((*at, key)) for key in known if at or key not in nested]
        return known

    def _warn(self, at: tuple[str, ...], kind: _Kind) -> None:
        import difflib

        near = difflib.get_close_matches(at[-1], [*kind.expected, *kind.foreign], n=1)
        hint = f", did you mean `{near[0]}`? It" if near else "; it"
        place = _place(self._file, line_of(self._text, at))
        self._warnings.append(f"{place}: unknown key `{dotted(at)}`{hint} was ignored.")

    def _struct(self, table: Table, at: tuple[str, ...], kind: _Kind) -> msgspec.Struct:
        try:
            return msgspec.convert(table, kind.struct)
        except msgspec.ValidationError as error:
            key = str(error).rpartition("`$.")[2].partition("[")[0].rstrip("`")
            raise self._invalid((*at, key), kind.expected[key], table[key]) from error

    def _invalid(self, at: tuple[str, ...], expected: str, found: object) -> InvalidConfig:
        problem = f"expected {expected}, found {_shown(found, at[-1])}"
        return InvalidConfig(self._file, line_of(self._text, at), dotted(at), problem)


def _asks_more_finely(policy: object) -> bool:
    """Whether a policy is the original's `on-failure` or its table of single questions."""
    return policy == "on-failure" or (isinstance(policy, dict) and "granular" in policy)


def _shown(found: object, key: str) -> str:
    """A wrong value, as TOML would spell it; what may hold a secret is not shown."""
    if isinstance(found, dict):
        return "a table with other values" if key in _TABLES_OF_STRINGS else "a table"
    if key in _TABLES_OF_STRINGS:
        return "something else"
    text = str(found).lower() if isinstance(found, bool) else repr(found)
    return text if len(text) <= FOUND_SHOWN_MAX else text[: FOUND_SHOWN_MAX - 1] + "…"


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SEGMENT = re.compile(
    r"""\s*("(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>[A-Za-z0-9_-]+))\s*"""
)
_TRIPLE = re.compile(r'"""|\'\'\'')


def dotted(segments: tuple[str, ...]) -> str:
    """A key path as TOML spells it, quoted where it must be."""
    return ".".join(s if _BARE.fullmatch(s) else msgspec.json.encode(s).decode() for s in segments)


def line_of(text: str, at: tuple[str, ...]) -> int | None:
    """The line where a key is set, or the nearest table around it. tomllib does not keep lines."""
    best: tuple[int, int] | None = None
    for number, segments in _settings(text):
        within = segments == at[: len(segments)]
        if within and (best is None or len(segments) > best[0]):
            best = len(segments), number
    return best[1] if best else None


def _settings(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each line that names a table or sets a key, with the whole path of it."""
    table: tuple[str, ...] = ()
    fence = ""  # of the multi-line string that we are in
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence:
            header = line.lstrip().startswith("[")
            segments = _segments(line.lstrip().lstrip("[") if header else line)
            table = segments if header and segments else table
            if segments:
                yield number, segments if header else table + segments
        for mark in _TRIPLE.findall(line):
            fence = "" if fence == mark else fence or mark


def _segments(line: str) -> tuple[str, ...]:
    """The dotted key that a line begins with, if it goes on as a header or an assignment does."""
    found: list[str] = []
    at = 0
    while segment := _SEGMENT.match(line, at):
        found.append(segment["bare"] or segment["single"] or segment["double"] or "")
        at = segment.end()
        if line[at : at + 1] != ".":
            return tuple(found) if line[at : at + 1] in ("=", "]") else ()
        at += 1
    return ()


def effective(config: Config) -> bytes:
    """The settings in force as JSON, by their names in config.toml, with secrets left out."""
    providers = {
        name: msgspec.structs.replace(
            table,
            http_headers=_redacted(table.http_headers),
            query_params=_redacted(table.query_params),
        )
        for name, table in config.model_providers.items()
    }
    return msgspec.json.encode(msgspec.structs.replace(config, model_providers=providers))


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
    """Which file each dotted key is from, as JSON; keys at their default are not in it."""
    origin = _Origin(_Layer(read.file), read.version)
    return msgspec.json.encode(dict.fromkeys(read.keys, origin))
