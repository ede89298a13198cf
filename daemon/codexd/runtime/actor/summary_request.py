"""A question for a summary: what is in it, what is left out where it is too long, and what stays beside the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.history import KeptItems
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import Turn
from codexd.core.state.window import json_bytes
from codexd.core.values.provider_items import read_head, text_message
from codexd.core.values.request_size import Shorter
from codexd.core.values.settings import Settings, Tuning
from codexd.core.values.truncate import tokens_of
from codexd.projections.model.history import ModelHistory
from codexd.projections.model.kept_by_compaction import CompactionKeep, kept_items_of

# Results that the model has not seen stay beside a summary up to this part of the window: with larger ones
# the next request would be too long again.
UNANSWERED_PART_OF_WINDOW: Final = 2
# The window that is assumed where no item of the history fits into the known window: a fifth of it is for
# what the person said, and the smallest models in use have as much.
LAST_WORDS_WINDOW: Final = 4_096


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


def question(turn: Turn, items: Sequence[bytes], keep: CompactionKeep) -> tuple[bytes, ...]:
    """The history, as far as there is room for it, and then the question for a summary."""
    assert turn.call is not None
    assert turn.compaction is not None
    prompt = text_message("user", turn.compaction.started.prompt)
    if items and turn.call.left_out >= len(items):
        return (*map(bytes, kept_items_of(keep, LAST_WORDS_WINDOW).items), prompt)
    return (*without_oldest(items, turn.call.left_out), prompt)


def without_oldest(items: Sequence[bytes], count: int) -> Sequence[bytes]:
    """The items without the first `left_out`, and without the outputs of calls among these."""
    if not count:
        return items
    # Some providers use an id again, so a call and its answer even out.
    unanswered = Counter[str]()
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
    """The next to try where the question was too long; None where nothing would be left.

    Twice as much goes each time, so that even a very long history is done with after a few requests. The last
    of them has only what the person said last, cut to fit: a single item may be longer than any window.
    """
    assert turn.call is not None
    count = min(max(1, 2 * turn.call.left_out), len(items))
    if count <= turn.call.left_out:
        return None
    return Shorter(count, len(items) - len(without_oldest(items, count)))


def kept_items_now(state: ThreadState, history: ModelHistory) -> KeptItems | None:
    """The items of the history that are kept beside the summary."""
    turn = state.turn
    if turn is None or turn.call is None or not turn.call.compacts:
        return None
    left_out, window = 0, turn.limits.window
    if turn.call.left_out and not history.evicted:
        settings, _ = asked(turn)
        items = history.for_whom(settings.model, settings.provider)
        left_out = len(items) - len(without_oldest(items, turn.call.left_out))
        if left_out == len(items):
            window = LAST_WORDS_WINDOW
    kept_items = kept_items_of(history.compaction_keep, window, left_out)
    return replace(kept_items, unanswered=_unanswered(turn, history, kept_items))


def _unanswered(
    turn: Turn, history: ModelHistory, kept_items: KeptItems
) -> tuple[msgspec.Raw, ...]:
    """The newest results that the model has not answered, with their calls, where there is room for them.

    A second compaction without an answer in between is without them: the request may be too long by these.
    """
    compaction = turn.compaction
    if compaction is None or compaction.started.phase != "mid_turn" or not turn.answered:
        return ()
    items = newest_results(history.items)
    if not set(items).isdisjoint(map(bytes, kept_items.items)):
        return ()  # They are pinned, perhaps in part: a call must not be there twice.
    kept = tuple(map(msgspec.Raw, items))
    tokens, window = tokens_of(sum(map(json_bytes, kept))), turn.limits.window
    return kept if window is None or tokens <= window // UNANSWERED_PART_OF_WINDOW else ()


def newest_results(items: Sequence[bytes]) -> Sequence[bytes]:
    """The results after the model's last answer, with that answer, which made the calls; empty for none."""
    end = len(items)
    while (
        end and (head := read_head(items[end - 1])).type == "message" and head.role != "assistant"
    ):
        end -= 1  # A person's words are kept anyway.
    at = end
    while at and read_head(items[at - 1]).is_answer:
        at -= 1
    if at == end:
        return ()
    while (
        at and not (head := read_head(items[at - 1])).is_answer and head.role in (None, "assistant")
    ):
        at -= 1
    return items[at:end]
