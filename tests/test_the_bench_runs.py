"""What `make bench` runs still runs: at a size that says nothing, whose figures nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def ran(module: str, *arguments: str) -> str:
    """What it prints; it must end well."""
    env = os.environ | {"CODEXD_BENCH_TINY": "1", "PYTHONPATH": f"{TESTS}:{TESTS / 'support'}"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "row"),
    [
        ("committing", "| a new stream |"),
        ("reading,following", "| a follower has a record after its append returned |"),
        ("indexing", "| the index has a record after its append returned, at worst |"),
        ("opening", "| a fork of 1,000,000 events |"),
    ],
)
def test_each_part_of_the_bench_ends_in_its_rows(parts: str, row: str, tmp_path: Path) -> None:
    assert row in ran("bench", str(tmp_path), "--only", parts)


@pytest.mark.slow
def test_the_homes_that_are_measured_can_be_made(tmp_path: Path) -> None:
    assert ran("bench.homes", str(tmp_path), "3") == "3 threads with 81 records\n"
    assert " MiB in " in ran("bench.long_thread", str(tmp_path), "200")


@pytest.mark.slow
def test_the_soak_reports_the_daemons_memory_at_each_step() -> None:
    rows = ran("bench.soak", "8", "4").splitlines()
    assert len(rows) == 4
    assert all(" turns " in row and " MiB " in row for row in rows)


@pytest.mark.slow
def test_what_a_tool_call_costs_is_measured_in_each_mode_that_is_enforced() -> None:
    printed = ran("bench.calling", "2")
    assert "| a tool call, danger-full-access |" in printed
    assert "| … the processor time of the keeper |" in printed
    for mode in ("read-only", "workspace-write"):
        assert (f"| a tool call, {mode} |" in printed) == (f", {mode} |" in printed)
