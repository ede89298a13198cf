"""The examples of the library's README run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "eventstore" / "README.md"


@pytest.mark.slow
def test_its_use_in_twenty_lines_runs(tmp_path: Path) -> None:
    example = re.search(
        r"^```python\n# runs\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
    )
    assert example is not None
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split(" ")[:2] for line in ran.stdout.splitlines()] == [
        ["1", "order.placed"],
        ["2", "order.paid"],
    ]
