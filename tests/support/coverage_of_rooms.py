"""The branch coverage of the quick tests of the core, the projections and the store: `pytest --coverage-of-rooms`.

    $ make coverage     # these tests alone
    $ make test         # all tests; while the others run nothing is traced, which would double what they cost

Each process that runs tests traces the imports of these packages, and those tests. The process that prints the summary adds the figures
of each room to it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

import pytest
import trio
from coverage import Coverage
from coverage.exceptions import CoverageException

from checkout import CHECKOUT

MEASURED = CHECKOUT / ".venv" / "coverage"
ROOMS = ("codexd.core", "codexd.projections", "codexd_eventstore")
TRACED = ("tests/core/", "tests/projections/", "tests/eventstore/")
FIGURES = ("num_branches", "covered_branches", "num_statements", "covered_lines")


def measuring(*, data_suffix: bool | None = None) -> Coverage:
    """What measures, as `pyproject.toml` says it."""
    settings = str(CHECKOUT / "pyproject.toml")
    return Coverage(config_file=settings, source_pkgs=ROOMS, data_suffix=data_suffix)


class Tracing:
    """In a process that runs tests: traces the imports of the rooms, and their quick tests."""

    def __init__(self) -> None:
        self._coverage = measuring(data_suffix=True)
        self._coverage.start()
        for room in ROOMS:
            for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
                importlib.import_module(module.name)
        self._coverage.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace a test of the rooms."""
        if not item.nodeid.startswith(TRACED) or item.get_closest_marker("slow") is not None:
            return (yield)
        self._coverage.start()
        _trace_idle_threads()
        try:
            return (yield)
        finally:
            self._coverage.stop()

    def pytest_sessionfinish(self) -> None:
        """Leave the figures for the process that prints them."""
        self._coverage.save()


def _trace_idle_threads() -> None:
    """Trace the threads that trio keeps for later work as well: coverage.py traces those that begin from now on."""
    idle = sum(thread.name.startswith("Trio thread") for thread in threading.enumerate())
    together = threading.Barrier(idle + 1)  # so that none of them does it twice

    def trace() -> None:
        sys.settrace(threading.gettrace())
        together.wait()

    for _ in range(idle):
        trio.lowlevel.start_thread_soon(trace, lambda _: None)
    together.wait()


class Printing:
    """In the process that the others report to."""

    def __init__(self) -> None:
        for path in MEASURED.parent.glob(f"{MEASURED.name}.*"):
            path.unlink()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table, after the results."""
        terminalreporter.section("coverage of the quick tests")
        try:
            lines = ["branches  lines", *table()]
        except CoverageException as error:
            lines = [f"It was not measured: {error}"]
        for line in lines:
            terminalreporter.line(line)


def measure(config: pytest.Config) -> None:
    """Take the part of this process, or both parts where one process does all."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        config.pluginmanager.register(Printing())
    if is_worker or not config.getoption("numprocesses", default=None):
        config.pluginmanager.register(Tracing())


def table() -> list[str]:
    """One line for each room: the share of its branches and of its lines that a test takes."""
    whole, report = measuring(), MEASURED.with_suffix(".json")
    whole.combine()
    whole.json_report(outfile=str(report))
    found = rooms(json.loads(report.read_bytes())["files"])
    return [
        f"{_share(n, 'branches'):8.1%} {_share(n, 'lines'):6.1%}  {room}"
        for room, n in found.items()
    ]


def _share(count: Counter[str], of: str) -> float:
    every = {"branches": "num_branches", "lines": "num_statements"}[of]
    return count[f"covered_{of}"] / max(count[every], 1)


def rooms(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Counter[str]]:
    """Room -> the sums of coverage.py's figures for its files; a package's own line sums those of its rooms."""
    sums: dict[str, Counter[str]] = {}
    for name, measured in sorted(files.items()):
        parts = PurePath(name).parts[1:-1]
        top = 1 if parts[0] == "codexd_eventstore" else 2
        for room in {parts[:top], parts}:
            figures = {key: measured["summary"][key] for key in FIGURES}
            sums.setdefault("/".join(room), Counter()).update(figures)
    return dict(sorted(sums.items()))
