"""The index's own process: indexes the logs, reports its progress on stdout, and ends.

    python -m codexd.index DATA_DIR INDEX_FILE < (the streams, a line each; none: all)

A process and not a thread, because folding logs keeps the interpreter busy, and running turns come first. It takes
no lock and changes no log. It ends when its stdin ends, which is when the daemon ends or dies.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec

from codexd.index.build.child import BROKEN, UNWRITABLE
from codexd.index.build.reconcile import Progress, reconcile
from codexd.index.store.schema import is_broken, is_whole, open_index
from codexd.machine.log_lines import log_to
from codexd_eventstore.log.file_reader import LogFiles

# After everything that a person waits for.
NICENESS: Final = 10
# A batch makes and frees this many objects; collecting cycles among them takes a fifth of the time.
GC_YOUNG_OBJECTS: Final = 100_000
# 32 MiB of changes before they go to the file: a page that changes many times is written there once.
WAL_PAGES: Final = 8000


def main() -> int:
    """The command; returns its exit code."""
    import sqlite3

    os.umask(0o077)
    os.nice(NICENESS)
    gc.set_threshold(GC_YOUNG_OBJECTS)
    log_to(sys.stderr, logging.WARNING, "%(message)s")
    data_dir, path, *options = sys.argv[1:]
    only = sys.stdin.readline().split() or None
    threading.Thread(target=_die_with_the_daemon, daemon=True).start()
    try:
        connection = open_index(Path(path))
        if "--check" in options and not is_whole(connection):
            return BROKEN
        connection.execute("PRAGMA cache_size=-32768")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        reconcile(connection, LogFiles(data_dir), _report, only=only)
        connection.close()
    except sqlite3.Error as error:
        logging.getLogger(__name__).error("%s", error)
        return BROKEN if is_broken(error) else UNWRITABLE
    except OSError as error:
        logging.getLogger(__name__).error("%s", error)
        return UNWRITABLE
    return 0


def _report(progress: Progress) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(progress) + b"\n")
    sys.stdout.buffer.flush()


def _die_with_the_daemon() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
