"""A question for a summary: what is in it, what is left out where it is too long, and what stays beside the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from codexd.core.commands import Bridge, Shorter
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import Turn
from codexd.core.values.provider_items import read_head, text_message
from codexd.core.values.settings import Settings, Tuning
from codexd.projections.model.history import ModelHistory
from codexd.projections.model.kept_by_compaction import bridge_of


def compacts(turn: Turn | None) -> bool:
    """Whether what the turn waits for is a summary."""
    return turn is not None and turn.call is not None and turn.call.compacts


def asked(turn: Turn) -> tuple[Settings, Tuning]:
    """Whom the present request goes to, and how it is to be answered."""
    compaction = turn.compaction
    if compacts(turn) and compaction is not None and compaction.started.settings is not None:
        started = compaction.started
        return compaction.started.settings, started.tuning or Tuning()
    return turn.settings, turn.tuning


def question(turn: Turn, items: Sequence[bytes]) -> tuple[bytes, ...]:
    """The history, as far as there is room for it, and then the question for a summary."""
    assert turn.call is not None
    assert turn.compaction is not None
    prompt = text_message("user", turn.compaction.started.prompt)
    return (*without_oldest(items, turn.call.left_out), prompt)


def without_oldest(items: Sequence[bytes], count: int) -> Sequence[bytes]:
    """The items without the first `left_out`, and without the outputs of calls among these."""
    if not count:
        return items
    unanswered = Counter[
        str
    ]()  # Some providers use an id again, so a call and its answer even out.
    for head in map(read_head, items[:count]):
        if head.call_id is not None:
            unanswered[head.call_id] += -1 if head.is_answer else 1
    if not unanswered.total():
        return items[count:]
    kept: list[bytes] = []
    for item in items[count:]:
        head = read_head(item)
        if head.is_answer and head.call_id is not None and unanswered[head.call_id] > 0:
            unanswered[head.call_id] -= 1
        else:
            kept.append(item)
    return kept


def shorter(turn: Turn, items: Sequence[bytes]) -> Shorter | None:
    """The next to try where the question was too long; None where hardly anything would be left.

    Twice as much goes each time, so that even a very long history is done with after a few requests.
    """
    assert turn.call is not None
    count = min(max(1, 2 * turn.call.left_out), len(items) - 1)
    if count <= turn.call.left_out:
        return None
    return Shorter(count, len(items) - len(without_oldest(items, count)))


def bridge_now(state: ThreadState, history: ModelHistory) -> Bridge | None:
    """What is kept of the history beside the summary."""
    turn = state.turn
    if turn is None or turn.call is None or not turn.call.compacts:
        return None
    left_out = 0
    if turn.call.left_out and not history.evicted:
        left_out = history.count - len(without_oldest(history.items, turn.call.left_out))
    return bridge_of(history.compaction_keep, turn.limits.window, left_out)
