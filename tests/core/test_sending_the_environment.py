"""The context that the model gets before a turn: whole once, and then only changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from builders import (
    ENDED,
    FINISHED,
    FIRST_TURN,
    SETTINGS,
    STARTED,
    ask,
    finished_call,
    line,
    report,
)
from codexd.core import commands as c
from codexd.core.decide.context import context_due
from codexd.core.decide.decide import decide
from codexd.core.decide.lookups import NO_QUESTIONS, Lookups, questions
from codexd.core.events.events import ContextAdded, Event, ThreadForked, TurnCompleted, TurnStarted
from codexd.core.events.warnings import WARNED_KEPT_MAX, ThreadWarned, remembered
from codexd.core.state.known_context import KnownContext
from codexd.core.state.state import fold
from codexd.core.values.agents_md import InstructionFile, UserInstructions, instructions_text
from codexd.core.values.environment import (
    Machine,
    TurnEnvironment,
    environment_known,
    environment_of,
    environment_text,
)
from codexd.core.values.ids import ThreadId
from codexd.core.values.settings import Notice, Settings, SettingsChange, Tuned, Tuning
from codexd.runtime.actor.lookups import LookupSource
from lookups import decide_with

HERE = Machine("zsh", "Europe/Berlin", "enabled")
KIND = UserInstructions("/work", "Be kind.", (InstructionFile("/work/AGENTS.md", 8, "9f86"),))
ANSWERED: tuple[Event, ...] = (*FIRST_TURN, ENDED, TurnCompleted())


def reading(found: UserInstructions | None) -> LookupSource:
    return LookupSource(user_instructions=lambda cwd: found)


def told(events: list[Event], category: str = "user_instructions") -> list[ContextAdded]:
    return [e for e in events if isinstance(e, ContextAdded) and e.category == category]


# The environment.


def test_the_whole_environment_is_a_line_for_each_fact() -> None:
    assert environment_text(environment_of(SETTINGS, "2026-11-21", HERE)) == (
        "<environment_context>\n"
        "  <cwd>/work</cwd>\n"
        "  <shell>zsh</shell>\n"
        "  <current_date>2026-11-21</current_date>\n"
        "  <timezone>Europe/Berlin</timezone>\n"
        "  <approval_policy>untrusted</approval_policy>\n"
        "  <sandbox_mode>danger-full-access</sandbox_mode>\n"
        "  <network_access>enabled</network_access>\n"
        "</environment_context>"
    )


def test_a_difference_has_only_the_changes() -> None:
    before = environment_of(SETTINGS, "2026-11-21", HERE)
    after = replace(before, cwd="/else", approval_policy="never")
    assert environment_text(after, before) == (
        "<environment_context>\n"
        "  <cwd>/else</cwd>\n"
        "  <approval_policy>never</approval_policy>\n"
        "</environment_context>"
    )


def test_without_a_change_nothing_is_sent() -> None:
    environment = environment_of(SETTINGS, "2026-11-21", HERE)
    assert environment_text(environment, environment) is None


def test_the_shell_is_sent_with_the_whole_only() -> None:
    before = environment_of(SETTINGS, None, HERE)
    after = replace(before, shell="fish")
    assert environment_text(after, before) is None
    assert environment_known(after, before).shell == "zsh"


def test_facts_that_are_no_longer_known_stay_as_they_were_sent() -> None:
    before = environment_of(SETTINGS, "2026-11-21", HERE)
    after = replace(before, timezone=None, current_date=None)
    assert environment_text(after, before) is None
    assert environment_known(after, before) == before


CHANGES = {
    "cwd": SettingsChange(cwd="/else"),
    "approval_policy": SettingsChange(approval_policy="never"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_changes_between_turns_is_sent_as_a_difference(name: str) -> None:
    changed = decide(fold(ANSWERED), c.ChangeSettings(change=CHANGES[name]))
    events = decide(fold([*ANSWERED, *changed]), ask(2))
    (difference,) = told(events, "environment")
    assert difference.text.count("\n") == 2
    assert f"<{name}>" in difference.text
    again = decide(fold([*ANSWERED, *changed, *events, ENDED, TurnCompleted()]), ask(3))
    assert told(again, "environment") == []


def test_a_sandbox_that_is_not_enforced_is_not_sent() -> None:
    change = SettingsChange(sandbox="read-only", approval_policy="on-request")
    changed = decide(fold(ANSWERED), c.ChangeSettings(change=change))
    assert told(decide(fold([*ANSWERED, *changed]), ask(2)), "environment") == []


def test_a_thread_whose_log_does_not_say_what_was_sent_gets_the_whole() -> None:
    """As the logs of an older version, and imported ones."""
    old = tuple(
        replace(e, environment=None) if isinstance(e, ContextAdded) else e for e in ANSWERED
    )
    (whole,) = told(decide(fold(old), ask(2)), "environment")
    assert whole.text == environment_text(environment_of(SETTINGS))


# The project's instructions.


def test_instructions_are_sent_in_the_form_that_models_know_with_their_sources() -> None:
    (event,) = told(decide_with(fold([STARTED]), ask(1), reading(KIND)))
    assert event.role == "user"
    assert event.text == (
        "# AGENTS.md instructions for /work\n\n<INSTRUCTIONS>\nBe kind.\n</INSTRUCTIONS>"
    )
    assert (event.sources, event.digest) == (KIND.sources, KIND.digest)


def answered_with(found: UserInstructions) -> list[Event]:
    """A thread whose first turn was told these."""
    first = decide_with(fold([STARTED]), ask(1), reading(found))
    return [STARTED, *first, ENDED, TurnCompleted()]


def test_unchanged_instructions_are_not_sent_again() -> None:
    assert told(decide_with(fold(answered_with(KIND)), ask(2), reading(KIND))) == []


def test_changed_instructions_are_sent_whole_and_say_that_they_replace() -> None:
    other = replace(KIND, text="Be brief.")
    (event,) = told(decide_with(fold(answered_with(KIND)), ask(2), reading(other)))
    assert event.text.endswith("before.\n\nBe brief.\n</INSTRUCTIONS>")
    assert "replace all" in event.text
    assert event.digest == other.digest


def test_that_there_are_no_longer_any_is_sent_once() -> None:
    none, past = UserInstructions("/work"), answered_with(KIND)
    second = decide_with(fold(past), ask(2), reading(none))
    (event,) = told(second)
    assert "hold no longer" in event.text
    past += [*second, ENDED, TurnCompleted()]
    assert told(decide_with(fold(past), ask(3), reading(none))) == []
    (event,) = told(decide_with(fold(past), ask(3), reading(KIND)))
    assert "replace" not in event.text


def test_instructions_of_another_program_are_replaced() -> None:
    """As in an imported thread, whose log does not say which instructions those were."""
    imported = (STARTED, ContextAdded("user_instructions", "user", "Be cruel."))
    (event,) = told(decide_with(fold(imported), ask(1), reading(KIND)))
    assert "replace all" in event.text
    (event,) = told(decide_with(fold(imported), ask(1), reading(UserInstructions("/work"))))
    assert "hold no longer" in event.text


@pytest.mark.parametrize("found", [None, UserInstructions("/work")])
def test_without_instructions_nothing_is_sent(found: UserInstructions | None) -> None:
    assert told(decide_with(fold([STARTED]), ask(1), reading(found))) == []


def test_unreadable_instructions_leave_the_sent_instructions_in_force() -> None:
    slow = Notice("instructions:slow:/work", "The instructions could not be read.")
    unknown = UserInstructions("/work", complaints=(slow,), unknown=True)
    events = decide_with(fold(answered_with(KIND)), ask(2), reading(unknown))
    assert told(events) == []
    assert ThreadWarned(slow.about, slow.message) in events


def test_the_reads_for_a_decision_are_known_before_it() -> None:
    assert questions(fold([STARTED]), ask(1)).folders == {"/work"}
    # A turn that runs is no reason to read anything.
    assert questions(fold(FIRST_TURN), ask(2)) == NO_QUESTIONS


@pytest.mark.parametrize(("command", "repositories"), [("git status", {"/work"}), ("ls", set())])
def test_a_repository_is_looked_at_before_a_call_that_runs_git_in_it(
    command: str, repositories: set[str]
) -> None:
    called = report("t1/1", finished_call("c1", line(command)), FINISHED)
    assert questions(fold(FIRST_TURN), called).repositories == repositories


def test_the_same_words_in_another_folder_are_other_instructions() -> None:
    assert instructions_text(replace(KIND, directory="/else"), KIND.digest) is not None


# All of it together.


def test_it_is_sent_in_order_and_before_the_turn() -> None:
    started = replace(STARTED, developer_instructions="Speak German.")
    events = decide_with(fold([started]), ask(1), reading(KIND))
    categories = [e.category if isinstance(e, ContextAdded) else type(e).__name__ for e in events]
    assert categories[1:5] == ["developer", "user_instructions", "environment", "TurnStarted"]


def test_a_thread_that_has_lost_its_known_context_sends_all_of_it_again() -> None:
    knows = Lookups(user_instructions={KIND.directory: KIND})
    state = fold(answered_with(KIND))
    assert context_due(state, SETTINGS, None, knows) == []
    again = context_due(replace(state, known_context=KnownContext()), SETTINGS, None, knows)
    assert again == context_due(fold([STARTED]), SETTINGS, None, knows)


def test_a_fork_continues_from_the_context_of_its_parent() -> None:
    past = [*answered_with(KIND), ThreadForked(ThreadId("p"), 7)]
    assert told(decide_with(fold(past), ask(2), reading(KIND))) == []


def test_a_warning_is_reported_once_in_a_thread() -> None:
    lacks = Notice("verbosity:m-1:low", "m-1 has no verbosity.")
    around = LookupSource(tuning=lambda _: Tuned(Tuning("high"), (lacks,)))
    first = decide_with(fold([STARTED]), ask(1), around)
    assert ThreadWarned(lacks.about, lacks.message) in first
    second = decide_with(fold([STARTED, *first, ENDED, TurnCompleted()]), ask(2), around)
    assert not any(isinstance(event, ThreadWarned) for event in second)


def test_reported_warnings_are_remembered_within_a_bound() -> None:
    warned: tuple[str, ...] = ()
    for n in range(WARNED_KEPT_MAX + 5):
        warned = remembered(warned, str(n))
    assert warned == tuple(str(n) for n in range(5, WARNED_KEPT_MAX + 5))


# What a turn's record says of how its model is asked.


def started(events: list[Event]) -> TurnStarted:
    (turn,) = [event for event in events if isinstance(event, TurnStarted)]
    return turn


def test_the_lookups_of_a_turn_are_for_its_model() -> None:
    around = LookupSource(tuning=lambda _: Tuned(Tuning("high")))
    past = replace(STARTED, settings=replace(SETTINGS, effort="high", verbosity="low"))
    events = decide_with(fold([past]), ask(1), around)
    assert started(events).tuning == Tuning("high")
    turn = fold([past, *events]).turn
    assert turn is not None
    assert turn.tuning == Tuning("high")


def test_for_an_unknown_model_everything_is_looked_up() -> None:
    past = replace(STARTED, settings=replace(SETTINGS, effort="high", verbosity="low"))
    turn = fold([past, *decide(fold([past]), ask(1))]).turn
    assert turn is not None
    assert turn.tuning == Tuning("high", None, "low")


def telling(text: str) -> Callable[[Settings], str]:
    return lambda _: text


def test_base_instructions_are_recorded_when_they_are_others() -> None:
    first, second = (LookupSource(instructions=telling(text)) for text in ("one", "two"))
    past: list[Event] = [STARTED]
    for n, around, recorded in (
        (1, first, "one"),
        (2, first, None),
        (3, second, "two"),
        (4, second, None),
    ):
        events = decide_with(fold(past), ask(n), around)
        assert started(events).instructions == recorded
        past += events
        past += decide_with(fold(past), report(f"t{n}/1", FINISHED), around)
    assert fold(past).base_instructions == "two"


def test_a_threads_own_instructions_are_in_its_first_event_only() -> None:
    own = replace(STARTED, instructions="Mine.")
    events = decide_with(fold([own]), ask(1), LookupSource(instructions=telling("the daemon's")))
    assert started(events).instructions is None


def test_the_facts_are_beside_the_text() -> None:
    (event,) = told(decide(fold([STARTED]), ask(1)), "environment")
    assert event.environment == TurnEnvironment("/work", "untrusted", "danger-full-access")
