"""When the model's history is compacted, the request for a summary, and the new history.

A compaction is part of the turn that needs it, or a turn of its own. Until `history.compacted` the model's
history is unchanged: a compaction that fails or is interrupted before leaves it as it was.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from codexd.core.decide.context import context_due
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.events.history import KeptItems, Phase, Reason
from codexd.core.prompts.compaction import SUMMARY_PREFIX
from codexd.core.state.known_context import KnownContext
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import ModelCall
from codexd.core.state.window import json_bytes
from codexd.core.values.ids import ItemId, ModelCallId
from codexd.core.values.items import TurnError
from codexd.core.values.limits import Limits
from codexd.core.values.provider_items import text_message
from codexd.core.values.request_size import RequestSize, Shorter
from codexd.core.values.settings import Settings
from codexd.core.values.truncate import BYTES_PER_TOKEN, tokens_of, truncate_middle

# Without growth in between, more compactions do not help: only a person's messages and a summary are left.
COMPACTIONS_IN_A_ROW_MAX = 2
# A model that gave an empty summary twice will not give another.
SILENT_REPLIES_MAX = 2
# A model that ignores "in as few words as do" must not fill the context window with its summary.
SUMMARY_PART_OF_WINDOW = 4
TOO_LONG = "contextWindowExceeded"

_SILENT = TurnError(
    f"the history was not compacted: expected a summary, found no text in the model's answer, "
    f"{SILENT_REPLIES_MAX} times; the history is as it was",
    "other",
)


def reason_before_turn(state: ThreadState, queued: e.InputQueued, limits: Limits) -> Reason | None:
    """Why the history must be compacted before a turn with these limits may begin."""
    window = state.window
    if window.full:
        return "window_exceeded"
    asked = tokens_of(dict(window.queued).get(queued.item_id, 0))
    # A thread without history cannot be made shorter, however long the new prompt is.
    if limits.compact_at is None or not state.turns_started or not window.context_tokens:
        return None
    if window.context_tokens + asked < limits.compact_at:
        return None
    if _is_smaller(limits, state.last_limits):
        return "model_downshift"
    return "limit" if window.grown(limits.compact_at) else None


def _is_smaller(limits: Limits, before: Limits) -> bool:
    return limits.window is not None and before.window is not None and limits.window < before.window


def reason_within_turn(state: ThreadState) -> Reason | None:
    """Why the history must be compacted before the turn's next request."""
    turn = state.turn
    assert turn is not None
    if state.window.full:
        return "window_exceeded"
    limit, window = turn.limits.compact_at, state.window
    at_limit = turn.answered and limit is not None and window.context_tokens >= limit
    return "limit" if at_limit and window.grown(limit) else None


def may_compact_again(state: ThreadState) -> bool:
    """Whether a compaction may help a request that is too long, after the compactions of this turn."""
    turn = state.turn
    assert turn is not None
    return turn.compactions < COMPACTIONS_IN_A_ROW_MAX or state.window.grown(None)


def begin_compaction(
    transition: Transition,
    lookups: Lookups,
    reason: Reason,
    phase: Phase,
    other: Settings | None = None,
) -> None:
    """Request a summary, in the running turn; `other` are the settings of another model to ask."""
    start_compaction(transition, lookups, reason, phase, other)
    call_model(transition, compacts=True)


def start_compaction(
    transition: Transition,
    lookups: Lookups,
    reason: Reason,
    phase: Phase,
    other: Settings | None = None,
) -> None:
    """A compaction begins; no model is asked yet."""
    turn, state = transition.turn, transition.state
    transition.add(
        e.CompactionStarted(
            ItemId(f"{turn.turn_id}/compaction/{turn.calls_made + 1}"),
            "manual" if reason == "user" else "auto",
            reason,
            phase,
            lookups.compact_prompt,
            turn.limits.compact_at,
            state.window.context_tokens,
            other,
            lookups.of(other).tuned.tuning if other is not None else None,
        )
    )


def call_model(transition: Transition, *, compacts: bool = False) -> None:
    """The first attempt of the turn's next request."""
    turn = transition.turn
    call_id = ModelCallId(f"{turn.turn_id}/{turn.calls_made + 1}")
    _call(transition, ModelCall(call_id, 0, compacts=compacts))


def call_again(transition: Transition, call: ModelCall, shorter: Shorter | None = None) -> None:
    """The next attempt of a request; `shorter` leaves out items."""
    _call(transition, call if shorter is None else replace(call, left_out=shorter.left_out))


def _call(transition: Transition, before: ModelCall) -> None:
    asked, compaction = transition.turn.settings, transition.turn.compaction
    if before.compacts and compaction is not None:
        asked = compaction.started.settings or asked
    purpose: Literal["turn", "compact"] = "compact" if before.compacts else "turn"
    attempt = before.attempt + 1
    transition.add(
        e.ModelCallStarted(
            before.call_id, attempt, asked.model, asked.provider, purpose, left_out=before.left_out
        )
    )


