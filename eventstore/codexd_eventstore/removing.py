"""Deleting a stream: refused while others were forked from it, and gone at once for whoever follows it.

Law: the log goes first, and what stands beside it after it.
"""

from __future__ import annotations

from codexd_eventstore.parts import Parts, blocking
from codexd_eventstore.store import Refused, StoreFailed


async def delete(parts: Parts, stream: str) -> None:
    """Remove it for good; the first call of a store looks into every log for children."""
    async with parts.family.stillness(stream), parts.shelf.gate(stream):
        path = parts.shelf.find(stream)[0]
        children = await blocking(parts.family.children, stream)
        if children:
            some = ", ".join(sorted(children)[:3])
            raise Refused(
                f"stream {stream}: {len(children)} streams were forked from it ({some}):"
                " it was not deleted"
            )
        await _delete(parts, stream, path)


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
