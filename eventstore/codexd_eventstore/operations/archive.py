"""Archiving and bringing back: a log's file is moved, and nothing in it changes.

Law: a log that is being moved takes no appends, and a follower continues at its position.
"""

from __future__ import annotations

from codexd_eventstore.log.log import Log
from codexd_eventstore.operations.engine import Engine, blocking, check_born
from codexd_eventstore.store import Exists


async def archive(engine: Engine, stream: str) -> None:
    """Put it aside: it still reads, and refuses appends."""
    await _place(engine, stream, archived=True)


async def unarchive(engine: Engine, stream: str) -> None:
    """Bring it back."""
    await _place(engine, stream, archived=False)


async def _place(engine: Engine, stream: str, *, archived: bool) -> None:
    async with engine.open_logs.gate(stream):
        log = await engine.open_logs.open_gated(stream)
        check_born(log)
        if log.archived == archived:
            return
        path = engine.layout.archived_log(stream) if archived else engine.layout.log(stream)
        # Refused from here on, so that nothing is appended while the file moves.
        log.archived = True
        try:
            if archived:
                await engine.committer.settle(log)
            await _move(engine, log, path)
        finally:
            log.archived = log.path == engine.layout.archived_log(stream)


async def _move(engine: Engine, log: Log, target: str) -> None:
    """Rename the log's file; the caller holds the gate, and nothing is in flight."""
    engine.committer.release(log)
    fs, layout = engine.fs, engine.layout
    folders = [path.rpartition("/")[0] for path in (target, log.path)]

    def move() -> None:
        layout.prepare(folders[0])
        if fs.state(target) is not None:
            raise Exists(f"{target} is there already: {log.path} was not moved")
        fs.rename(log.path, target)
        log.path = target
        for folder in folders:
            fs.sync_folder(folder)

    await blocking(move)
    engine.hub.tell(log.stream)
