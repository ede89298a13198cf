"""The folders of codexd: owners and modes, whether they can be written, the space there, and the newest logs. I/O."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codexd.account.auth_files import NAME as AUTH_FILE
from codexd.doctor.examined import Examined, fail, ok, warn
from codexd.machine.owners import NotOurs, refuse_unless_ours
from codexd.protocol.doctor import Finding
from codexd_eventstore.event_log import StreamEntry
from codexd_eventstore.log.file_reader import LogFiles
from codexd_eventstore.log_reader import is_old

# A long thread with images has some hundred MB; below the second, a turn may not be written to its end.
FREE_BYTES_WANTED: Final = 1 << 30
FREE_BYTES_MIN: Final = 50 << 20
# A thread needs a few, and its outputs one each.
FREE_INODES_WANTED: Final = 10_000
FREE_INODES_MIN: Final = 100
# The logs in which a person has worked last. `fsck` reads all of all logs.
LOGS_MAX: Final = 8
# A log of this size is read to its end in some ten milliseconds; of a longer one, the beginning is.
WHOLE_LOG_BYTES_MAX: Final = 2 << 20


def folders(examined: Examined) -> Iterator[Finding]:
    """Whose the folders and the login are, and who may read them."""
    bad = False
    for path in _own(examined):
        if not os.path.lexists(path):
            continue
        try:
            refuse_unless_ours(path)
        except NotOurs as problem:
            bad = True
            yield fail("folders.owner", str(problem), f"chown -R $(id -u) {shlex.quote(str(path))}")
            continue
        found = path.stat()
        if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.getuid():
            bad = True
            says = f"other users may look into {path} (mode {stat.S_IMODE(found.st_mode):04o})"
            yield warn("folders.mode", says, f"chmod go-rwx {shlex.quote(str(path))}")
    if not bad:
        yield ok("folders.owner", "the folders of codexd are yours, and nobody else may read them")


def writable(examined: Examined) -> Iterator[Finding]:
    """Whether files can be made where the logs and the rebuildable files are."""
    for check, folder in (
        ("store.writable", examined.paths.data_dir),
        ("state.writable", examined.paths.state_dir),
    ):
        there = _nearest(folder)
        if there != folder and os.access(there, os.W_OK | os.X_OK):
            yield ok(check, f"{folder} is not there yet, and can be made")
            continue
        try:
            with tempfile.TemporaryFile(dir=there) as file:
                file.write(b"\0")
                file.flush()
        except OSError as error:
            says = f"no file can be written in {there}: {error.strerror}"
            yield fail(
                check, says, f"ls -ld {shlex.quote(str(there))}; df -h {shlex.quote(str(there))}"
            )
        else:
            yield ok(check, f"{folder} can be written")


def space(examined: Examined) -> Iterator[Finding]:
    """Free space and inodes, for each disk once."""
    seen: set[int] = set()
    for folder in (examined.paths.data_dir, examined.paths.state_dir):
        there = _nearest(folder)
        device = os.stat(there).st_dev
        if device in seen:
            continue
        seen.add(device)
        found = os.statvfs(there)
        free, inodes = found.f_bavail * found.f_frsize, found.f_favail
        says = f"{free / (1 << 30):,.1f} GiB free at {folder}"
        yield _enough("disk.space", says, free, FREE_BYTES_WANTED, FREE_BYTES_MIN)
        if found.f_files:  # Some file systems make inodes as they need them, and say 0.
            says = f"{inodes:,} files can still be made at {folder}"
            yield _enough("disk.inodes", says, inodes, FREE_INODES_WANTED, FREE_INODES_MIN)


def logs(examined: Examined) -> Iterator[Finding]:
    """Whether the newest logs read back, each to its end if it is short."""
    files = LogFiles(examined.paths.data_dir)
    read, bad = 0, 0
    for stream in files.newest(LOGS_MAX)[:LOGS_MAX]:
        entry = files.find(stream)
        if entry is None:
            continue
        read += 1
        damage = _damage(files, entry)
        if damage is not None:
            bad += 1
            yield fail("store.logs", f"{stream}: {damage}", f"codexctl fsck --salvage {stream}")
    if not bad:
        yield ok("store.logs", f"the newest {read} logs read back; `codexctl fsck` checks all")


def _damage(files: LogFiles, entry: StreamEntry) -> str | None:
    try:
        if entry.size_bytes <= WHOLE_LOG_BYTES_MAX:
            return files.damage(entry)
        with files.opened(entry) as log:
            start = log.start()
            if start.is_broken or (next(log.pages(start.cursor), None) is None and is_old(entry)):
                return "its first records cannot be read"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def _own(examined: Examined) -> Iterator[Path]:
    paths = examined.paths
    login = paths.config_file.parent / AUTH_FILE
    yield from dict.fromkeys((paths.data_dir, paths.state_dir, paths.runtime_dir, login))


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _enough(check: str, says: str, found: int, wanted: int, least: int) -> Finding:
    mend = "codexctl fsck --sweep, and delete threads: codexctl delete THREAD"
    if found >= wanted:
        return ok(check, says)
    return (fail if found < least else warn)(check, says, mend)