def finish_compaction(
    transition: Transition, kept_items: KeptItems | None, lookups: Lookups
) -> None:
    """The summary's response is complete: use it, or ask once more if it is empty."""
    turn, compaction = transition.turn, transition.turn.compaction
    assert compaction is not None
    if not compaction.summary:
        if compaction.silent < SILENT_REPLIES_MAX:
            call_model(transition, compacts=True)
        else:
            give_compaction_up(transition, _SILENT)
        return
    assert kept_items is not None, "a summary came without what stays beside it"
    started, state = compaction.started, transition.state
    context = _context_again(transition, lookups) if started.phase == "mid_turn" else []
    at = kept_items.context_at
    context_items = tuple(msgspec.Raw(text_message(added.role, added.text)) for added in context)
    summary = _summary_item(compaction.summary, turn.limits.window)
    unanswered = kept_items.unanswered
    items = (*kept_items.items[:at], *context_items, *kept_items.items[at:], summary, *unanswered)
    pending_bytes = state.window.pending_bytes
    transition.add(
        e.HistoryCompacted(
            started.item_id,
            compaction.summary,
            items,
            started.trigger,
            state.compactions + 1,
            kept_items.kept,
            kept_items.pins,
            tokens_before=state.window.context_tokens,
            tokens_after=tokens_of(sum(json_bytes(item) for item in items) + pending_bytes),
            left_out=kept_items.left_out,
            unanswered=len(unanswered),
        )
    )
    for added in context:
        transition.add(replace(added, within=True))


def _summary_item(summary: str, window: int | None) -> msgspec.Raw:
    if window is not None:
        summary, _ = truncate_middle(summary, window * BYTES_PER_TOKEN // SUMMARY_PART_OF_WINDOW)
    return msgspec.Raw(text_message("user", f"{SUMMARY_PREFIX}\n\n{summary}"))


def _context_again(transition: Transition, lookups: Lookups) -> list[e.ContextAdded]:
    """All context of the model, as it is now."""
    known = transition.state.known_context.environment
    today = known.current_date if known is not None else None
    forgetful = replace(transition.state, known_context=KnownContext())
    due = context_due(forgetful, transition.turn.settings, today, lookups)
    return [event for event in due if isinstance(event, e.ContextAdded)]


def give_compaction_up(transition: Transition, error: TurnError) -> None:
    """The compaction has failed, and the turn with it."""
    compaction = transition.turn.compaction
    assert compaction is not None
    transition.add(e.CompactionFailed(compaction.started.item_id, error))
    transition.add(e.TurnFailed(error))


def ask_for_less(
    transition: Transition, call: ModelCall, failed: e.ModelCallFailed, shorter: Shorter
) -> None:
    """The request for a summary was too long: warn, and try a shorter request."""
    error = TurnError(
        f"The history is too long even to be summarised: its {shorter.items} oldest items are left out of "
        "the question, and it is asked again",
        TOO_LONG,
        failed.error.message,
    )
    transition.add(replace(failed, error=error, will_retry=True, after_ms=0))
    call_again(transition, call, shorter)


def with_what_fills(state: ThreadState, error: TurnError, size: RequestSize | None) -> TurnError:
    """Add to the error of a request that is too long what it was made of; no compaction drops the most of it."""
    window = state.turn.limits.window if state.turn is not None else None
    sentences = [error.additional_details] if error.additional_details else []
    if size is not None:
        agents = tokens_of(state.window.agents_bytes)
        rest = max(0, size.items - agents)
        known = f", of a window of {window:,}" if window is not None else ""
        sentences.append(
            f"the request had about {size.instructions + size.tools + size.items:,} tokens{known}: "
            f"{size.instructions:,} of instructions, {size.tools:,} of tools, {agents:,} of AGENTS.md files, "
            f"{rest:,} of messages and outputs"
        )
    if state.pins:
        tokens = sum(pin.tokens for pin in state.pins)
        sentences.append(
            f"{len(state.pins)} pins of about {tokens:,} tokens are in every request; unpin what is not needed"
        )
    return replace(error, additional_details="; ".join(sentences) or None)


def warn_of_no_room(transition: Transition) -> None:
    """Say once in a thread that the limit is reached, and that another compaction would not help."""
    state = transition.state
    window, turn = state.window, state.turn
    limit = turn.limits.compact_at if turn is not None else None
    if limit is None or window.context_tokens < limit or window.grown(limit):
        return
    about = f"window:full:{limit}"
    if about in state.warned:
        return
    transition.add(
        e.ThreadWarned(
            about,
            f"The context has about {window.context_tokens:,} tokens, and is compacted at {limit:,}; after the "
            f"newest compaction it began with {window.floor:,}, of which AGENTS.md files have "
            f"{tokens_of(window.agents_bytes):,}, and the rest is instructions, tools, your newest messages and "
            f"the summary. Another compaction would not free these: it waits until the history has grown by "
            f"{window.growth_due(limit):,}.",
        )
    )
