"""Runs a reviewer in a thread of its own, and reports its result to the thread under review. I/O.

The reviewer's log holds the progress, so a crash of a daemon, a thread or a task loses nothing: a reviewer that
was begun is resumed, and the result of an ended reviewer is only read.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

import trio

from codexd.core.commands import InterruptTurn, Rejected, ReportReview, StartThread, StartTurn
from codexd.core.decide.review import reviewer_settings
from codexd.core.events.events import ItemCompleted, TurnCompleted, TurnFailed, TurnInterrupted
from codexd.core.events.record import decode_record
from codexd.core.prompts.review import REVIEW_INSTRUCTIONS, prompt_of
from codexd.core.state.due import RunReview, due
from codexd.core.state.turn import Review, Turn
from codexd.core.values.ids import ItemId
from codexd.core.values.items import TextInput, TurnError
from codexd.core.values.provider_items import answer_text
from codexd.core.values.review_target import ReviewOf
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.ports import LoadedThread
from codexd_eventstore.store import NotFound, Record, StoreError, StoreFailed

log = logging.getLogger(__name__)

# A reviewer whose actor crashed again and again is left alone, as any thread is, and reports nothing more.
# After a silence of this length its state is checked, and it is loaded again if necessary.
LOOK_SECONDS: Final = 30.0
# How long it may take to interrupt a reviewer whose review was stopped: one append.
STOP_SECONDS_MAX: Final = 5.0

_TELLING = frozenset(
    kind.type for kind in (ItemCompleted, TurnCompleted, TurnInterrupted, TurnFailed)
)


async def run_review(effect: RunReview, thread: ThreadActor) -> None:
    """See a reviewer through to its end, and report it; if the review is stopped, stop the reviewer."""
    turn = thread.state.turn
    if turn is None or turn.review is None or turn.review.child_id != effect.child_id:
        return  # It was stopped before it began; the cancellation comes at the next checkpoint.
    try:
        report = await _reviewed(thread, turn, turn.review)
    except trio.Cancelled:
        # At the daemon's end it continues with the next daemon.
        if effect not in due(thread.state):
            with trio.move_on_after(STOP_SECONDS_MAX, shield=True):
                await _stop(thread, effect)
        raise
    except Exception as problem:
        # An effect is one of the places where any exception becomes a record.
        log.exception("thread %s: a review crashed", thread.thread_id)
        error = TurnError(f"the reviewer cannot work: {problem}", "other")
        report = ReportReview(child_id=effect.child_id, ended="failed", error=error)
    await thread.report(report)


async def _reviewed(thread: ThreadActor, turn: Turn, review: Review) -> ReportReview:
    child = await _reviewer(thread, turn, review)
    if not child.state.turns_started and not child.state.queue:
        await child.submit(
            StartTurn(
                turn_id=review.child_turn_id,
                item_id=ItemId(thread.world.new_id()),
                content=(TextInput(prompt_of(review.target)),),
                today=review.today,
            )
        )
    ended, answer, error = await _outcome(thread, review)
    child = await thread.world.threads().load(review.child_id)
    used = child.folds.usage.total
    return ReportReview(
        child_id=review.child_id,
        ended=ended,
        answer=answer,
        error=error,
        used=used if used.total_tokens else None,
    )


async def _reviewer(thread: ThreadActor, turn: Turn, review: Review) -> LoadedThread:
    """The reviewer's thread: it may have been made by a daemon that is gone."""
    threads = thread.world.threads()
    if threads.is_deadly(review.child_id):
        raise StoreFailed(f"thread {review.child_id} has stopped the daemon", retry=False)
    try:
        return await threads.load(review.child_id)
    except NotFound:
        begin = StartThread(
            settings=reviewer_settings(turn.settings, review.model),
            originator="codexd",
            daemon_version=thread.world.version,
            instructions=REVIEW_INSTRUCTIONS,
            ephemeral=thread.state.ephemeral,
            reviews=ReviewOf(thread.thread_id, turn.turn_id),
        )
        return await threads.start(review.child_id, begin, by="codexd", key=None)


_Ended = tuple[Literal["completed", "interrupted", "failed"], str, TurnError | None]


async def _outcome(thread: ThreadActor, review: Review) -> _Ended:
    """How the reviewer's turn ended, and its last message."""
    answer = ""
    with thread.world.store.subscribe(review.child_id, after=0) as log_of_child:
        while True:
            page: list[Record] = []
            with trio.move_on_after(LOOK_SECONDS):
                page = list(await log_of_child.receive())
            if not page:
                await thread.world.threads().load(review.child_id)
            for record in page:
                event = decode_record(record.line).event if record.type in _TELLING else None
                match event:
                    case ItemCompleted() if event.kind == "message":
                        answer = answer_text(event.item) or answer
                    case TurnCompleted():
                        return "completed", answer, None
                    case TurnInterrupted():
                        return "interrupted", "", None
                    case TurnFailed():
                        return "failed", "", event.error
                    case _:
                        pass


async def _stop(thread: ThreadActor, effect: RunReview) -> None:
    """Stop a reviewer that is not needed any more. A reviewer that has ended, or never began, is left as it is."""
    threads = thread.world.threads()
    if threads.is_deadly(effect.child_id):
        return
    try:
        child = await threads.load(effect.child_id)
        await child.submit(InterruptTurn())
    except (NotFound, Rejected):
        pass
    except (StoreError, trio.BrokenResourceError, trio.EndOfChannel) as problem:
        log.warning("reviewer %s was not stopped: %s", effect.child_id, problem)
