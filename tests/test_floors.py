"""The architect: every module imports from its own floor and those below it, and from nowhere else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import msgspec
import pytest

from checkout import imports, module_name, sources, within
from codexd.core.decide.lookups import Lookups, Questions

EVERYBODY = frozenset({"codexd", "codexd_eventstore", "msgspec", "trio"})

# Package: what it may import beside itself and the standard library. The longest match counts, so a
# single module can be allowed what its neighbours are not. `docs/explanation/architecture.md` says why.
FLOORS: dict[str, frozenset[str]] = {
    # 0: the cellar, in two rooms that do not know each other
    "codexd_eventstore": frozenset({"msgspec", "trio"}),
    "codexd.core": frozenset({"msgspec"}),
    # 1: what is said and what is seen
    "codexd.protocol": frozenset(
        {
            "codexd.core.values.dynamic_tools",
            "codexd.core.values.goals",
            "codexd.core.values.ids",
            "codexd.core.values.items",
            "codexd.core.values.limits",
            "codexd.core.values.review_target",
            "codexd.core.values.settings",
            "codexd.core.events.title",
            "msgspec",
            "wsproto",
        }
    ),
    "codexd.projections": frozenset({"codexd.core", "codexd.protocol", "msgspec"}),
    # 2: the world's edges
    "codexd.models": frozenset({"codexd.core", "codexd.__version__", "msgspec", "trio"}),
    # httpcore is the half of httpx that owns connections.
    "codexd.models.http.library": frozenset({"codexd.models", "httpcore", "httpx", "trio"}),
    "codexd.models.http.client": frozenset(
        {"codexd.core", "codexd.models", "msgspec", "trio", "httpx"}
    ),
    "codexd.models.http.answer": frozenset({"codexd.models", "httpx", "msgspec"}),
    "codexd.models.http.direct": frozenset({"codexd.models", "h11", "trio"}),
    "codexd.models.http.messages": frozenset({"codexd.models", "httpx"}),
    "codexd.models.http.transport": frozenset(
        {
            "codexd.models",
            "codexd.machine.foreign_files",
            "codexd.machine.patience",
            "httpx",
            "httpcore",
        }
    ),
    "codexd.models.scripted.server": frozenset(
        {"codexd.core", "codexd.models", "msgspec", "trio", "h11"}
    ),
    # Processes that outlive the daemon: the keeper that owns them, which needs nothing, and the daemon's side
    "codexd.keeper": frozenset(),
    "codexd.exec": frozenset(
        {
            "codexd.keeper",
            "codexd.machine.descriptors",
            "codexd.machine.owners",
            "codexd.machine.patience",
            "codexd.machine.paths",
            "codexd.machine.python_child",
            "codexd.machine.umask",
            "msgspec",
            "trio",
        }
    ),
    "codexd.sandbox": frozenset({"codexd.core", "msgspec", "trio"}),
    "codexd.config.domains": frozenset(
        {
            "codexd.config.keys",
            "codexd.config.live",
            "codexd.config.rule_files",
            "codexd.config.rules_text",
            "codexd.core",
        }
    ),
    "codexd.sandbox.__main__": frozenset(
        {
            "codexd.config.file",
            "codexd.config.layers",
            "codexd.config.keys",
            "codexd.config.permission_profiles",
            "codexd.config.policies",
            "codexd.context_files.agents_md",
            "codexd.core",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "codexd.sandbox",
        }
    ),
    "codexd.config.permission_profiles": frozenset(
        {"codexd.config.keys", "codexd.core", "msgspec"}
    ),
    "codexd.config.policies": frozenset(
        {
            "codexd.config.keys",
            "codexd.config.layers",
            "codexd.config.permission_profiles",
            "codexd.core",
            "msgspec",
        }
    ),
    # Where settings come from: tables, without a type for any key
    "codexd.config.layers": frozenset(
        {
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.patience",
            "codexd.machine.paths",
            "msgspec",
        }
    ),
    # The keeper's guard removes them for a daemon that is dead.
    "codexd.sandbox.placeholders": frozenset({"codexd.keeper.empty_folders", "trio"}),
    "codexd.sandbox.behind_proxy": frozenset(
        {
            "codexd.config",
            "codexd.context_files.agents_md",
            "codexd.core",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "codexd.network",
            "trio",
        }
    ),
    "codexd.tools": frozenset(
        {
            "codexd.core",
            "codexd.exec",
            "codexd.machine.foreign_files",
            "codexd.machine.patience",
            "codexd.machine.python_child",
            "codexd.machine.umask",
            "codexd.network.commands",
            "msgspec",
            "trio",
        }
    ),
    "codexd.tools.remote_diff": frozenset(
        {
            "codexd.machine.patience",
            "codexd.machine.python_child",
            "codexd.machine.repository",
            "codexd.tools",
            "msgspec",
        }
    ),
    # Tools by which models work with other threads
    "codexd.agents": frozenset(
        {
            "codexd.config.keys",
            "codexd.core",
            "codexd.projections.summary",
            "codexd.runtime",
            "codexd.tools.registry",
            "codexd_eventstore",
            "msgspec",
            "trio",
        }
    ),
    # Commands that go on after their answers
    "codexd.sessions": frozenset(
        {
            "codexd.core",
            "codexd.exec",
            "codexd.machine.patience",
            "codexd.network.commands",
            "codexd.tools",
            "msgspec",
            "trio",
        }
    ),
    # What lets a list of names out of a sandbox
    "codexd.network": frozenset({"codexd.core", "msgspec", "trio"}),
    "codexd.network.plain_http": frozenset(
        {"codexd.core", "codexd.network", "h11", "msgspec", "trio"}
    ),
    # Programs of their own, around and in a sandbox.
    "codexd.network.forwarder": frozenset(),
    "codexd.network.relay": frozenset(),
    # Who pays: the login, its tokens, the limits of the account
    "codexd.account": frozenset(
        {
            "codexd.__version__",
            "codexd.config.keys",
            "codexd.config.whole_files",
            "codexd.core.values.items",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.patience",
            "codexd.models",
            "codexd.projections.usage.rate_limits",
            "codexd.protocol.account",
            "msgspec",
            "trio",
        }
    ),
    "codexd.account.issuer": frozenset(
        {"codexd.__version__", "codexd.account", "codexd.models", "httpx", "msgspec", "trio"}
    ),
    # Hooks: consumers of the log that run a person's commands
    "codexd.hooks": frozenset(
        {
            "codexd.core",
            "codexd_eventstore",
            "codexd.exec.ports",
            "codexd.index.build.rows",
            "codexd.machine.python_child",
            "codexd.runtime.daemon_stream",
            "msgspec",
            "trio",
        }
    ),
    "codexd.hooks.to_person": frozenset(
        {"codexd.core", "codexd.hooks", "codexd.protocol.display.visible", "httpx", "msgspec"}
    ),
    # MCP servers: what they list is foreign text, and their tools are tools among others
    "codexd.mcp": frozenset(
        {
            "codexd.__version__",
            "codexd.account.callback",
            "codexd.config.keys",
            "codexd.config.mcp_table",
            "codexd.config.otel_table",
            "codexd.core",
            "codexd.exec.ports",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.config.whole_files",
            "codexd.protocol.display.visible",
            "codexd.tools.registry",
            "httpx2",
            "mcp",
            "msgspec",
            "trio",
        }
    ),
    # A provider's table is described where it is used.
    "codexd.config.keys": frozenset(
        {
            "codexd.config.mcp_table",
            "codexd.config.otel_table",
            "codexd.core",
            "codexd.models.provider_table",
            "msgspec",
        }
    ),
    # A proof about expressions that people write
    "codexd.machine.linear": frozenset({"msgspec"}),
    "codexd.config.file": frozenset(
        {
            "codexd.config.keys",
            "codexd.config.layers",
            "codexd.config.mcp_table",
            "codexd.config.otel_table",
            "codexd.core",
            "codexd.models.provider_table",
            "codexd.machine.linear",
            "msgspec",
        }
    ),
    "codexd.config.mcp_table": frozenset({"msgspec"}),
    "codexd.config.otel_table": frozenset({"msgspec"}),
    # Changes of config.toml
    "codexd.config.editing": frozenset(
        {
            "codexd.config.file",
            "codexd.config.layers",
            "codexd.config.live",
            "codexd.config.whole_files",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "msgspec",
            "tomlkit",
        }
    ),
    "codexd.config.edit": frozenset({"codexd.config.file", "codexd.config.layers", "msgspec"}),
    "codexd.config.effective": frozenset(
        {
            "codexd.config.file",
            "codexd.config.keys",
            "codexd.config.layers",
            "codexd.config.otel_table",
            "codexd.config.mcp_table",
            "codexd.core",
            "msgspec",
        }
    ),
    "codexd.config.live": frozenset(
        {
            "codexd.config.file",
            "codexd.config.keys",
            "codexd.config.layers",
            "codexd.machine.owners",
            "codexd.machine.patience",
        }
    ),
    # Rules for commands: their text, and the files that have it
    "codexd.config.rules_text": frozenset({"codexd.core", "msgspec"}),
    "codexd.config.rule_files": frozenset(
        {
            "codexd.config.rules_text",
            "codexd.core",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.patience",
            "msgspec",
        }
    ),
    # The daemon's log as text; foreign text is drawn in it as on any screen
    "codexd.machine.log_lines": frozenset({"codexd.protocol.display.visible"}),
    # Secrets: known to config and environment, looked for in whatever is about to be written
    "codexd.redaction": frozenset(
        {
            "codexd.core",
            "codexd.config.file",
            "codexd.config.keys",
            "codexd.config.live",
            "codexd.machine.log_lines",
            "msgspec",
        }
    ),
    "codexd.catalog.limits": frozenset(
        {"codexd.config.keys", "codexd.core", "codexd.models", "msgspec"}
    ),
    "codexd.catalog.web_search": frozenset({"codexd.config.keys", "codexd.core", "msgspec"}),
    "codexd.catalog.live_catalog": frozenset(
        {
            "codexd.config.live",
            "codexd.machine.foreign_files",
            "codexd.machine.patience",
            "codexd.models",
        }
    ),
    "codexd.catalog.daily_warnings": frozenset(
        {
            "codexd.config.whole_files",
            "codexd.core",
            "codexd.machine.foreign_files",
            "msgspec",
            "trio",
        }
    ),
    "codexd.catalog.model_facts": frozenset(
        {
            "codexd.catalog",
            "codexd.config.keys",
            "codexd.config.live",
            "codexd.core",
            "codexd.models",
            "msgspec",
        }
    ),
    "codexd.catalog.wire_models": frozenset({"codexd.core", "codexd.models", "codexd.protocol"}),
    "codexd.catalog.prices": frozenset(
        {"codexd.config.keys", "codexd.core", "codexd.projections", "msgspec"}
    ),
    "codexd.catalog.clients": frozenset(
        {
            "codexd.account.payment",
            "codexd.catalog.web_search",
            "codexd.core.values.settings",
            "codexd.config.file",
            "codexd.config.keys",
            "codexd.config.live",
            "codexd.models",
            "msgspec",
            "trio",
        }
    ),
    # What people wrote down for the model, and where it works
    "codexd.context_files.agents_md": frozenset(
        {
            "codexd.config.keys",
            "codexd.core",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "msgspec",
        }
    ),
    "codexd.context_files.machine": frozenset({"codexd.core"}),
    "codexd.machine.repository": frozenset({"codexd.machine.foreign_files"}),
    "codexd.context_files.compact_prompt": frozenset(
        {"codexd.config.keys", "codexd.core", "codexd.machine.foreign_files"}
    ),
    "codexd.machine.paths": frozenset({"msgspec", "platformdirs"}),
    "codexd.machine.python_child": frozenset(),
    "codexd.machine.umask": frozenset(),
    "codexd.machine.collector": frozenset(),
    "codexd.config.whole_files": frozenset(),
    "codexd.machine.privacy": frozenset({"codexd.machine.python_child"}),
    # What others wrote or may have put there: opened, waited for, and believed, or not
    "codexd.machine.foreign_files": frozenset(),
    "codexd.machine.patience": frozenset({"msgspec", "trio"}),
    # How long the event loop may be held
    "codexd.machine.pacing": frozenset({"trio"}),
    "codexd.machine.owners": frozenset({"codexd.machine.paths", "codexd_eventstore.disk.files"}),
    # 3: where pure meets the world
    "codexd.runtime": frozenset(
        {
            "codexd.core",
            "codexd.exec.leftovers",
            "codexd.exec.ports",
            "codexd.projections",
            "codexd_eventstore",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.pacing",
            "codexd.machine.patience",
            "codexd.models.client",
            "codexd.models.exchange.notes",
            "codexd.tools.output",
            "codexd.tools.registry",
            "msgspec",
            "trio",
        }
    ),
    "codexd.feedback": frozenset(
        {
            "codexd.machine.foreign_files",
            "codexd.machine.log_lines",
            "codexd.models.client",
            "codexd.models.http.transport",
            "codexd_eventstore",
            "httpx",
            "msgspec",
            "trio",
        }
    ),
    # A subscriber, as the index: of the store, what a log is, and its checkpoints.
    "codexd.telemetry": frozenset(
        {
            "codexd.__version__",
            "codexd.config.live",
            "codexd.config.otel_table",
            "codexd.core",
            "codexd.machine.pacing",
            "codexd.models.client",
            "codexd.models.exchange.notes",
            "codexd.models.http.messages",
            "codexd.models.http.proxies",
            "codexd_eventstore",
            "google",
            "grpc",
            "httpx",
            "msgspec",
            "opentelemetry",
            "trio",
        }
    ),
    "codexd.importing": frozenset(
        {
            "codexd.core",
            "codexd.machine.foreign_files",
            "codexd.machine.python_child",
            "codexd.protocol.transfer",
            "codexd_eventstore",
            "msgspec",
            "trio",
        }
    ),
    # A subscriber: knows no thread that is at work, and of the store what a log is and how one is read beside it.
    "codexd.index": frozenset(
        {
            "codexd.core",
            "codexd.machine.log_lines",
            "codexd.machine.paths",
            "codexd.projections",
            "codexd.machine.python_child",
            "codexd_eventstore.disk.files",
            "codexd_eventstore.event_log",
            "codexd_eventstore.log.file_reader",
            "codexd_eventstore.log_reader",
            "msgspec",
            "trio",
            "watchfiles",
        }
    ),
    # The process as a service: what systemd and launchd give it and are told
    "codexd.service": frozenset(
        {
            "codexd.machine.descriptors",
            "codexd.machine.owners",
            "codexd.machine.umask",
            "trio",
        }
    ),
    # What works and what does not, by the parts of a daemon, in one or without one
    "codexd.doctor": frozenset(
        {
            "codexd.account",
            "codexd.catalog.clients",
            "codexd.config.file",
            "codexd.config.layers",
            "codexd.config.live",
            "codexd.context_files.agents_md",
            "codexd.core.values.shown",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "codexd.models",
            "codexd.protocol",
            "codexd.redaction",
            "codexd.sandbox.confinement",
            "codexd.telemetry.collectors.destination",
            "codexd_eventstore",
            "httpx",
            "msgspec",
            "trio",
        }
    ),
    # 4: the socket
    "codexd.server": frozenset(
        {
            "codexd.doctor",
            "codexd.account",
            "codexd.catalog.clients",
            "codexd.models.client",
            "codexd.models.http.local",
            "codexd.models.provider",
            "codexd.runtime",
            "codexd.index",
            "codexd.feedback",
            "codexd.hooks",
            "codexd.importing",
            "codexd.redaction",
            "codexd.telemetry.telemetry",
            "codexd.projections",
            "codexd.protocol",
            "codexd.core",
            "codexd_eventstore",
            "codexd.config.file",
            "codexd.config.keys",
            "codexd.machine.foreign_files",
            "codexd.machine.linear",
            "codexd.config.live",
            "codexd.config.permission_profiles",
            "codexd.config.policies",
            "codexd.config.rule_files",
            "codexd.config.edit",
            "codexd.config.editing",
            "codexd.config.effective",
            "codexd.config.layers",
            "codexd.config.mcp_table",
            "codexd.exec.figures",
            "codexd.exec.ports",
            "codexd.mcp",
            "codexd.tools.registry",
            "codexd.config.whole_files",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "codexd.machine.pacing",
            "codexd.machine.patience",
            "codexd.machine.repository",
            "codexd.machine.umask",
            "codexd.sandbox.confinement",
            "codexd.service",
            "codexd.sessions",
            "codexd.tools.commits",
            "codexd.tools.login_env",
            "codexd.tools.remote_diff",
            "codexd.catalog.wire_models",
            "codexd.catalog.prices",
            "codexd.tools.passed_env",
            "codexd.__version__",
            "msgspec",
            "trio",
            "watchfiles",
        }
    ),
    # 5: the composition root
    "codexd.machine.descriptors": frozenset(),
    "codexd.app": EVERYBODY,
    "codexd.tool_set": EVERYBODY,
    "codexd.serving": EVERYBODY,
    "codexd.runtime.take_over": EVERYBODY,  # its part of the start
    "codexd.__main__": EVERYBODY,
    "codexd": frozenset(),
    # The roof: other processes
    "codexd_frontends": frozenset(
        {
            "codexd.protocol",
            "codexd.machine.foreign_files",
            "codexd.machine.owners",
            "codexd.machine.paths",
            "codexd.machine.python_child",
            "codexd.__version__",
            "msgspec",
        }
    ),
    # For programs with several tasks: of ours, none has them.
    "codexd_frontends.client.with_trio": frozenset(
        {"codexd_frontends", "codexd.machine.paths", "msgspec", "trio"}
    ),
}

# The core is a function of what it is given: time, chance, names and files come in with the command.
UNKNOWN_TO_THE_CORE = frozenset(
    {
        "asyncio",
        "datetime",
        "io",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "threading",
        "time",
        "uuid",
    }
)

# What loading a module may not bring along, because most processes never need it and all would wait.
HEAVY = (
    "asyncio",
    "h11",
    "httpcore",
    "httpx",
    "httpx2",
    "mcp",
    "opentelemetry",
    "platformdirs",
    "pydantic",
    "sqlite3",
    "tomlkit",
    "watchfiles",
)

# Module: what must not be in `sys.modules` once it is imported.
LIGHT: dict[str, tuple[str, ...]] = {
    "codexd.core": ("trio", "socket", *HEAVY),
    "codexd.projections": ("trio", "socket", *HEAVY),
    "codexd.protocol.wire.framing": ("trio", "socket", *HEAVY),
    "codexd_frontends": ("trio", *HEAVY),
    "codexd.__main__": HEAVY,
    "codexd.app": HEAVY,
}

# Faces for programs of others, which nothing of ours imports.
FOR_OTHERS = frozenset({"codexd_frontends.client.with_trio"})

ABOUT_A_HEAVY_LIBRARY = (
    "codexd.models.http.client",
    "codexd.models.http.direct",
    "codexd.models.scripted.server",
    "codexd.network.plain_http",
    "codexd_eventstore.sidecar.file",
    "codexd.mcp.http",
    "codexd.mcp.oauth",
)

SOURCES = sources()
MODULES = {module_name(path): path for path in SOURCES}

# A room is a folder. What a person takes in at one look is about a dozen names.
FILES_OF_A_ROOM_MAX = 13
# Rooms of many small files, each found by the name of what it is about.
ROOMS_THAT_LIST = frozenset(
    {"codexd.core.values", "codexd.protocol", "codexd.server.methods", "codexd_frontends.commands"}
)


def floor_of(module: str) -> str:
    return max((package for package in FLOORS if within(module, package)), key=len)


def foreign(path: Path, *, on_load_only: bool = False) -> set[str]:
    """What a file imports from outside of the standard library."""
    names = imports(path, on_load_only=on_load_only)
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def everything_in(package: str) -> list[str]:
    return sorted(module for module in MODULES if within(module, package))


def test_no_module_imports_from_a_floor_above() -> None:
    strays = []
    for module, path in MODULES.items():
        floor = floor_of(module)
        allowed = FLOORS[floor] | {floor}
        found = sorted(n for n in foreign(path) if not any(within(n, ok) for ok in allowed))
        if found:
            strays.append(
                f"{module} stands on the floor of {floor}, which may import"
                f" {', '.join(sorted(allowed))}; found {', '.join(found)}"
            )
    assert not strays, "\n".join(strays)


def module_of(name: str) -> str | None:
    """The file of ours that an imported name is, or is in; what a package itself says is in no file of its room."""
    module = name if name in MODULES else name.rpartition(".")[0]
    path = MODULES.get(module)
    return module if path is not None and path.name != "__init__.py" else None


def room_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def picture_of_imports() -> dict[str, set[str]]:
    """Each module, and the modules of ours that it imports, for its types alone or in a function too."""
    return {
        module: {
            found
            for name in imports(path)
            if (found := module_of(name)) is not None and found != module
        }
        for module, path in MODULES.items()
    }


def circle_in(picture: dict[str, set[str]]) -> str | None:
    """One circle of imports, if there is any."""
    try:
        TopologicalSorter(picture).prepare()
    except CycleError as circle:
        return " <- ".join(circle.args[1])
    return None


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle_in(picture_of_imports()) is None


def test_no_room_imports_from_a_room_above() -> None:
    # Where rooms have an order at all, no import leads back up.
    rooms: dict[str, set[str]] = {}
    for module, found in picture_of_imports().items():
        above = room_of(module)
        rooms.setdefault(above, set()).update({room_of(module) for module in found} - {above})
    assert circle_in(rooms) is None


def test_a_room_has_few_files() -> None:
    sizes = Counter(room_of(m) for m, path in MODULES.items() if path.name != "__init__.py")
    large = {room: n for room, n in sizes.items() if n > FILES_OF_A_ROOM_MAX}
    assert not set(large) - ROOMS_THAT_LIST, f"more than {FILES_OF_A_ROOM_MAX} files in {large}"


def test_a_room_says_its_idea_in_a_sentence() -> None:
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            idea = path.read_text().split('"""')[1]
            assert idea.endswith("."), f"{module}: {idea!r}"
            assert "\n" not in idea, f"{module}: {idea!r}"


