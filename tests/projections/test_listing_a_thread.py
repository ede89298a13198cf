"""The row of a thread in a list."""

from __future__ import annotations

from msgspec.structs import replace

from builders import BROKEN, FIRST_TURN, SETTINGS, STARTED, begun, queued
from codexd.core.events import events as e
from codexd.core.events.events import Event
from codexd.core.events.history import HistoryReverted, HistoryRevertUndone, ReviewEntered
from codexd.core.events.record import Recorded
from codexd.core.state.read_state import ReadState
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.settings import SettingsChange
from codexd.projections.summary import PREVIEW_CHARACTERS_MAX, Summary

GIT = e.GitHead("0f3", "main")


def row(*events: Event) -> Summary:
    summary = Summary()
    for seq, event in enumerate(events, 1):
        summary.apply(Recorded(seq, 1000 * seq, event))
    return summary


def test_a_row_has_all_that_a_list_shows() -> None:
    started = replace(STARTED, git=GIT)
    summary = row(started, *FIRST_TURN[1:], e.ThreadRenamed("Parser"))
    assert summary == Summary(
        seq=6,
        started=started,
        settings=SETTINGS,
        created_ms=1000,
        updated_ms=6000,
        preview="go",
        name="Parser",
        turns=1,
        spending=summary.spending,  # a fold of its own
        running=True,
        read=ReadState(turn="t1"),
        begun=True,
    )
    assert summary.git == GIT


def test_the_preview_is_the_first_thing_a_person_said() -> None:
    assert row(STARTED, queued(1, "first"), queued(2, "second")).preview == "first"
    assert row(STARTED, queued(1, ""), queued(2, "second")).preview == "second"


def test_a_thread_that_begins_with_a_review_has_its_subject_as_preview() -> None:
    reviewed = ReviewEntered(ItemId("e"), "current changes")
    assert row(STARTED, reviewed, queued(1, "first")).preview == "review of: current changes"
    assert row(STARTED, queued(1, "first"), reviewed).preview == "first"


def test_the_preview_is_short() -> None:
    long = "x" * (PREVIEW_CHARACTERS_MAX + 1)
    assert len(row(STARTED, queued(1, long)).preview) == PREVIEW_CHARACTERS_MAX


def test_the_preview_leaves_out_an_editors_text_before_the_request() -> None:
    typed = "# Context from my IDE\n- a.py\n\n## My request for Codex:\nfix it\n"
    assert row(STARTED, queued(1, typed)).preview == "fix it"


def test_text_like_our_own_tags_is_a_preview_too() -> None:
    typed = "<environment_context>mine</environment_context>"
    assert row(STARTED, queued(1, typed)).preview == typed


def test_names_and_archives_come_and_go() -> None:
    named = (STARTED, e.ThreadRenamed("Parser"))
    assert row(*named, e.ThreadRenamed(None)).name is None
    assert row(*named, e.ThreadArchived()).archived
    assert not row(*named, e.ThreadArchived(), e.ThreadUnarchived()).archived


def test_settings_are_those_in_force() -> None:
    change = SettingsChange(model="m-2")
    assert row(STARTED, e.SettingsChanged(change)).settings == replace(SETTINGS, model="m-2")


def test_a_failed_turn_shows_until_the_next() -> None:
    failed = (STARTED, begun(1), e.TurnFailed(BROKEN))
    assert row(*failed).failed
    assert not row(*failed, begun(2)).failed


def test_a_fork_is_a_thread_of_its_own() -> None:
    forked = row(
        *FIRST_TURN,
        e.ThreadRenamed("Parser"),
        e.ThreadArchived(),
        e.ThreadForked(ThreadId("p"), 7),
    )
    assert (forked.forked_from, forked.name, forked.archived) == ("p", None, False)
    assert (forked.created_ms, forked.preview, forked.turns) == (8000, "go", 1)


def test_reverted_turns_are_not_counted() -> None:
    two = (
        STARTED,
        queued(1),
        begun(1),
        e.TurnCompleted(),
        queued(2),
        begun(2),
        e.TurnFailed(BROKEN),
    )
    back = HistoryReverted(TurnId("t2"), 4, 1, 1)
    assert (row(*two).turns, row(*two).failed) == (2, True)
    assert (row(*two, back).turns, row(*two, back).failed) == (1, False)
    # Brought back, it stands in front of one that was taken since.
    third = (queued(3), begun(3), e.TurnCompleted())
    assert row(*two, back, *third, HistoryRevertUndone(8, 1)).turns == 3


def test_a_thread_that_was_reverted_to_its_start_has_the_preview_of_its_new_prompt() -> None:
    turn = (STARTED, queued(1, "first"), begun(1), e.TurnCompleted())
    back = HistoryReverted(TurnId("t1"), 0, 1, 0)
    assert row(*turn, back).preview == ""
    again = (*turn, back, queued(2, "second"), begun(2), e.TurnCompleted())
    assert row(*again).preview == "second"
    assert row(*again, HistoryRevertUndone(5, 1)).preview == "first"
    assert row(*turn, back, HistoryRevertUndone(5, 1)).preview == "first"
