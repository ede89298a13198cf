"""An event is added by what AGENTS.md says, and by nothing else: a struct, its name in `Event`, and the listed cases.

It is done here to a copy of the core, with the type checker for a guide.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import CHECKOUT

pytestmark = pytest.mark.slow

# What somebody writes: a struct, and its name in the union of all events, ...
STRUCT = '''class ThreadGreeted(Fact, frozen=True):
    """Somebody was greeted."""

    type = "thread.greeted"
    who: str


class Unknown('''
# ... and the cases at which the type checker points.
CASE = """        case e.ThreadGreeted():
            return replace(state, name=event.who)
        case e.ThreadArchived():
"""

PROGRAM = """
import msgspec
from codexd.core.events.events import ThreadGreeted, decode_event, encode_event
from codexd.core.state.state import fold

event = ThreadGreeted("Ann")
data = encode_event(event)
assert data == b'{"who":"Ann"}', data
assert decode_event("thread.greeted", 1, msgspec.Raw(data)) == event
assert fold([event]).name == "Ann"
print("read, written and folded")
"""


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (
        f"expected {old!r} once in {path}, found it {text.count(old)} times"
    )
    path.write_text(text.replace(old, new), encoding="utf-8")


def in_copy(copy: Path, *program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": "daemon", "MYPYPATH": "daemon"},
        capture_output=True,
        text=True,
        check=False,
    )


def complaints(copy: Path) -> list[str]:
    """The files in which the type checker finds a case missing."""
    found = in_copy(
        copy,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "-p",
        "codexd.core",
        "-p",
        "codexd.projections",
    )
    return sorted(
        {line.partition(":")[0] for line in found.stdout.splitlines() if "error:" in line}
    )


def test_the_type_checker_leads_to_every_case_that_an_event_needs(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "daemon/codexd", tmp_path / "daemon/codexd")
    core = tmp_path / "daemon/codexd/core"
    events, state = core / "events/events.py", core / "state/state.py"
    assert complaints(tmp_path) == []

    replaced(events, "class Unknown(", STRUCT)
    replaced(events, "\nEvent = (\n", "\nEvent = (\n    ThreadGreeted |\n")
    assert complaints(tmp_path) == ["daemon/codexd/core/state/state.py"]

    replaced(state, "\n_ThreadEvent = (\n", "\n_ThreadEvent = (\n    e.ThreadGreeted |\n")
    assert complaints(tmp_path) == ["daemon/codexd/core/state/state.py"]

    replaced(state, "        case e.ThreadArchived():\n", CASE)
    assert complaints(tmp_path) == []

    done = in_copy(tmp_path, "-c", PROGRAM)
    assert done.stdout == "read, written and folded\n", done.stderr
