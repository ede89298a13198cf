"""Changes the code in one place at a time and sees whether a test fails: `make mutate`, or `python -m mutate` here.

A mutant is a line of the code under test with one small change: a comparison turned round, a call left out, a number
raised by one. The quick tests that run that line are run against it, until one fails; then all quick tests of its area,
then the slow ones. A mutant that none of them notices has survived: it shows what no test holds. Which mutants are made
follows from the seed.

No file is changed: a finder in the process that runs the tests gives it the changed module.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import coverage
import pytest

from checkout import CHECKOUT, module_name

# Area -> the files that are changed, and the tests that hold them.
AREAS = {
    "core/decide": ("daemon/codexd/core/decide/*.py", "tests/core"),
    "the store's append path": (
        "eventstore/codexd_eventstore/{operations/append,log/committer,log/commit_round}.py",
        "tests/eventstore",
    ),
}
MUTANT = (
    "CODEXD_MUTANT"  # names the file and the number of the change, for the process of the tests
)
TESTS_SECONDS_MAX = 300  # for one mutant; those that loop for ever are noticed so
SCRATCH = CHECKOUT / ".venv" / "mutants"
QUICK = ("-m", "not slow")
# A line that hundreds of tests run is held by the first of them or not at all.
TESTS_MAX = 150

TURNED: dict[type[ast.AST], Any] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


class Change(NamedTuple):
    """One node of a tree, and what stands there instead."""

    node: ast.AST
    instead: ast.AST
    words: str


def changes(tree: ast.Module) -> list[Change]:
    """All changes that can be made to a module, always in the same order."""
    found = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in function.body:
                found += [change for node in _code(statement) for change in _changes_of(node)]
    # A function within a function is met twice.
    unique = {(id(change.node), change.words): change for change in found}
    return list(unique.values())


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """What is run of a statement: no type, no message of an exception, no docstring."""
    if isinstance(node, ast.Raise | ast.Assert | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or (
            name == "cls" and isinstance(node, ast.MatchClass)
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _changes_of(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[op, *others]) if type(op) in TURNED:
            turned = TURNED[type(op)]()
            instead: ast.AST = ast.Compare(node.left, [turned, *others], node.comparators)
            yield Change(node, instead, "the comparison is turned round")
        case ast.BoolOp():
            instead = ast.BoolOp(TURNED[type(node.op)](), node.values)
            yield Change(node, instead, "`and` and `or` are exchanged")
        case ast.UnaryOp(op=ast.Not()):
            yield Change(node, node.operand, "`not` is left out")
        case ast.BinOp() if type(node.op) in TURNED and not _is_text(node):
            instead = ast.BinOp(node.left, TURNED[type(node.op)](), node.right)
            yield Change(node, instead, "`+` and `-` are exchanged")
        case ast.Constant(value=bool() as value):
            yield Change(node, ast.Constant(not value), "the constant is the other one")
        case ast.Constant(value=int() as value):
            yield Change(node, ast.Constant(value + 1), "the number is one more")
        case ast.Expr(value=ast.Call(func=ast.Name("assert_never"))):
            return
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            yield Change(node, ast.Pass(), "the statement is left out")
        case ast.Assign(targets=[ast.Attribute()]):
            yield Change(node, ast.Pass(), "the statement is left out")
        case ast.If() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            negated = ast.UnaryOp(ast.Not(), node.test)
            yield Change(node.test, negated, "the condition is negated")
        case ast.List(elts=[_, *rest], ctx=ast.Load()):
            yield Change(node, ast.List(rest, ast.Load()), "the first element is left out")


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in sides
    )


def mutated(source: str, number: int) -> ast.Module:
    """The tree of a module with the change of that number made."""
    tree = ast.parse(source)
    change = changes(tree)[number]

    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is change.node:
                return ast.copy_location(change.instead, node)
            return self.generic_visit(node)

    exchanged = ast.fix_missing_locations(Exchange().visit(tree))
    assert isinstance(exchanged, ast.Module)
    return exchanged


# In the process that runs the tests, as a plugin of pytest


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, number: int) -> None:
        super().__init__(fullname, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:  # never from a cache
        source = Path(self.path).read_text(encoding="utf-8")
        return compile(mutated(source, self._number), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, path: str, number: int) -> None:
        self._module, self._path, self._number = module, path, number

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = _Loader(fullname, self._path, self._number)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Give the tests the changed module."""
    if asked := os.environ.get(MUTANT):
        path, _, number = asked.rpartition(":")
        module = module_name(Path(path))
        assert module not in sys.modules, f"{module} was imported before it could be changed"
        sys.meta_path.insert(0, _Finder(module, path, int(number)))


