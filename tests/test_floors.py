"""The architect: every module imports from its own floor and those below it, and from nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from house import imports, module_name, sources, within

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
            "codexd.core.ids",
            "codexd.core.items",
            "codexd.core.review_targets",
            "codexd.core.settings",
            "codexd.core.titles",
            "msgspec",
            "wsproto",
        }
    ),
    "codexd.projections": frozenset({"codexd.core", "codexd.protocol", "msgspec"}),
    # 2: the world's edges
    "codexd.models": frozenset({"codexd.core", "codexd.__version__", "msgspec", "trio"}),
    # httpcore is the half of httpx that owns connections.
    "codexd.models.network": frozenset({"codexd.models", "httpcore"}),
    "codexd.models.transport": frozenset(
        {"codexd.core", "codexd.models", "msgspec", "trio", "httpx", "httpcore"}
    ),
    "codexd.models.scripted": frozenset({"codexd.core", "codexd.models", "msgspec", "trio", "h11"}),
    "codexd.tools": frozenset({"codexd.core", "codexd.patience", "msgspec", "trio"}),
    "codexd.config_keys": frozenset({"codexd.core", "msgspec"}),
    # A proof about expressions that people write
    "codexd.linear": frozenset({"msgspec"}),
    "codexd.config": frozenset(
        {
            "codexd.config_keys",
            "codexd.core",
            "codexd.foreign_files",
            "codexd.owners",
            "codexd.linear",
            "codexd.paths",
            "msgspec",
            "platformdirs",
        }
    ),
    "codexd.live_config": frozenset({"codexd.config", "codexd.config_keys", "codexd.owners"}),
    # The daemon's log as text; foreign text is drawn in it as on any screen
    "codexd.log_lines": frozenset({"codexd.protocol.visible"}),
    # Secrets: known to config and environment, looked for in whatever is about to be written
    "codexd.redaction": frozenset(
        {
            "codexd.core",
            "codexd.config",
            "codexd.config_keys",
            "codexd.live_config",
            "codexd.log_lines",
            "msgspec",
        }
    ),
    "codexd.limits": frozenset({"codexd.config_keys", "codexd.core", "codexd.models"}),
    "codexd.prices": frozenset(
        {"codexd.config_keys", "codexd.core", "codexd.projections", "msgspec"}
    ),
    "codexd.providers": frozenset(
        {
            "codexd.config",
            "codexd.config_keys",
            "codexd.live_config",
            "codexd.models",
            "msgspec",
            "trio",
        }
    ),
    # What people wrote down for the model, and where it works
    "codexd.agents_files": frozenset(
        {
            "codexd.config_keys",
            "codexd.core",
            "codexd.foreign_files",
            "codexd.owners",
            "codexd.paths",
            "msgspec",
        }
    ),
    "codexd.place": frozenset({"codexd.core"}),
    "codexd.repository": frozenset({"codexd.foreign_files"}),
    "codexd.compact_prompt": frozenset(
        {"codexd.config_keys", "codexd.core", "codexd.foreign_files"}
    ),
    "codexd.tuning": frozenset({"codexd.core", "codexd.models"}),
    "codexd.paths": frozenset({"msgspec", "platformdirs"}),
    "codexd.python_child": frozenset(),
    "codexd.privacy": frozenset({"codexd.python_child"}),
    # What others wrote or may have put there: opened, waited for, and believed, or not
    "codexd.foreign_files": frozenset(),
    "codexd.patience": frozenset({"msgspec", "trio"}),
    "codexd.owners": frozenset({"codexd.paths", "codexd_eventstore.files"}),
    # 3: where pure meets the world
    "codexd.runtime": frozenset(
        {
            "codexd.core",
            "codexd.projections",
            "codexd_eventstore",
            "codexd.foreign_files",
            "codexd.owners",
            "codexd.patience",
            "codexd.models.client",
            "codexd.tools.registry",
            "msgspec",
            "trio",
        }
    ),
    "codexd.importing": frozenset(
        {
            "codexd.core",
            "codexd.foreign_files",
            "codexd.python_child",
            "codexd_eventstore",
            "msgspec",
            "trio",
        }
    ),
    # A subscriber: knows the store's files, and no thread that is at work.
    "codexd.index": frozenset(
        {
            "codexd.core",
            "codexd.log_lines",
            "codexd.paths",
            "codexd.projections",
            "codexd.python_child",
            "codexd_eventstore",
            "msgspec",
            "trio",
            "watchfiles",
        }
    ),
    # 4: the socket
    "codexd.server": frozenset(
        {
            "codexd.runtime",
            "codexd.index",
            "codexd.importing",
            "codexd.redaction",
            "codexd.projections",
            "codexd.protocol",
            "codexd.core",
            "codexd_eventstore",
            "codexd.config",
            "codexd.foreign_files",
            "codexd.linear",
            "codexd.live_config",
            "codexd.owners",
            "codexd.paths",
            "codexd.patience",
            "codexd.prices",
            "codexd.__version__",
            "msgspec",
            "trio",
        }
    ),
    # 5: the composition root
    "codexd.descriptors": frozenset(),
    "codexd.app": EVERYBODY,
    "codexd.taking_over": EVERYBODY,  # its part of the start
    "codexd.__main__": EVERYBODY,
    "codexd": frozenset(),
    # The roof: other processes
    "codexd_frontends": frozenset(
        {
            "codexd.protocol",
            "codexd.foreign_files",
            "codexd.owners",
            "codexd.paths",
            "codexd.python_child",
            "codexd.__version__",
            "msgspec",
        }
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
    "opentelemetry",
    "platformdirs",
    "sqlite3",
    "watchfiles",
)

# Module: what must not be in `sys.modules` once it is imported.
LIGHT: dict[str, tuple[str, ...]] = {
    "codexd.core": ("trio", "socket", *HEAVY),
    "codexd.projections": ("trio", "socket", *HEAVY),
    "codexd.protocol.framing": ("trio", "socket", *HEAVY),
    "codexd_frontends": ("trio", *HEAVY),
    "codexd.__main__": HEAVY,
    "codexd.app": HEAVY,
}

ABOUT_A_HEAVY_LIBRARY = (
    "codexd.models.transport",
    "codexd.models.scripted",
    "codexd_eventstore.notes_file",
)

SOURCES = sources()
MODULES = {module_name(path): path for path in SOURCES}


def floor_of(module: str) -> str:
    return max((package for package in FLOORS if within(module, package)), key=len)


def foreign(path: Path, *, on_load_only: bool = False) -> set[str]:
    """What a file imports from outside of the standard library."""
    names = imports(path, on_load_only=on_load_only)
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def everything_in(package: str) -> list[str]:
    return sorted(module for module in MODULES if within(module, package))


def test_nobody_imports_from_a_floor_above() -> None:
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


@pytest.mark.parametrize("module", LIGHT)
def test_what_a_module_brings_along_when_it_is_imported(module: str) -> None:
    names = everything_in(module)
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


def test_the_table_names_only_what_is_there() -> None:
    empty = [package for package in FLOORS if not everything_in(package)]
    assert not empty, f"rows in FLOORS without a module: {', '.join(empty)}"
