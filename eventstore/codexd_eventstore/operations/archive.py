"""Archiving and bringing back: a log's file is moved, and nothing in it changes.

Law: what is being moved takes no appends, and a follower goes on at its position.
"""

from __future__ import annotations

from codexd_eventstore.log.log import Log
from codexd_eventstore.operations.parts import Parts, blocking, check_born
from codexd_eventstore.store import Exists


async def archive(parts: Parts, stream: str) -> None:
    """Put it aside: it still reads, and refuses appends."""
    async with parts.shelf.gate(stream):
        log = await parts.shelf.open_gated(stream)
        check_born(log)
        if not log.archived:
            # Refused from here on, so that nothing is appended while the file moves.
            log.archived = True
            try:
                await parts.committer.settle(log)
                await _move(parts, log, parts.places.archived_log(stream))
            finally:
                log.archived = log.path == parts.places.archived_log(stream)


async def unarchive(parts: Parts, stream: str) -> None:
    """Bring it back."""
    async with parts.shelf.gate(stream):
        log = await parts.shelf.open_gated(stream)
        check_born(log)
        if log.archived:
            try:
                await _move(parts, log, parts.places.log(stream))
            finally:
                log.archived = log.path == parts.places.archived_log(stream)


async def _move(parts: Parts, log: Log, target: str) -> None:
    """Rename the log's file; whoever holds the gate calls it, and nothing is in flight."""
    parts.committer.release(log)
    fs, places = parts.fs, parts.places
    folders = [path.rpartition("/")[0] for path in (target, log.path)]

    def move() -> None:
        places.prepare(folders[0])
        if fs.state(target) is not None:
            raise Exists(f"{target} is there already: {log.path} was not moved")
        fs.rename(log.path, target)
        log.path = target
        for folder in folders:
            fs.sync_folder(folder)

    await blocking(move)
    parts.hub.tell(log.stream)
