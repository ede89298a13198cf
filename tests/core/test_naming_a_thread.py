"""A thread is named by its first prompt; by a model, where that is wanted, and never over a person's name."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from builders import ENDED, STARTED, ask
from codexd.core import commands as c
from codexd.core.decide.decide import decide
from codexd.core.decide.lookups import Titles
from codexd.core.events.events import Event, InputQueued, ThreadForked, ThreadRenamed, TurnCompleted
from codexd.core.events.title import (
    PROMPT_CHARACTERS_MAX,
    TITLE_CHARACTERS_MAX,
    TitleEnded,
    TitleRequested,
    request_in,
    title_of,
)
from codexd.core.state.due import AskForTitle, due
from codexd.core.state.state import fold
from codexd.core.values.ids import ThreadId
from codexd.core.values.items import ImageInput
from codexd.runtime.actor.lookups import LookupSource
from lookups import decide_with

BY_MODEL = LookupSource(titles=Titles)
ASKED = TitleRequested("fix the parser", "m-1", "p")
USAGE = msgspec.Raw(b'{"input_tokens":7}')


def begun(*before: Event, prompt: str = "fix the parser") -> list[Event]:
    past = [STARTED, *before]
    return [*past, *decide_with(fold(past), ask(1, prompt), BY_MODEL)]


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("fix the parser", "fix the parser"),
        ("  fix\tthe   parser  \nplease", "fix the parser"),
        ("\n\n# Fix the parser\n", "Fix the parser"),
        ("> quoted\n", "quoted"),
        ("- one\n- two", "one"),
        ("3. third", "third"),
        ("```py\nx = 1\n```", "x = 1"),
        ("---\nreal", "real"),
        ('"Fix it"', "Fix it"),
        ("# Context\n- a.py\n\n## My request for Codex:\nfix it\n", "fix it"),
        ("Grüße 日本", "Grüße 日本"),
        ("a\x1b[31mb\x00c\u202ed", "a [31mb c d"),
        ("<environment_context>mine</environment_context>",) * 2,
        ("", ""),
        ("…!?\n\n", ""),
        ("-fno-common is what?", "-fno-common is what?"),
    ],
)
def test_a_title_is_the_first_line_with_words_without_marks(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


def test_a_long_title_is_cut_between_words_where_possible() -> None:
    words = title_of("word " * 40)
    assert len(words) <= TITLE_CHARACTERS_MAX
    assert words.endswith("word…")
    assert title_of("x" * 100) == "x" * (TITLE_CHARACTERS_MAX - 1) + "…"


def test_the_heading_counts_on_a_line_of_its_own() -> None:
    typed = "what does `## My request for Codex:` mean?"
    assert request_in(typed) == typed
    assert request_in("a.py\n## My request for Codex: fix it") == "fix it"


def test_no_model_is_asked_unless_it_is_wanted() -> None:
    events = decide(fold([STARTED]), ask(1))
    assert not any(isinstance(event, TitleRequested) for event in events)


def test_a_model_is_asked_beside_the_first_turn() -> None:
    past = begun()
    assert ASKED in past
    state = fold(past)
    assert AskForTitle("fix the parser", "m-1", "p") in due(state)
    assert len(due(state)) == 2  # and the turn waits for nothing


def test_another_model_may_do_it() -> None:
    around = LookupSource(titles=lambda: Titles("small"))
    assert replace(ASKED, model="small") in decide_with(
        fold([STARTED]), ask(1, "fix the parser"), around
    )


def test_its_answer_becomes_the_name() -> None:
    past = begun()
    report = c.ReportTitle(title='"Parser fix"\n', usage=USAGE, duration_ms=5)
    events = decide(fold(past), report)
    assert events == [TitleEnded(5, USAGE), ThreadRenamed("Parser fix")]
    state = fold([*past, *events])
    assert (state.name, state.title) == ("Parser fix", None)
    assert not any(isinstance(effect, AskForTitle) for effect in due(state))


@pytest.mark.parametrize("title", [None, "", " \n", "…"])
def test_an_answer_without_words_names_nothing(title: str | None) -> None:
    report = c.ReportTitle(title=title, error=None if title else "no answer")
    events = decide(fold(begun()), report)
    assert [type(event) for event in events] == [TitleEnded]


def test_a_late_answer_is_no_name() -> None:
    named = [*begun(), ThreadRenamed("Mine")]
    assert decide(fold(named), c.ReportTitle(title="Parser fix")) == []
    taken_away = [*named, ThreadRenamed(None)]
    assert decide(fold(taken_away), c.ReportTitle(title="Parser fix")) == []


def test_a_thread_with_a_name_is_not_named() -> None:
    assert fold(begun(ThreadRenamed("Mine"))).title is None


def test_only_the_first_turn_asks() -> None:
    past = [*begun(), TitleEnded(), ENDED, TurnCompleted()]
    assert not any(
        isinstance(event, TitleRequested) for event in decide_with(fold(past), ask(2), BY_MODEL)
    )


def test_a_prompt_without_words_and_a_thread_in_memory_are_not_named() -> None:
    image = replace(ask(1), content=(ImageInput("data:image/png;base64,AA=="),))
    assert fold([STARTED, *decide_with(fold([STARTED]), image, BY_MODEL)]).title is None
    ephemeral = replace(STARTED, ephemeral=True)
    assert fold([ephemeral, *decide_with(fold([ephemeral]), ask(1), BY_MODEL)]).title is None


def test_the_model_is_shown_the_request_and_no_more_than_it_needs() -> None:
    typed = "# Context\n## My request for Codex:\n" + "x" * 3_000
    (asked,) = [event for event in begun(prompt=typed) if isinstance(event, TitleRequested)]
    assert asked.prompt == "x" * PROMPT_CHARACTERS_MAX


def test_a_restart_gives_it_up() -> None:
    past = begun()
    events = decide(fold(past), c.Recover())
    assert isinstance(events[0], TitleEnded)
    assert fold([*past, *events]).title is None


def test_a_fork_and_an_archived_thread_wait_for_none() -> None:
    past = begun()
    assert fold([*past, ThreadForked(ThreadId("p"), len(past))]).title is None
    archived = decide(fold(past), c.ArchiveThread())
    assert fold([*past, *archived]).title is None


def test_it_does_not_affect_the_turn() -> None:
    without = [STARTED, *decide(fold([STARTED]), ask(1, "fix the parser"))]
    assert [event for event in begun() if event != ASKED] == without
    assert isinstance(without[1], InputQueued)
