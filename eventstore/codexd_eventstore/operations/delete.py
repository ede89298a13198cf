"""Deleting a stream: refused while it has forks, or done after the forks got copies of the records that they share.

Law: forks are detached first, one by one, so after a crash at any point each has its parent or needs none; then the
log is removed, and its other files after it.
"""

from __future__ import annotations

import time

from codexd_eventstore.operations.detach import detach
from codexd_eventstore.operations.engine import Engine, blocking
from codexd_eventstore.operations.sweep import blobs_named
from codexd_eventstore.store import Refused, StoreFailed


async def delete(engine: Engine, stream: str, *, detach_children: bool = False) -> frozenset[str]:
    """Remove it permanently; returns the blobs that it named, which no other log may name."""
    async with engine.forks.frozen(stream), engine.open_logs.gate(stream):
        path = engine.open_logs.find(stream)[0]
        children = await blocking(engine.forks.children, stream)
        if children and not detach_children:
            some = ", ".join(sorted(children)[:3])
            raise Refused(
                f"stream {stream}: {len(children)} streams were forked from it ({some}):"
                " it was not deleted"
            )
        for child in sorted(children):
            # The clock of the machine: no record gets this time, only the preface line.
            await detach(engine, child, at_us=time.time_ns() // 1000)
        engine.open_logs.relink(stream)
        named = await blocking(blobs_named, engine, path)
        await _delete(engine, stream, path)
        await blocking(engine.unsealed.forget, stream)
        await blocking(engine.inherited.forget, stream)
        engine.blob_files.release(named)
        return named


async def _delete(engine: Engine, stream: str, path: str) -> None:
    log = engine.open_logs.get(stream)
    if log is not None:
        log.deleted = True  # no append is accepted from here on
        try:
            await engine.committer.settle(log)
        except StoreFailed:
            log.unsynced = False  # it goes either way
        except BaseException:
            log.deleted = False
            raise
    try:
        await blocking(engine.layout.remove_log, stream, path)
    except BaseException:
        if log is not None:
            log.deleted = _is_gone(engine, path)
        raise
    if log is not None:
        engine.committer.release(log)
        engine.open_logs.remove(log)
    engine.forks.forget(stream)
    engine.notes.drop(stream, checkpoints=True)
    engine.hub.tell(stream)
    engine.drafts.drop_all(stream)


def _is_gone(engine: Engine, path: str) -> bool:
    try:
        return engine.fs.state(path) is None
    except OSError:
        return False  # the next call for the stream raises the error
