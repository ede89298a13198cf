"""The reference pages that are made from the code: `make docs` writes them, `test_docs.py` compares them.

What a page says of a member comes from its type, its default, and the comment that stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import inspect as types

from checkout import CHECKOUT
from codexd.config.keys import (
    Config,
    FeaturesTable,
    FeedbackTable,
    LoginTable,
    NetworkProxyTable,
    PriceTable,
    ProjectTable,
    RedactionTable,
    ThreadsTable,
    TitlesTable,
    ToolsTable,
    WebSearchTable,
    WorkspaceWriteTable,
    expectations,
)
from codexd.config.layers.known_keys import codex_keys, expected
from codexd.config.layers.projects import REFUSED
from codexd.config.layers.toml_file import dotted
from codexd.config.mcp_table import McpOAuthTable, McpServerTable, McpToolTable
from codexd.config.otel_table import OtelTable
from codexd.core.events.events import EVENTS
from codexd.models.provider_table import ProviderTable
from codexd.models.quirks import Quirks
from codexd.protocol.methods import METHODS
from codexd.protocol.not_offered import EMPTY_ANSWERS, REFUSALS
from codexd.protocol.notifications import NOTIFICATIONS
from codexd.protocol.requests import SERVER_REQUESTS
from codexd.protocol.schema import comments
from codexd.protocol.schema.comments import StructType, sentence
from codexd_frontends.cli.argument import Argument
from codexd_frontends.client.exits import EXITS
from codexd_frontends.subcommands import SUBCOMMANDS
from docs_errors import errors_page
from docs_laws import laws_page
from docs_providers import providers_page
from docs_telemetry import telemetry_page

MADE = "<!-- Made by `make docs` from the code; a test compares. -->\n"


class Shapes:
    """Describes structs as tables of members, and remembers which others those mention."""

    def __init__(self) -> None:
        self._pending: list[tuple[StructType, bool]] = []
        self._seen: set[StructType] = set()
        self._sent = False  # whether what is described now is sent by clients

    def table(self, struct: StructType, *, sent: bool = False) -> str:
        """The members of a struct. `sent` by clients: who may leave out what has a default."""
        self._sent = sent
        described = types.type_info(struct)
        assert isinstance(described, types.StructType)
        notes = field_notes(struct, none="null")
        optional = sent or struct.__struct_config__.omit_defaults
        rows = [
            f"| `{field.encode_name}`{'?' if optional and not field.required else ''} "
            f"| {self.word(field.type)} | {notes.get(field.name, '')} |"
            for field in described.fields
        ]
        if described.tag is not None:
            rows.insert(0, f'| `{described.tag_field}` | `"{described.tag}"` | |')
        if not rows:
            return "No members.\n"
        return "\n".join(["| member | type | |", "|---|---|---|", *rows, ""])

    def word(self, kind: types.Type) -> str:
        """A type in the words of JSON."""
        match kind:
            case types.UnionType():
                words = [self.word(member) for member in kind.types]
                # JSON that is encoded already stands beside the type that it was encoded from.
                known = [word for word in words if word not in (_ANY, "null")]
                return " or ".join([w for w in words if w != _ANY] if known else words)
            case types.Metadata():
                return self.word(kind.type)
            case types.LiteralType():
                return " or ".join(f'`"{value}"`' for value in kind.values)
            case types.StructType():
                return self._named(kind.cls)
            case types.VarTupleType() | types.ListType() | types.FrozenSetType():
                return f"list of {self.word(kind.item_type)}"
            case types.TupleType():
                return f"list of {len(kind.item_types)}"
            case types.DictType():
                return f"object of {self.word(kind.value_type)}"
            case _:
                return _PLAIN.get(type(kind), _ANY)

    def mention(self, struct: StructType) -> None:
        """This struct is described already."""
        self._seen.add(struct)

    def rest(self) -> str:
        """The structs that were mentioned and not yet described."""
        sections = []
        while self._pending:
            struct, sent = self._pending.pop(0)
            table = self.table(struct, sent=sent)
            sections.append(f"### {struct.__name__}\n\n{sentence(struct)}\n\n{table}")
        return "\n".join(sections)

    def _named(self, struct: StructType) -> str:
        if struct not in self._seen:
            self._seen.add(struct)
            self._pending.append((struct, self._sent))
        return f"[{struct.__name__}](#{struct.__name__.lower()})"


_ANY = "any JSON"

_PLAIN: dict[type[types.Type], str] = {
    types.StrType: "string",
    types.IntType: "integer",
    types.FloatType: "number",
    types.BoolType: "boolean",
    types.NoneType: "null",
}


def field_notes(struct: StructType, *, none: str) -> dict[str, str]:
    """Field -> the comment beside its declaration, for a table."""
    notes = comments.field_notes(struct, none=none)
    return {field: note.replace("|", "\\|") for field, note in notes.items()}


def events_page() -> str:
    """docs/reference/events.md"""
    shapes = Shapes()
    for event in EVENTS.values():
        shapes.mention(event)
    rows = [
        f"| [`{tag}`](#{_anchor(tag)}) | {event.v} "
        f"| {'barrier' if event.barrier else 'ordered'} | {sentence(event)} |"
        for tag, event in EVENTS.items()
    ]
    sections = [
        f"## `{tag}`\n\n{sentence(event)}\n\n{shapes.table(event)}" for tag, event in EVENTS.items()
    ]
    return "\n".join(
        [
            "# Events\n",
            MADE,
            "The events of a thread, as stored in the `data` of a record of its log.",
            "[The log's format](log-format.md) describes the rest of a record.",
            "A *barrier* is on disk before it is published and before any effect starts;",
            "an *ordered* event is written in its place, and on disk within 20 ms.",
            "A member with a `?` may be left out.\n",
            "| type | `v` | strength | |",
            "|---|---|---|---|",
            *rows,
            "",
            *sections,
            "## Shapes\n",
            shapes.rest(),
        ]
    )


def messages_page() -> str:
    """docs/reference/messages.md"""
    shapes = Shapes()
    # Params first: a shape that is both sent and received is described as it may be sent.
    params = {name: shapes.table(row.params, sent=True) for name, row in METHODS.items()}
    methods = [
        f"### `{name}`\n\n{sentence(row.params)}\n\nParams:\n\n{params[name]}\n"
        f"Result:\n\n{shapes.table(row.response)}"
        for name, row in METHODS.items()
    ]
    asked = [
        f"### `{name}`\n\n{sentence(row[0])}\n\nParams:\n\n{shapes.table(row[0])}\n"
        f"Result:\n\n{shapes.table(row[1], sent=True)}"
        for name, row in SERVER_REQUESTS.items()
    ]
    notifications = [
        f"### `{name}`\n\n{sentence(row)}\n\n{shapes.table(row)}"
        for name, row in NOTIFICATIONS.items()
    ]
    return "\n".join(
        [
            "# Messages\n",
            MADE,
            "What clients may ask, and what the daemon says unasked.",
            "[The protocol](protocol.md) says how messages travel and in which order they come.",
            "A member with a `?` may be left out.\n",
            "## Methods\n",
            *(f"- [`{name}`](#{_anchor(name)})" for name in METHODS),
            "",
            "These get an empty answer, because codexd has none of what they ask for:",
            ", ".join(f"`{name}`" for name in sorted(EMPTY_ANSWERS)) + ".\n",
            "These are refused with `not_offered`, and the message says why:",
            ", ".join(f"`{name}`" for name in sorted(REFUSALS)) + ".\n",
            "All other methods of Codex are unknown: `unknown_method`, -32601.\n",
            *methods,
            "## Requests of the daemon\n",
            *asked,
            "## Notifications\n",
            *(f"- [`{name}`](#{_anchor(name)})" for name in NOTIFICATIONS),
            "",
            *notifications,
            "## Shapes\n",
            shapes.rest(),
        ]
    )


def codexctl_page() -> str:
    """docs/reference/codexctl.md"""
    sections = [
        f"## codexctl {row.name}\n\n{row.help[0].upper()}{row.help[1:]}.\n"
        + ("" if row.may_start else "It does not start a daemon.\n")
        + _arguments(row.arguments)
        for row in SUBCOMMANDS
    ]
    return "\n".join(
        [
            "# codexctl\n",
            MADE,
            "The command line to the daemon.",
            "Standard output carries the answer, standard error the talk.",
            "A subcommand that needs the daemon starts it if none runs, unless it says otherwise.",
            "`--socket PATH` says where the daemon listens, `--color WHEN` whether to use colour.",
            "How it ends: [exit codes](exit-codes.md).\n",
            "| | |",
            "|---|---|",
            *(f"| [`{row.name}`](#codexctl-{row.name}) | {row.help} |" for row in SUBCOMMANDS),
            "",
            *sections,
        ]
    )


def _arguments(arguments: Iterable[Argument]) -> str:
    rows = []
    for argument in arguments:
        names = ", ".join(f"`{name}`" for name in argument.names if name.startswith("-"))
        metavar = argument.options.get("metavar")
        choices = argument.options.get("choices")
        value = "|".join(choices) if choices else metavar
        spelled = " ".join(filter(None, [names, f"`{value}`".replace("|", "\\|") if value else ""]))
        rows.append(f"| {spelled} | {_filled(argument)} |")
    return "\n".join(["", "| | |", "|---|---|", *rows, ""]) if rows else ""


def _filled(argument: Argument) -> str:
    """The help text; of arguments that exclude each other, it says so."""
    text = str(argument.options["help"])
    return f"{text} *({argument.group}: one of these)*" if argument.group else text


def exit_codes_page() -> str:
    """docs/reference/exit-codes.md"""
    return "\n".join(
        [
            "# Exit codes of codexctl\n",
            MADE,
            "With `--json`, an error is a document on standard output.",
            "Its `code` is the word in the second column.\n",
            "| number | word | meaning |",
            "|---|---|---|",
            *(f"| {row.number} | `{row.word}` | {row.meaning} |" for row in EXITS),
            "",
            "The numbers from 64 on are those of `sysexits.h`.",
            "The ones from 128 on are the shell's: 128 and the signal's number.",
            "",
        ]
    )


CONFIG_HEAD = """
`config.toml` is in `$CODEXD_HOME` if that is set, else in the platform's folder for configuration;
`codexctl paths` prints the path, and [`codexctl config`](../how-to/change-the-configuration.md) shows and changes it.
When the file has changed, it is read again, for everything that starts after that: a turn keeps what it began with.

