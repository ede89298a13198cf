"""Lists and searches of a home with many threads, on the real daemon: from start to answers, and what it holds.

    python tests/bench/listing.py HOME

Law: HOME is used as it is, and gets an index; one that is there is thrown away first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError
from codexd_frontends.client.follow import server_status
from codexd_frontends.client.messages import RawPage

PATIENCE_SECONDS: Final = 600.0
ROUNDS: Final = 20
PAUSE: Final = threading.Event()  # nobody sets it: between two looks at a process


def started(home: Path) -> tuple[subprocess.Popen[bytes], Daemon, float]:
    """A daemon, a connection to it, and how long both took."""
    env = os.environ | {"CODEXD_HOME": str(home), "SHELL": "/bin/sh"}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "codexd"], env=env, stderr=subprocess.DEVNULL)
    while time.perf_counter() - begun < PATIENCE_SECONDS:
        try:
            return (
                process,
                Daemon.connect(str(home / "run" / "codexd.sock")),
                time.perf_counter() - begun,
            )
        except CommandError:
            PAUSE.wait(0.005)
    raise TimeoutError("the daemon does not answer")


def resident(pid: int, what: str = "VmRSS") -> float:
    """MB that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0


def child_of(pid: int) -> int:
    """The process that indexes, while it does; 0 if there is none."""
    # Of whichever thread of the daemon's has started it.
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return next((int(child) for task in tasks for child in task.read_text().split()), 0)


def timed(name: str, daemon: Daemon, method: str, rounds: int = ROUNDS, **params: object) -> None:
    """Say how long a request takes: the first time, and the median."""
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        page = daemon.call(method, params, RawPage)
        took.append((time.perf_counter() - begun) * 1000)
    median = sorted(took)[len(took) // 2]
    print(f"  {name:34} first {took[0]:8.1f} ms  median {median:7.1f} ms  {len(page.data)} rows")


def measure(home: Path) -> None:
    """All of it."""
    shutil.rmtree(home / "state", ignore_errors=True)
    process, daemon, took = started(home)
    print(f"without an index: start to first answer {took * 1000:.0f} ms")
    timed("first list", daemon, "thread/list", 1, sortKey="updated_at", limit=50)
    begun, most, of_child = time.perf_counter(), 0.0, 0.0
    while (status := server_status(daemon)).indexing is not None or not status.threads.total:
        most = max(most, resident(process.pid))
        with suppress(OSError):
            of_child = max(of_child, resident(child_of(process.pid)))
        PAUSE.wait(0.2)
    print(f"  indexed {status.threads.total} threads after {time.perf_counter() - begun:.1f} s")
    size = sum(file.stat().st_size for file in (home / "state").glob("index.sqlite*"))
    most = max(most, resident(process.pid))
    print(f"  index {size / 1e6:.0f} MB; at most daemon {most:.0f} MB, its child {of_child:.0f} MB")
    process.terminate()
    process.wait()
    process, daemon, took = started(home)
    print(f"with an index: start to first answer {took * 1000:.0f} ms")
    timed("list", daemon, "thread/list", sortKey="updated_at", limit=50)
    timed("list by created", daemon, "thread/list", limit=25)
    timed("list of one folder", daemon, "thread/list", cwd="/home/ann/project-7", limit=25)
    timed("list by title", daemon, "thread/list", searchTerm="thread77", limit=25)
    timed("by the beginning of an id", daemon, "thread/list", meant="01a1de3e", limit=25)
    timed("search of a rare word", daemon, "thread/search", 5, searchTerm="thread777", hits=True)
    timed("search of a common phrase", daemon, "thread/search", 3, searchTerm='"empty line"')
    timed("search of a path", daemon, "thread/search", 3, searchTerm="src/foo_42.py")
    for command in (["list"], ["search", "thread77"], ["status"]):
        begun = time.perf_counter()
        env = os.environ | {"CODEXD_HOME": str(home)}
        subprocess.run(
            [sys.executable, "-m", "codexd_frontends.ctl", *command],
            env=env,
            capture_output=True,
            check=True,
        )
        print(f"  codexctl {command[0]:25} {(time.perf_counter() - begun) * 1000:8.0f} ms")
    print(
        f"  daemon {resident(process.pid):.0f} MB, {resident(process.pid, 'VmHWM'):.0f} MB at most"
    )
    process.terminate()
    process.wait()


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
