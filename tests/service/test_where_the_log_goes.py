"""The daemon's log in a file of bounded size, and in the journal with its fields."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codexd.machine.log_lines import LogLines
from codexd.service.journal import JournalHandler, datagram, is_journal
from daemon_house import Home

THREAD = "019a0000-0000-7000-8000-000000000001"
# In a process of its own: the file becomes its stderr.
FILLS = """
import logging, sys
from pathlib import Path
from codexd.service.log_file import LogFile
handler = LogFile(Path(sys.argv[1]), bytes_max=2000)
logging.basicConfig(handlers=[handler], level=20, format="%(message)s")
for number in range(1000):
    logging.info("entry %d", number)
print("said on stderr", file=sys.stderr)
"""


def record(message: str, level: int = logging.INFO, *args: object) -> logging.LogRecord:
    return logging.LogRecord("codexd.x", level, "/f.py", 7, message, args, None, "verb")


def test_a_full_file_is_kept_and_an_old_one_removed(tmp_path: Path) -> None:
    path = tmp_path / "log" / "codexd.log"
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    names = ["codexd.log", *(f"codexd.log.{number}" for number in range(1, 5))]
    assert sorted(os.listdir(path.parent)) == names
    lines: list[str] = []
    for name in reversed(names):
        found = path.with_name(name)
        assert found.stat().st_size <= 2000 + len("said on stderr\n")
        assert stat.S_IMODE(found.stat().st_mode) == 0o600
        lines += found.read_text().splitlines()
    first = int(lines[0].split()[1])
    assert lines == [*(f"entry {number}" for number in range(first, 1000)), "said on stderr"]


def test_a_log_that_was_moved_away_is_opened_again(home: Home) -> None:
    path, moved = home.root / "log", home.root / "moved"
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with notified:
        notified.bind(str(home.root / "n"))
        notified.settimeout(60)
        daemon = home.launch("--log", str(path), NOTIFY_SOCKET=str(home.root / "n"))
        assert b"READY=1" in notified.recv(1 << 16)
        path.rename(moved)
        daemon.process.send_signal(signal.SIGHUP)
        assert notified.recv(1 << 16).startswith(b"RELOADING=1")
        assert b"READY=1" in notified.recv(1 << 16)
        assert daemon.stop() == 0
    assert "answers on" in moved.read_text()
    assert (
        path.read_text()
        .splitlines()[0]
        .endswith("INFO reloaded: serves: 0 turns run, 0 threads loaded, 0 clients")
    )
    assert daemon.log == []  # on the stream that it was started with


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        yield journal


def test_an_entry_of_the_journal_has_fields(tmp_path: Path, journal: socket.socket) -> None:
    handler = JournalHandler(tmp_path / "journal")
    handler.setFormatter(LogLines(logging.Formatter("%(message)s")))
    handler.emit(record("thread %s: %s", logging.WARNING, THREAD, "odd\nFORGED=1"))
    assert journal.recv(1 << 16).decode().splitlines() == [
        f"MESSAGE=thread {THREAD}: odd\\u{{a}}FORGED=1",
        "PRIORITY=4",
        "SYSLOG_IDENTIFIER=codexd",
        "LOGGER=codexd.x",
        "CODE_FILE=/f.py",
        "CODE_LINE=7",
        "CODE_FUNC=verb",
        f"THREAD_ID={THREAD}",
    ]
    handler.close()


def test_a_value_of_several_lines_has_its_length_before_it() -> None:
    assert datagram({"A": "x", "B": "two\nlines"}) == (
        b"A=x\nB\n" + struct.pack("<Q", 9) + b"two\nlines\n"
    )


def test_what_the_journal_does_not_take_goes_to_stderr_with_its_priority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = JournalHandler(tmp_path / "nobody")
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.emit(record("one\ntwo", logging.ERROR))
    handler.close()
    assert capsys.readouterr().err == "<3>one\n<3>two\n"


def test_only_a_stream_that_leads_there_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino}")
        assert not is_journal(file.fileno(), f"{found.st_dev}:{found.st_ino + 1}")
        assert not is_journal(file.fileno(), "")
    assert not is_journal(1 << 20, "1:2")
