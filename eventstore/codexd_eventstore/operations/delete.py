"""Deleting a stream: refused while others were forked from it, or after those were given copies of what they share.

Law: the log goes first, and what stands beside it after it; forks are detached before, one by one, so after a
crash at any point each of them has its parent or needs none.
"""

from __future__ import annotations

import time

from codexd_eventstore.operations.detach import detach
from codexd_eventstore.operations.parts import Parts, blocking
from codexd_eventstore.operations.sweep import blobs_named
from codexd_eventstore.store import Refused, StoreFailed


async def delete(parts: Parts, stream: str, *, detach_children: bool) -> frozenset[str]:
    """Remove it for good; the blobs that it named, which may be nobody's now."""
    async with parts.family.stillness(stream), parts.shelf.gate(stream):
        path = parts.shelf.find(stream)[0]
        children = await blocking(parts.family.children, stream)
        if children and not detach_children:
            some = ", ".join(sorted(children)[:3])
            raise Refused(
                f"stream {stream}: {len(children)} streams were forked from it ({some}):"
                " it was not deleted"
            )
        for child in sorted(children):
            # The clock of the machine: no record gets this time, only the line in front of them.
            await detach(parts, child, at_us=time.time_ns() // 1000)
        parts.shelf.relink(stream)
        named = await blocking(blobs_named, parts, path)
        await _delete(parts, stream, path)
        await blocking(parts.unsealed.forget, stream)
        await blocking(parts.inherited.forget, stream)
        parts.blobs.let_go(named)
        return named


async def _delete(parts: Parts, stream: str, path: str) -> None:
    log = parts.shelf.get(stream)
    if log is not None:
        log.deleted = True  # no append is accepted from here on
        try:
            await parts.committer.settle(log)
        except StoreFailed:
            log.unsynced = False  # it goes either way
        except BaseException:
            log.deleted = False
            raise
    try:
        await blocking(parts.places.remove_log, stream, path)
    except BaseException:
        if log is not None:
            log.deleted = _is_gone(parts, path)
        raise
    if log is not None:
        parts.committer.release(log)
        parts.shelf.remove(log)
    parts.family.forget(stream)
    parts.notes.drop(stream, checkpoints=True)
    parts.hub.tell(stream)
    parts.drafts.drop_all(stream)


def _is_gone(parts: Parts, path: str) -> bool:
    try:
        return parts.fs.state(path) is None
    except OSError:
        return False  # whoever asks for it next is told why nobody can know
