"""Threads that are compacted, and what their requests say: for the tests about compaction."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from builders import ask, line, result
from builders import finished_message as message
from codexd.core import commands as c
from codexd.core.events.events import Event
from codexd.core.values.limits import Limits
from codexd.core.values.model_output import ModelResponseDone
from codexd.runtime.actor.lookups import LookupSource
from random_thread import Play

One = TypeVar("One", bound=Event)

SMALL, LARGE = Limits(1000, 950, 900), Limits(4000, 3800, 3600)
WINDOWS = {"m-1": SMALL, "m-large": LARGE}
AROUND = LookupSource(limits=lambda settings: WINDOWS[settings.model])


def answered(tokens: int, *, turns: int = 1) -> Play:
    """A thread whose last answer left so many tokens in context."""
    play = Play(AROUND)
    for n in range(1, turns + 1):
        play.do(ask(n, f"question {n}"))
        answer(play, tokens)
    return play


def answer(play: Play, tokens: int, words: str = "Done.") -> None:
    """The model answers, and leaves so many tokens in context."""
    usage = msgspec.Raw(msgspec.json.encode({"total_tokens": tokens}))
    play.report(
        message(f"a{len(play.records)}", words), ModelResponseDone(duration_ms=5, usage=usage)
    )


def call_a_tool(play: Play, tokens: int) -> None:
    """The model calls a tool, and its answer leaves so many tokens in context."""
    play.make_call(line("ls"))
    usage = msgspec.Raw(msgspec.json.encode({"total_tokens": tokens}))
    play.report(ModelResponseDone(duration_ms=5, usage=usage))


def answer_the_call(play: Play, output: str = "a listing") -> None:
    """The tool answers."""
    (call,) = play.turn.open_calls
    play.do(c.ReportToolEnded(call_id=call.call_id, result=result(output)))


def kinds(play: Play, after: int) -> list[str]:
    """What happened since."""
    return [event.type for event in play.events[after:]]


def texts(items: list[bytes]) -> list[str]:
    """What the messages of a request say, and what else there is by its type."""
    said = []
    for item in (msgspec.json.decode(item) for item in items):
        said.append(item["content"][0]["text"] if item["type"] == "message" else item["type"])
    return said


def last(play: Play, kind: type[One]) -> One:
    """The newest event of a kind."""
    return next(event for event in reversed(play.events) if isinstance(event, kind))
