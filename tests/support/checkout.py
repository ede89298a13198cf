"""The folders of this checkout's code: for the tests that read it instead of running it."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# The source roots, and the one package in each. The roots themselves are folders, not packages.
SOURCE_ROOTS = {
    "daemon": "codexd",
    "eventstore": "codexd_eventstore",
    "frontends": "codexd_frontends",
}

# What people wrote here, by its top-level name: everything else in a checkout is made by tools.
WRITTEN = (
    ".ci",
    ".gitignore",
    "AGENTS.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "check",
    "constraints.txt",
    "daemon",
    "docs",
    "eventstore",
    "frontends",
    "launchd",
    "pyproject.toml",
    "systemd",
    "tests",
)


def sources() -> list[Path]:
    """The Python files of the three packages."""
    return sorted(
        path
        for root, package in SOURCE_ROOTS.items()
        for path in (CHECKOUT / root / package).rglob("*.py")
    )


def written_files() -> Iterator[Path]:
    """Every file that people wrote, caches left out."""
    for name in WRITTEN:
        top = CHECKOUT / name
        if top.is_file():
            yield top
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(f for f in folders if f != "__pycache__")
            yield from (Path(folder, file) for file in sorted(files))


@functools.cache
def tree(path: Path) -> ast.Module:
    """A source file, parsed once however many tests read it."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """The dotted name under which a source file is imported."""
    parts = path.relative_to(CHECKOUT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or something in it."""
    return name == package or name.startswith(package + ".")


def imports(path: Path, *, on_load_only: bool = False) -> set[str]:
    """The dotted names that a file imports; `from a import b` counts as `a.b`.

    With `on_load_only`, only what is imported when the module is: not what stands in a function,
    and not what stands under `if TYPE_CHECKING`.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names: set[str] = set()
    for node in _on_load(tree(path)) if on_load_only else ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def _on_load(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if lazy or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        yield child
        yield from _on_load(child)
