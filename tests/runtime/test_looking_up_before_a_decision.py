"""The files for a decision are read before it, off the loop, once, and for no longer than a person waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from builders import FIRST_TURN, STARTED, ask
from codexd.core.commands import RenameThread
from codexd.core.decide.decide import decide
from codexd.core.events.events import ContextAdded
from codexd.core.events.warnings import ThreadWarned
from codexd.core.state.state import fold
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.environment import Machine
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.review_target import ReviewOf
from codexd.machine.patience import PATIENCE_SECONDS
from codexd.runtime.actor.lookups import LookupSource, decided
from trio_test import trio_test

Reader = Callable[[str], UserInstructions]


@trio_test
async def test_it_is_read_once_in_a_thread_when_a_turn_begins() -> None:
    read: list[tuple[str, bool]] = []

    def reader(cwd: str) -> UserInstructions:
        read.append((cwd, threading.current_thread() is threading.main_thread()))
        return UserInstructions(cwd, "Be kind.")

    events = await decided(fold([STARTED]), ask(1), LookupSource(user_instructions=reader))
    assert read == [("/work", False)]
    assert any(isinstance(e, ContextAdded) and "Be kind." in e.text for e in events)


@trio_test
async def test_nothing_is_read_for_a_command_that_begins_no_turn() -> None:
    def reader(cwd: str) -> UserInstructions:
        raise AssertionError(f"{cwd} was read")

    source = LookupSource(user_instructions=reader)
    for past, command in (([STARTED], RenameThread(name="n")), (list(FIRST_TURN), ask(2))):
        assert await decided(fold(past), command, source) == decide(fold(past), command)


@trio_test
async def test_without_lookups_a_decision_is_the_same() -> None:
    assert await decided(fold([STARTED]), ask(1), LookupSource()) == decide(fold([STARTED]), ask(1))


@trio_test(autojump=True)
async def test_a_disk_that_hangs_holds_a_turn_up_for_moments_only() -> None:
    over = threading.Event()

    def hangs(cwd: str) -> UserInstructions:
        over.wait()
        return UserInstructions(cwd)

    try:
        events = await decided(fold([STARTED]), ask(1), LookupSource(user_instructions=hangs))
    finally:
        over.set()
    (warned,) = [event for event in events if isinstance(event, ThreadWarned)]
    assert f"within {PATIENCE_SECONDS:g} s" in warned.message
    assert [type(e) for e in events if not isinstance(e, ThreadWarned)] == [
        type(e) for e in decide(fold([STARTED]), ask(1))
    ]


@trio_test
async def test_a_reviewers_folder_is_not_read_for_instructions() -> None:
    def reader(cwd: str) -> UserInstructions:
        raise AssertionError(f"{cwd} was read")

    reviewer = replace(STARTED, reviews=ReviewOf(ThreadId("t"), TurnId("u")))
    source = LookupSource(user_instructions=reader, machine=lambda: Machine("fish"))
    events = await decided(fold([reviewer]), ask(1), source)
    (context,) = [event for event in events if isinstance(event, ContextAdded)]
    assert "fish" in context.text
