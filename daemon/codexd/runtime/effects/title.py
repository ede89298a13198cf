"""Asks a model for a thread's title: a small request beside the thread's own, and a report. I/O."""

from __future__ import annotations

import logging

import msgspec
import trio

from codexd.core.commands import ReportTitle
from codexd.core.events.events import or_nothing
from codexd.core.prompts.base_instructions import TITLE_INSTRUCTIONS
from codexd.core.state.due import AskForTitle
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from codexd.core.values.provider_items import answer_text, text_message
from codexd.models.client import ModelError, ModelRequest
from codexd.runtime.actor.actor import ThreadActor

log = logging.getLogger(__name__)

# A title that comes later than this is of no use in a list, and no request waits for it.
TITLE_SECONDS_MAX = 30.0


async def ask_for_title(effect: AskForTitle, thread: ThreadActor) -> None:
    """Ask once, with a time limit; the title or the error is reported, and no turn is changed."""
    began = trio.current_time()
    report = ReportTitle(error=f"no answer came within {TITLE_SECONDS_MAX:g} s")
    with trio.move_on_after(TITLE_SECONDS_MAX):
        try:
            report = await _asked(effect, thread)
        except ModelError as error:
            report = ReportTitle(error=error.message)
        except Exception:
            # An effect is one of the places where any exception becomes a record.
            log.exception("thread %s: asking for a title crashed", thread.thread_id)
            report = ReportTitle(error="the daemon failed while it asked; its log says where")
    duration_ms = round((trio.current_time() - began) * 1000)
    await thread.report(msgspec.structs.replace(report, duration_ms=duration_ms))


async def _asked(effect: AskForTitle, thread: ThreadActor) -> ReportTitle:
    words, usage = list[str](), None
    turn = thread.state.turn
    client = thread.world.client(effect.provider, turn.turn_id if turn is not None else "")
    async with client.stream(_request(effect, thread)) as stream:
        while batch := await stream.receive():
            for event in batch:
                if isinstance(event, ModelItemDone) and event.kind == "message":
                    words.append(answer_text(event.item))
                elif isinstance(event, ModelResponseDone):
                    usage = event.usage
    return ReportTitle(title="".join(words), usage=or_nothing(usage))


def _request(effect: AskForTitle, thread: ThreadActor) -> ModelRequest:
    traits = thread.world.traits(effect.model)
    return ModelRequest(
        model=effect.model,
        instructions=TITLE_INSTRUCTIONS,
        input=(text_message("user", effect.prompt),),
        tools=(),
        cache_key=f"{thread.thread_id}/title",  # The thread's own key is for its turns.
        reasons=traits.reasons,
        effort=traits.least_effort,
        parallel_tool_calls=traits.parallel_tool_calls,
    )
