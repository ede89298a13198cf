"""Habits of the house that a reader may rely on, held by a test: sizes, leftovers, sleeping, file modes."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from checkout import CHECKOUT, sources, tree, written_files

FILE_LINES_MAX = 400  # what can be read in one sitting
FUNCTION_LINES_MAX = 40  # what fits on a screen; the docstring is not counted

# Stands right above a `def`, or at the top of a file, and is followed by the reason.
EXCUSE = "# Longer than the habit:"

LAUNCHERS = "frontends/codexd_frontends/launchers"
EXECUTABLE = {
    "check",
    ".ci/install-codex",
    ".ci/install-codex-acp",
    ".ci/install-mcp-server",
    ".ci/install-sdks",
    ".ci/install-typescript",
    ".ci/run",
    *(f"{LAUNCHERS}/{name}" for name in ("codexctl", "codexd", "codexd-python")),
}

# Tests that wait for the clock, with the reason why nothing else can be waited for.
MAY_SLEEP: dict[str, str] = {}

LEFTOVERS = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b|\bfor n[o]w\b|\bnot implem[e]nted\b", re.IGNORECASE)
# A person's or a machine's own folders, and where packages come from here but not elsewhere.
ADDRESSES = re.compile(
    r"/r[o]ot/|/work/(?:main|shared)\b|/(?:home|Users)/(?!ann\b)\w|--(?:extra-)?index-[u]rl|--find-[l]inks"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef

SOURCES = sources()
TESTS = sorted((CHECKOUT / "tests").rglob("*.py"))


def where(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines from `def` to the end, decorators and docstring left out."""
    end = function.end_lineno or function.lineno
    first = function.body[0]
    docstring = 0
    if ast.get_docstring(function) is not None:
        docstring = (first.end_lineno or first.lineno) - first.lineno + 1
    return end - function.lineno + 1 - docstring


def excused(function: Function, lines: list[str]) -> bool:
    """Whether the comment right above the function or its decorators gives a reason."""
    above = min([function.lineno, *(d.lineno for d in function.decorator_list)]) - 2
    while above >= 0 and lines[above].lstrip().startswith("#"):
        if lines[above].lstrip().startswith(EXCUSE):
            return True
        above -= 1
    return False


# One test for all files and not one for each: two thousand tests would take a fifth of the whole run.


def test_a_file_can_be_read_in_one_sitting() -> None:
    long = [
        f"{where(path)}: {len(lines)} lines"
        for path in SOURCES
        if len(lines := _lines(path)) > FILE_LINES_MAX and not lines[0].startswith(EXCUSE)
    ]
    assert not long, "split by noun or by verb:\n" + "\n".join(long)


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{where(path)}:{function.lineno}: {function.name} has {length(function)} lines"
        for path in SOURCES
        for function in functions(path)
        if length(function) > FUNCTION_LINES_MAX and not excused(function, _lines(path))
    ]
    assert not long, "\n".join(long)


def test_a_module_has_a_docstring() -> None:
    silent = [
        where(path)
        for path in SOURCES
        if not (ast.get_docstring(tree(path)) or "").partition("\n")[0].endswith((".", ":", "?"))
    ]
    assert not silent, "a module begins with its law, in a sentence:\n" + "\n".join(silent)


def test_nothing_is_left_over_and_nothing_names_a_machine() -> None:
    found = [
        f"{where(path)}:{number}: {line.strip()[:100]}"
        for path in written_files()
        for number, line in enumerate(_lines(path), 1)
        if LEFTOVERS.search(line) or ADDRESSES.search(line)
    ]
    assert not found, "\n".join(found)


def test_tests_do_not_wait_for_the_clock() -> None:
    # Programs that tests run in other processes are strings, and may.
    sleeping = [sleep for path in TESTS if where(path) not in MAY_SLEEP for sleep in _sleeps(path)]
    assert not sleeping, "wait for what is to happen, and not for the clock:\n" + "\n".join(
        sleeping
    )


def _sleeps(path: Path) -> list[str]:
    if "sleep" not in path.read_text(encoding="utf-8"):
        return []
    on_a_clock_that_jumps = {
        id(node)
        for function in functions(path)
        if any("autojump=True" in ast.unparse(how) for how in function.decorator_list)
        for node in ast.walk(function)
    }
    return [
        f"{where(path)}:{node.lineno}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.sleep", "trio.sleep")
        and not (ast.unparse(node.func) == "trio.sleep" and id(node) in on_a_clock_that_jumps)
    ]


def test_only_programs_are_executable() -> None:
    for path in written_files():
        executable = os.access(path, os.X_OK)
        assert executable == (where(path) in EXECUTABLE), f"{where(path)}: executable={executable}"
        if executable:
            assert path.read_bytes().startswith(b"#!"), f"{where(path)} does not name its shell"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []  # recorded bytes for the tests