def test_heavy_libraries_are_imported_where_they_are_first_used() -> None:
    # The modules that are about such a library are themselves imported on first use.
    heavy = [
        f"{module}: {name}"
        for module, path in MODULES.items()
        if module not in ABOUT_A_HEAVY_LIBRARY
        for name in sorted(imports(path, on_load_only=True))
        if name.split(".")[0] in HEAVY
    ]
    assert not heavy, "imported on load, and not in a function:\n" + "\n".join(heavy)


def test_the_core_has_no_clock_no_chance_and_no_files() -> None:
    found = [
        f"{module}: {name}"
        for module in everything_in("codexd.core")
        for name in sorted(imports(MODULES[module]))
        if name.split(".")[0] in UNKNOWN_TO_THE_CORE
    ]
    assert not found, "the core is a function of its arguments; it imports\n" + "\n".join(found)


def kinds_in(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """A type, and all that values of it are made of."""
    yield kind
    for name in ("fields", "types", "item_types"):
        for part in getattr(kind, name, ()):
            yield from kinds_in(getattr(part, "type", part))
    for name in ("item_type", "key_type", "value_type"):
        if hasattr(kind, name):
            yield from kinds_in(getattr(kind, name))


@pytest.mark.parametrize("value", [Lookups, Questions])
def test_the_inputs_of_a_decision_are_data_without_callables(value: type) -> None:
    # What can be called, or is of no kind that can be written down, is one of these.
    for kind in kinds_in(msgspec.inspect.type_info(value)):
        assert not isinstance(kind, msgspec.inspect.CustomType | msgspec.inspect.AnyType), kind


@pytest.mark.parametrize("module", LIGHT)
def test_the_modules_that_an_import_loads(module: str) -> None:
    names = sorted({*everything_in(module)} - FOR_OTHERS)
    forbidden = LIGHT[module]
    program = (
        f"import sys, {', '.join(names)}\n"
        f"print(*sorted(m for m in {forbidden!r} if m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], f"importing {module} also imports {run.stdout.strip()}"


def test_the_table_names_only_existing_modules() -> None:
    empty = [package for package in FLOORS if not everything_in(package)]
    assert not empty, f"rows in FLOORS without a module: {', '.join(empty)}"
