"""The recovery of a thread that was just loaded, before anything else happens in it. I/O."""

from __future__ import annotations

from codexd.core.commands import Recover, TakenFrom
from codexd.core.values.ids import ThreadId
from codexd.runtime.actor.left_drafts import read_left
from codexd.runtime.actor.ports import World
from codexd.runtime.snapshots.load import Loaded


async def recovery(
    world: World, thread_id: ThreadId, loaded: Loaded, taken_from: TakenFrom | None
) -> Recover:
    """The command that recovers what a dead daemon left, or accepts a thread from elsewhere.

    Raises: StoreError.
    """
    if taken_from is None and loaded.folds.state.foreign is not None:
        taken_from = await world.brought(thread_id)
    return Recover(
        open_items=read_left(await world.store.left_drafts(thread_id)),
        resume=world.resume_on_restart,
        repaired=loaded.head.repaired,
        forked=loaded.forked,
        taken_from=taken_from,
    )
