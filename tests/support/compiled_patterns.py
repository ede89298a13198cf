"""Every regular expression of the product: those that its modules hold, and those that its code makes."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import codexd
import codexd_eventstore
import codexd_frontends
from codexd.redaction.patterns import PATTERNS
from codexd.redaction.redactor import Redactor

AnyPattern = re.Pattern[str] | re.Pattern[bytes]
ROOTS: tuple[ModuleType, ...] = (codexd, codexd_eventstore, codexd_frontends)
# Programs, which begin to run when they are imported.
_PROGRAMS = (".__main__", "codexd.index.process")
_CALLS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}


def patterns() -> dict[str, AnyPattern]:
    """By the name of the module's attribute; those of secrets by their kind."""
    found: dict[str, AnyPattern] = {}
    for module in _modules():
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found.setdefault(f"{module.__name__}.{name}", value)
    for secret in PATTERNS:
        if secret.source:
            found[f"redaction:{secret.kind}"] = secret.regex
        found[f"redaction:{secret.kind} anchor"] = re.compile(secret.anchor)
    known = Redactor({"NAME": "a-secret-value", "OTHER": "another/secret+value"})
    found["redaction:first pass"] = known._first_pass.__self__  # type: ignore[attr-defined]
    assert known._known is not None
    assert known._begins is not None
    found |= {"redaction:known": known._known, "redaction:begins": known._begins}
    unique: dict[AnyPattern, str] = {}
    for name, pattern in found.items():
        unique.setdefault(pattern, name)
    return {name: pattern for pattern, name in unique.items()}


def uses_of(name: str) -> frozenset[str]:
    """The methods that its module calls of it; none where it is not called by its name there."""
    module, _, attribute = name.rpartition(".")
    root = next((root for root in ROOTS if module.startswith(f"{root.__name__}.")), None)
    if root is None or root.__file__ is None:
        return frozenset()
    path = Path(root.__file__).parent.parent.joinpath(*module.split(".")).with_suffix(".py")
    found = re.findall(rf"\b{attribute}(\.(\w+)|\b(?! *[:=]))", path.read_text())
    return frozenset(method for _, method in found)


def made_elsewhere() -> list[str]:
    """Calls of `re` that no module's attribute holds the expression of: file, function, line's text."""
    found = []
    for root in ROOTS:
        assert root.__file__ is not None
        folder = Path(root.__file__).parent
        for path in sorted(folder.rglob("*.py")):
            tree = ast.parse(path.read_text())
            held = {
                id(node.value)
                for node in tree.body
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
            }
            for node in ast.walk(tree):
                if _is_of_re(node) and id(node) not in held:
                    name = path.relative_to(folder.parent).as_posix()
                    found.append(f"{name}: {ast.unparse(node)}")
    return found


def _is_of_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _CALLS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    )


def _modules() -> list[ModuleType]:
    modules = []
    for root in ROOTS:
        for package in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not package.name.endswith(_PROGRAMS):
                modules.append(importlib.import_module(package.name))
    return modules
