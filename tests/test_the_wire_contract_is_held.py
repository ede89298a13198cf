"""Tests that need Codex's schemas are never skipped in silence, and in CI they fail where node could install them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import CHECKOUT

A_TEST = "tests/protocol/test_speaking_as_the_schemas_say.py::test_an_answer[initialize]"

pytestmark = pytest.mark.slow


def run(folder: Path, *, node: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """One test of the schemas, where there are none; `node`: whether there are programs of that name."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("node", "npm") if node else ():
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "CODEX_UNREACHABLE")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", A_TEST],
        cwd=CHECKOUT,
        env=kept
        | {"PATH": str(programs), "CODEX_SCHEMA": str(folder)}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # Half of the time would go into plugins.
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_in_ci_a_test_without_schemas_fails_where_node_is_there(tmp_path: Path) -> None:
    done = run(tmp_path, CI="true")
    assert done.returncode == 1, done.stdout
    assert "the wire contract was not checked: Codex's schemas are not in" in done.stdout
    assert "run the scripts .ci/install-" in done.stdout


@pytest.mark.parametrize(
    ("environment", "node", "why"),
    [
        ({}, True, "outside of CI it is not asked for"),
        ({"CI": "true"}, False, "there is no node here to install it with"),
        ({"CI": "true", "CODEX_UNREACHABLE": "1"}, True, "npm reached no registry"),
    ],
)
def test_elsewhere_the_summary_counts_the_skipped_checks(
    tmp_path: Path, environment: dict[str, str], node: bool, why: str
) -> None:
    done = run(tmp_path, node=node, **environment)
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("1 tests were skipped")]
    assert line == (
        "1 tests were skipped: the wire contract was not checked:"
        f" Codex's schemas are not in {tmp_path}; {why}"
    )