The format and the keys are those of Codex, so that both can share a file; codexd has a few keys more, which Codex ignores.
Where codexd has no `config.toml`, it reads that of Codex, in `$CODEX_HOME` or `~/.codex`, and never writes there.

```toml
model = "gpt-5.2-codex"
sandbox_mode = "workspace-write"

[sandbox_workspace_write]
writable_roots = ["~/.cache/pip"]

[model_providers.corp]
name = "The company's gateway"
base_url = "https://models.example.com/v1"
env_key = "CORP_API_KEY"
```

## Layers

The highest layer that sets a key decides it. Tables are merged key by key; a list or a text replaces the one below.
The order is that of Codex 0.171.

| layer | |
|---|---|
| 1. flags and requests | `codexd -c key=value`, and the `config` of a client's `thread/start`. The value is TOML, or else a text |
| 2. the project | `.codex/config.toml` in each folder from the project's root down to the thread's folder; the nearest wins. Only where `[projects."/FOLDER"]` says `trust_level = "trusted"`: for the folder, its project's root, or the repository of a worktree |
| 3. the profile | `NAME.config.toml` beside `config.toml`, chosen by `codexd --profile NAME` |
| 4. the person | `config.toml` |
| 5. the system | `/etc/codex/config.toml` |
| 6. defaults | those below |

