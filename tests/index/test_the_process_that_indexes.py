"""The index's own process: it may die at any moment, it ends with the daemon, and it indexes all that it can read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from builders import STARTED, begun, queued
from codexd.index.build.reconcile import FIRST_PORTION, Progress
from indexing import LogFile, indexed, stream

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Some hundred threads."""
    for number in range(300):
        LogFile(tmp_path / "home", stream(number)).add(
            STARTED, queued(1, f"number {number}"), begun(1)
        )
    return tmp_path / "home"


def started(home: Path, index: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "codexd.index", str(home), str(index)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return process


def told(process: subprocess.Popen[bytes]) -> Iterator[Progress]:
    assert process.stdout is not None
    for line in process.stdout:
        yield msgspec.json.decode(line, type=Progress)


def end(process: subprocess.Popen[bytes]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    return process.wait(PATIENCE_SECONDS)


def test_it_reports_its_progress_and_the_newest_come_first(home: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    process = started(home, index)
    progress = list(told(process))
    assert end(process) == 0
    assert progress[0].done == FIRST_PORTION
    assert progress[-1].ended
    assert (progress[-1].done, progress[-1].total) == (300, 300)
    assert [step.done for step in progress] == sorted(step.done for step in progress)
    with indexed(home, index) as searched:
        numbers = searched.connection.execute(
            "SELECT id FROM thread ORDER BY no LIMIT 3"
        ).fetchall()
        assert [row[0] for row in numbers] == [stream(299), stream(298), stream(297)]
        assert index.stat().st_mode & 0o777 == 0o600


def test_killed_half_way_it_continues_from_there(home: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    for kill_after in (1, 2, 3):
        process = started(home, index)
        for number, _ in enumerate(told(process), 1):
            if number == kill_after:
                process.kill()
        end(process)
    with indexed(home, index) as cut, indexed(home, tmp_path / "whole") as whole:
        before = len(cut.rows)
        assert before >= FIRST_PORTION
        assert cut.catch_up().contents() == whole.catch_up().contents()
        cut.check_words()


def test_it_ends_when_the_daemon_does(home: Path, tmp_path: Path) -> None:
    process = started(home, tmp_path / "i")
    next(told(process))
    end(process)


def test_a_file_that_is_no_database_is_replaced(home: Path, tmp_path: Path) -> None:
    index = tmp_path / "i"
    index.write_bytes(b"rubbish" * 5000)
    process = started(home, index)
    assert list(told(process))[-1].ended
    assert end(process) == 0
    with indexed(home, index) as searched:
        assert len(searched.rows) == 300
