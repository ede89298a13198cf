"""The inputs that wait for their turns, in the order of these turns."""

from __future__ import annotations

from collections.abc import Iterable

from codexd.core.events import events as e
from codexd.core.values.ids import ItemId

Queue = tuple[e.InputQueued, ...]


def evolve_queue(
    queue: Queue, event: e.InputQueued | e.InputWithdrawn | e.InputsReordered
) -> Queue:
    """The queue after the event."""
    match event:
        case e.InputQueued():
            return (*queue, event)
        case e.InputWithdrawn():
            return without(queue, (event.item_id,))
        case e.InputsReordered():
            places = {item_id: place for place, item_id in enumerate(event.item_ids)}
            # An input that is not named stays behind those that are.
            return tuple(sorted(queue, key=lambda q: places.get(q.item_id, len(places))))


def without(queue: Queue, item_ids: Iterable[ItemId]) -> Queue:
    """The queue without some inputs."""
    gone = frozenset(item_ids)
    return tuple(queued for queued in queue if queued.item_id not in gone)
