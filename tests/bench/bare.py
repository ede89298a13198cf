"""The bare system calls that the store's figures stand beside."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import trio

from bench.table import at_median, clocked

LINE = b"x" * 649 + b"\n"


def durable_appends(folder: Path, batch: int, rounds: int) -> list[float]:
    """What each write of so many lines and its fdatasync took, in seconds."""
    fd = os.open(folder / f"raw-{batch}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    content = LINE * batch

    def once() -> None:
        os.write(fd, content)
        os.fdatasync(fd)

    took = [clocked(once) for _ in range(rounds)]
    os.close(fd)
    return took


async def through_a_thread(folder: Path, rounds: int) -> list[float]:
    """The same with one line, called from an event loop: what waiting for a disk without blocking costs at least.

    A queue in, the two calls, and one call of the loop out that wakes who waits.
    """
    fd = os.open(folder / "raw-thread", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    token = trio.lowlevel.current_trio_token()
    work: SimpleQueue[trio.Event | None] = SimpleQueue()

    def run() -> None:
        while (done := work.get()) is not None:
            os.write(fd, LINE)
            os.fdatasync(fd)
            token.run_sync_soon(done.set)

    thread = threading.Thread(target=run)
    thread.start()
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        done = trio.Event()
        work.put(done)
        await done.wait()
        took.append(time.perf_counter() - start)
    work.put(None)
    thread.join()
    os.close(fd)
    return took


def plain_writes(folder: Path, rounds: int) -> float:
    """The median of one write of a line, in seconds."""
    fd = os.open(folder / "raw-plain", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    took = at_median(lambda: os.write(fd, LINE), rounds)
    os.close(fd)
    return took


def new_files(folder: Path, numbers: range) -> list[float]:
    """What each create, write, fdatasync and fsync of the folder took, in seconds."""
    above = os.open(folder, os.O_RDONLY)
    took = []
    for number in numbers:
        start = time.perf_counter()
        fd = os.open(folder / f"new-{number}", os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(fd, LINE)
        os.fdatasync(fd)
        os.fsync(above)
        took.append(time.perf_counter() - start)
        os.close(fd)
    os.close(above)
    return took


def many_files(folder: Path, files: int, rounds: int, threads: int = 16) -> float:
    """Seconds for a durable line in each of so many files, again and again, by several threads."""
    fds = [
        os.open(folder / f"many-{number}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        for number in range(files)
    ]
    work: SimpleQueue[int | None] = SimpleQueue()

    def run() -> None:
        while (fd := work.get()) is not None:
            os.write(fd, LINE)
            os.fdatasync(fd)

    def all_of_it() -> None:
        crew = [threading.Thread(target=run) for _ in range(threads)]
        for process in crew:
            process.start()
        for _ in range(rounds):
            for fd in fds:
                work.put(fd)
        for _ in crew:
            work.put(None)
        for process in crew:
            process.join()

    took = clocked(all_of_it)
    for fd in fds:
        os.close(fd)
    return took


def sqlite_appends(folder: Path, batch: int, rounds: int) -> list[float]:
    """What each transaction of so many rows took that the disk has when it returns, in seconds."""
    (folder / f"rows-{batch}.sqlite").unlink(missing_ok=True)
    database = sqlite3.connect(folder / f"rows-{batch}.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE event(stream TEXT, seq INTEGER, data BLOB, UNIQUE(stream, seq))")
    seq = 0

    def once() -> None:
        nonlocal seq
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO event VALUES('one', ?, ?)",
            [(number, LINE) for number in range(seq, seq + batch)],
        )
        database.execute("COMMIT")
        seq += batch

    took = [clocked(once) for _ in range(rounds)]
    database.close()
    return took