`codexctl config explain KEY` shows which layer decides a key, with file and line.

Of a project, the keys count that belong to a thread: the model, its options, the policies, instructions, documents and limits.
It may not set where conversations go, which programs the daemon runs, or what is secret: REFUSED are ignored, with a warning.
Servers of `[mcp_servers]`, providers and prices belong to the home, and are read from the other layers.
Paths are relative to the folder of the file that has them.

`profile = "NAME"` with a table `[profiles.NAME]` still works, with a warning: Codex has refused it since 0.134.

## Mistakes

A file is used as a whole or not at all.
An error names the file, the line and the key, what was expected and what was found;
it is reported when a client starts a thread, and everything else keeps the last valid settings.
A key that neither codexd nor Codex knows is ignored, with a warning that has the nearest known key.
Mistakes are told where the daemon is started, in its log, to clients that are connected (`configWarning`), and by `codexctl status`.
With `codexd --strict-config` an unknown key is an error.

Two values that codexd takes are refused by Codex 0.171: `approval_policy = "untrusted"`, and `wire_api = "chat"` of a provider.
"""


REDACTION_HEAD = (
    "What of secrets is kept out of every log; [the decision](../explanation/decisions/"
    "0011-redaction.md) says what is looked for.\n"
)


PRICES_HEAD = (
    "What `codexctl usage` reckons with, in place of the prices in the package; "
    '`[prices."PROVIDER/MODEL"]` is for one provider only, and comes first.\n'
)


POLICIES = (
    "Without `sandbox_mode`, commands in a project with a `trust_level` get `workspace-write`, and `read-only` in other "
    "folders. Without `approval_policy` it is `on-request`, and `untrusted` in a project with that `trust_level`.\n"
    "[The sandbox](../explanation/sandbox.md) says what each mode allows. With `danger-full-access`, or where nothing is "
    "enforced and `allow_unsandboxed` is set, every `approval_policy` but `never` asks as `untrusted` does.\n"
)


def config_page() -> str:
    """docs/reference/config.md"""
    return "\n".join(
        [
            "# Configuration\n",
            MADE,
            CONFIG_HEAD.strip().replace("REFUSED", _refused()) + "\n",
            "## Keys\n",
            POLICIES,
            _keys(Config),
            "## `[features]`\n",
            "All other features are Codex's, and are ignored.\n",
            _keys(FeaturesTable),
            "## `[features.network_proxy]`\n",
            "[How to give commands a list of domains](../how-to/give-commands-a-list-of-domains.md).\n",
            _keys(NetworkProxyTable),
            "## `[model_providers.NAME]`\n",
            "[Some](providers.md) are there without; [how to add one](../how-to/use-your-own-provider.md).\n",
            _keys(ProviderTable),
            "## `[otel]`\n",
            "[How to send telemetry](../how-to/send-telemetry.md); [what is sent](telemetry.md).\n",
            _keys(OtelTable),
            "## `[feedback]`\n",
            "Reports of `codexctl feedback --send`.\n",
            _keys(FeedbackTable),
            '## `[prices."MODEL"]`\n',
            PRICES_HEAD,
            _keys(PriceTable),
            "## `[mcp_servers.NAME]`\n",
            "A server has `command` or `url`. [How to use them](../how-to/use-mcp-servers.md).\n",
            _keys(McpServerTable),
            "## `[mcp_servers.NAME.tools.TOOL]`\n",
            _keys(McpToolTable),
            "## `[mcp_servers.NAME.oauth]`\n",
            _keys(McpOAuthTable),
            '## `[projects."/FOLDER"]`\n',
            _keys(ProjectTable),
            "## `[redaction]`\n",
            REDACTION_HEAD,
            _keys(RedactionTable),
            "## `[sandbox_workspace_write]`\n",
            "[The sandbox](../explanation/sandbox.md) says what it allows without.\n",
            _keys(WorkspaceWriteTable),
            "## `[login]`\n",
            "Where `codexctl login` gets its tokens. [How to log in](../how-to/log-in.md).\n",
            _keys(LoginTable),
            "## `[titles]`\n",
            "By default a thread without a name is listed by the first line of its first prompt.",
            "A title from a model becomes the thread's name, and never replaces a name.\n",
            _keys(TitlesTable),
            "## `[threads]`\n",
            "[How threads work with threads](../how-to/let-threads-work-with-threads.md).\n",
            _keys(ThreadsTable),
            "## `[tools]`\n",
            _keys(ToolsTable),
            "## `[tools.web_search]`\n",
            "[How to let it search the web](../how-to/let-it-search-the-web.md).\n",
            _keys(WebSearchTable),
            "## Keys of Codex that codexd does not use\n",
            f"They are known, as Codex {codex_keys().codex} has them, and mean nothing here.\n",
            _unused(),
        ]
    )


def _refused() -> str:
    return ", ".join(f"`{dotted(path)}`" for path in REFUSED)


def _unused() -> str:
    keys = {
        key: kind for key, kind in codex_keys().keys.items() if key not in Config.__struct_fields__
    }
    rows = [f"| `{key}` | {expected(kind)} |" for key, kind in sorted(keys.items())]
    return "\n".join(["| key | Codex expects |", "|---|---|", *rows, ""])


def _keys(table: StructType) -> str:
    """Each key with what it may be, its default, and what stands beside it in the code."""
    notes = field_notes(table, none="unset")
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(table)
        if field.default not in (msgspec.NODEFAULT, None)
        and field.default_factory is msgspec.NODEFAULT
    }
    rows = [
        f"| `{key}` | {words} "
        f"| {f'`{msgspec.json.encode(defaults[key]).decode()}`' if key in defaults else ''} "
        f"| {notes.get(key, '')} |"
        for key, words in expectations(table).items()
    ]
    return "\n".join(["| key | expects | default | |", "|---|---|---|---|", *rows, ""])


def _anchor(heading: str) -> str:
    """What GitHub and others make of a heading in a link."""
    return "".join(c for c in heading.lower() if c.isalnum() or c in "-_")


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/events.md": events_page,
    "docs/reference/messages.md": messages_page,
    "docs/reference/codexctl.md": codexctl_page,
    "docs/reference/config.md": config_page,
    "docs/reference/telemetry.md": lambda: telemetry_page(MADE),
    "docs/reference/errors.md": lambda: errors_page(MADE),
    "docs/reference/exit-codes.md": exit_codes_page,
    "docs/reference/laws.md": lambda: laws_page(MADE),
    "docs/reference/providers.md": lambda: providers_page(MADE, field_notes(Quirks, none="none")),
}


def write_pages() -> None:
    """Write all of them."""
    for page, make in PAGES.items():
        (CHECKOUT / page).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
