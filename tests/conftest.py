"""The order of a run, its coverage, and what it does with tests of the wire contract where Codex is not installed."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wire_spool
from installed_codex import NOT_CHECKED, absence, excuse

if TYPE_CHECKING:
    from wire_verdict import Verdict

VERDICT: pytest.StashKey[Verdict] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--coverage-of-rooms",
        action="store_true",
        help="print the branch coverage of the quick tests of the core, the projections and the store",
    )


@pytest.hookimpl(tryfirst=True)  # before anything of ours is imported
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--coverage-of-rooms"):
        from coverage_of_rooms import measure

        measure(config)
    if not hasattr(config, "workerinput"):
        os.environ[wire_spool.SPOOL] = tempfile.mkdtemp(prefix="codexd-wire-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(wire_spool.SPOOL), ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: a test waits for disks, pauses and pipes, too."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: nobody looks through it for garbage, neither now nor while the tests run."""
    gc.disable()
    import hypothesis  # noqa: F401 - its plugin does at the end; it asks for referrers, which are not seen of the frozen

    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # once every test has its marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: what is left for the end, when a worker has nothing more to take, is short."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose part of Codex, or of MCP, is absent."""
    wire_spool.begin_test(item.nodeid)
    for mark in item.iter_markers("wire_contract"):
        absent = absence(*mark.args)
        if absent is None:
            continue
        if (why := excuse()) is not None:
            pytest.skip(f"{absent}; {why}")
        wanted = "run the scripts .ci/install-*"
        pytest.fail(f"{absent}. With CI set it is expected: {wanted}", pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Once all workers are done: whether all that daemons have sent in this run is valid."""
    kept = wire_spool.kept_in(Path(os.environ[wire_spool.SPOOL]))
    if hasattr(session.config, "workerinput") or not kept:
        return
    from wire_verdict import judge

    verdict = judge(kept)
    session.config.stash[VERDICT] = verdict
    if verdict.faults or (absence("schemas") is not None and excuse() is None):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What was sent, and a line that cannot be overlooked for what was not checked."""
    verdict = config.stash.get(VERDICT, None)
    if verdict is not None:
        terminalreporter.section("messages of daemons", red=bool(verdict.faults))
        terminalreporter.write_line(str(verdict))
        if (absent := absence("schemas")) is not None:
            why = excuse() or "with CI set they are expected: run .ci/install-codex"
            terminalreporter.line(f"{absent}; {why}", yellow=True)
    reasons = [
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    missed = [reason for reason in reasons if reason.startswith(NOT_CHECKED)]
    if missed:
        line = f"{len(missed)} tests were skipped: {'; '.join(sorted(set(missed)))}"
        terminalreporter.section(NOT_CHECKED, yellow=True)
        terminalreporter.line(line, yellow=True)