# In the process that makes the mutants


class Mutant(NamedTuple):
    area: str
    path: Path
    number: int
    line: int
    words: str
    tests: tuple[str, ...]  # that run the line

    def __str__(self) -> str:
        return f"{self.path.relative_to(CHECKOUT)}:{self.line}: {self.words}"


def run_tests(arguments: Sequence[str], *, mutant: str = "") -> int:
    """The exit code of pytest over some tests; that of a failure where they take too long."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    places = os.pathsep.join(str(CHECKOUT / place) for place in ("tests", "tests/support"))
    environment = {**os.environ, "PYTHONPATH": places, MUTANT: mutant}
    # What fails against a mutant is no example to try first in later runs.
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(SCRATCH / "hypothesis")
    try:
        done = subprocess.run(
            [*command, "-p", "mutate", "--hypothesis-seed=0", *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TESTS_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return pytest.ExitCode.TESTS_FAILED
    return done.returncode


def tests_by_line(area: str) -> coverage.CoverageData:
    """Which quick tests of an area run which lines, by a run of all of them."""
    data = SCRATCH / f"{area.replace('/', '-').replace(' ', '-')}.coverage"
    os.environ["COVERAGE_FILE"] = str(data)
    _, tests = AREAS[area]
    code = run_tests([*QUICK, tests, "--cov", "--cov-context=test", "--cov-report="])
    assert code == 0, f"the tests of {area} fail without any change"
    found = coverage.CoverageData(str(data))
    found.read()
    return found


def files_of(area: str) -> list[Path]:
    """The files of an area; `{a,b}` in its pattern is either."""
    pattern, _ = AREAS[area]
    before, brace, rest = pattern.partition("{")
    names, _, after = rest.partition("}")
    choices = [before + name + after for name in names.split(",")] if brace else [pattern]
    return sorted(path for choice in choices for path in CHECKOUT.glob(choice))


def mutants_of(area: str, data: coverage.CoverageData, count: int, seed: str) -> list[Mutant]:
    """A sample of the mutants of an area, the same for the same seed and the same code."""
    every = []
    for path in files_of(area):
        contexts = data.contexts_by_lineno(str(path))
        for number, change in enumerate(changes(ast.parse(path.read_text(encoding="utf-8")))):
            line: int = change.node.lineno  # type: ignore[attr-defined]
            # Without the parameters of a test, so that a name is one that pytest finds.
            names = {name.partition("[")[0].partition("|")[0] for name in contexts.get(line, [])}
            tests = sorted(names - {""})
            random.Random(f"{seed} {path.name} {number}").shuffle(tests)
            chosen = tuple(tests[:TESTS_MAX])
            every.append(Mutant(area, path, number, line, change.words, chosen))
    return random.Random(seed).sample(every, min(count, len(every)))


def survives(mutant: Mutant) -> bool:
    """Whether no test notices it."""
    _, area = AREAS[mutant.area]
    # What runs in threads of the code is known of no test: so all of the area are tried in the end.
    for tests in [mutant.tests, (*QUICK, area), ("-m", "slow", area)]:
        if not tests:
            continue
        code = run_tests(["-x", *tests], mutant=f"{mutant.path}:{mutant.number}")
        if code not in _PASSED:
            return False
    return True


# Of an area some tests are slow, or none. An error while pytest imports the tests notices a mutant as well.
_PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def main() -> None:
    """Make the mutants, run their tests, and print what survived and the score."""
    parser = argparse.ArgumentParser(prog="mutate")
    parser.add_argument("--count", type=int, default=60, help="mutants of each area")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--area", choices=AREAS, action="append")
    asked = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    noticed: Counter[str] = Counter()
    for area in asked.area or AREAS:
        mutants = mutants_of(area, tests_by_line(area), asked.count, asked.seed)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for mutant, survived in zip(mutants, pool.map(survives, mutants), strict=True):
                noticed[area] += not survived
                if survived:
                    held = f"{len(mutant.tests)} quick tests run it"
                    print(f"{mutant} ({held})", flush=True)
        score = noticed[area] / len(mutants)
        print(
            f"{area}: {noticed[area]} of {len(mutants)} mutants noticed ({score:.0%})", flush=True
        )


if __name__ == "__main__":
    main()
