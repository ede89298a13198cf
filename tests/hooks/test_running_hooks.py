"""A hook runs once for each event that it wants, in order, also after failures and restarts; each run has a receipt."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from builders import SETTINGS, begun, queued, said
from codexd.core.events.events import Event, ThreadStarted, TurnCompleted, TurnKind, encode_event
from codexd.core.events.tools import ApprovalDecided, ApprovalRequested
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.tool_actions import RunCommand
from codexd.exec.ports import Command, NotStarted, Output, Processes
from codexd.hooks.delivery import ATTEMPTS_MAX, RUN_SECONDS_MAX
from codexd.hooks.hook import Hook
from codexd.hooks.hooks import Hooks
from codexd.hooks.receipts import Receipt, receipts_back
from codexd_eventstore.event_log import NewEvent, NotFound
from codexd_eventstore.memory.store import MemoryStore
from trio_test import trio_test

THREAD = "01a21f75-8733-7c44-9ed3-6b7f6ce2694a"
OTHER = "01a21f75-8733-7c44-9ed3-6b7f6ce2694b"
AT_US = 1_700_000_000_000_000  # long ago
HOOK = Hook("phone", ("turn.completed",), ("push",), "/work")
TURN: tuple[Event, ...] = (queued(1), begun(1), said("m1", "the answer"), TurnCompleted())
QUESTION = ApprovalRequested(
    ApprovalId("a1"), CallId("c1"), RunCommand("rm x", (), "/work", 1), "why", "untrusted"
)


class Ran(msgspec.Struct):
    """One start of a hook's command."""

    command: Command
    input: bytearray


class FakeProcesses:
    """Commands that end as they are told to, at once."""

    def __init__(self) -> None:
        self.ran: list[Ran] = []
        self.codes: list[int | None] = []  # of the next commands; None: it never ends
        self.refusal: str | None = None

    async def start(self, command: Command) -> FakeRunning:
        if self.refusal is not None:
            raise NotStarted(self.refusal)
        run = Ran(command, bytearray())
        self.ran.append(run)
        return FakeRunning(run, self.codes.pop(0) if self.codes else 0)

    async def find(self, process_id: str) -> None:
        return None

    def events(self) -> list[tuple[str, int]]:
        return [(event["thread"]["id"], event["event"]["seq"]) for event in self.inputs()]

    def inputs(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(run.input) for run in self.ran]


class FakeRunning:
    """A process of theirs."""

    def __init__(self, run: Ran, code: int | None) -> None:
        self._run, self._code = run, code
        self._over = trio.Event()

    async def write(self, data: bytes) -> None:
        self._run.input += data

    async def close_input(self) -> None: ...

    async def output(self) -> AsyncIterator[Output]:
        if self._code is None:
            await self._over.wait()
        yield Output("stdout", b"its words\n")

    async def wait(self) -> int:
        return self._code or 0

    async def end(self) -> None:
        self._over.set()

    async def release(self) -> None: ...


class World:
    """A store, hooks over it, and what they started."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.processes = FakeProcesses()
        self.watched: set[str] = set()
        self.notify: tuple[str, ...] = ()
        self.hooks = self.made()

    def made(self) -> Hooks:
        async def variables() -> Mapping[str, str]:
            return {"PATH": "/bin"}

        processes = cast("Processes", self.processes)
        return Hooks(
            self.store,
            processes,
            variables,
            self.watched.__contains__,
            lambda: self.notify,
            Path("/work"),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hooks]:
        """The hooks of a daemon, from its start to its end."""
        self.hooks = self.made()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hooks.run)
            yield self.hooks
            nursery.cancel_scope.cancel()

    async def append(self, *events: Event, thread: str = THREAD) -> None:
        """Add events to a thread, which is started with the first."""
        try:
            version = (await self.store.head(thread)).version
        except NotFound:
            version = 0
            events = (ThreadStarted(SETTINGS, "a tui", "1"), *events)
        new = [NewEvent(event.type, encode_event(event), event.v) for event in events]
        await self.store.append(
            thread, new, expected_version=version, at_us=AT_US + version, durable=True
        )

    async def receipts(self) -> list[Receipt]:
        return [receipt for _, receipt in (await receipts_back(self.store)).receipts][::-1]


async def settled() -> None:
    """All that can happen without waiting has happened."""
    await trio.testing.wait_all_tasks_blocked()


def outcomes(receipts: list[Receipt]) -> list[tuple[int, int, str]]:
    return [(receipt.seq, receipt.attempt, receipt.outcome) for receipt in receipts]


@trio_test(autojump=True)
async def test_it_runs_once_for_each_event_that_it_wants_and_gets_the_event_and_its_turn() -> None:
    world = World()
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await world.append(*TURN, thread=OTHER)
        await settled()
        (first, second) = world.processes.inputs()
    assert first["thread"] == {"id": THREAD, "cwd": SETTINGS.cwd}
    assert first["turn"]["inputMessages"] == ["go"]  # of builders.queued
    assert first["turn"]["lastAssistantMessage"] == "the answer"
    assert first["event"]["type"] == "turn.completed"
    assert second["thread"]["id"] == OTHER
    command = world.processes.ran[0].command
    assert (command.argv, command.cwd, command.input) == (("push",), "/work", "pipe")
    assert command.env["CODEXD_HOOK"] == "phone"
    assert command.env["CODEXD_THREAD"] == THREAD
    assert outcomes(await world.receipts()) == [(5, 1, "done"), (5, 1, "done")]


@trio_test(autojump=True)
async def test_events_before_its_beginning_are_passed_over() -> None:
    world = World()
    await world.append(*TURN)
    async with world.running() as hooks:
        await hooks.add(replace(HOOK, since_us=AT_US + 5))
        await world.append(*TURN)
        await settled()
    assert world.processes.events() == [(THREAD, 9)]


@trio_test(autojump=True)
async def test_a_hook_of_one_thread_gets_no_other_and_a_star_gets_every_event() -> None:
    world = World()
    async with world.running() as hooks:
        await hooks.add(replace(HOOK, thread_id=OTHER))
        await hooks.add(replace(HOOK, name="all", events=("turn.*",)))
        await world.append(*TURN)
        await settled()
    assert world.processes.events() == [(THREAD, 3), (THREAD, 5)]


@trio_test(autojump=True)
async def test_missed_events_come_in_their_order_after_a_restart_and_none_twice() -> None:
    world = World()
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await settled()
    for _ in range(3):
        await world.append(*TURN)
    async with world.running():
        await settled()
    async with world.running():
        await settled()
    assert world.processes.events() == [(THREAD, 5), (THREAD, 9), (THREAD, 13), (THREAD, 17)]


@trio_test(autojump=True)
async def test_a_receipt_counts_also_where_the_checkpoint_behind_it_is_lost() -> None:
    world = World()
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await settled()
    await world.store.set_checkpoint(HOOK.consumer, THREAD, 0)
    await world.store.set_checkpoint(f"{HOOK.consumer}.bytes", THREAD, 0)
    async with world.running():
        await world.append(*TURN)
        await settled()
    assert world.processes.events() == [(THREAD, 5), (THREAD, 9)]


@trio_test(autojump=True)
async def test_a_failed_run_is_repeated_before_the_next_event_with_longer_and_longer_pauses() -> (
    None
):
    world = World()
    world.processes.codes = [1, 2]
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN, *TURN)
        began = trio.current_time()
        await trio.sleep(10)
        assert trio.current_time() - began == 10
    assert world.processes.events() == [(THREAD, 5), (THREAD, 5), (THREAD, 5), (THREAD, 9)]
    receipts = await world.receipts()
    assert outcomes(receipts) == [
        (5, 1, "failed"),
        (5, 2, "failed"),
        (5, 3, "done"),
        (9, 1, "done"),
    ]
    assert (receipts[0].exit_code, receipts[0].problem) == (1, "its words")


@trio_test(autojump=True)
async def test_attempts_are_counted_over_restarts() -> None:
    world = World()
    world.processes.codes = [1, 1, 1]
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await settled()
    async with world.running():
        await trio.sleep(10)
    assert [attempt for _, attempt, _ in outcomes(await world.receipts())] == [1, 2, 3, 4]


@trio_test(autojump=True)
async def test_what_never_succeeds_is_given_up_and_can_be_tried_again() -> None:
    world = World()
    world.processes.codes = [9] * ATTEMPTS_MAX
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN, *TURN)
        await trio.sleep(3600)
        receipts = await world.receipts()
        assert len(receipts) == ATTEMPTS_MAX + 1
        assert outcomes(receipts)[-2:] == [(5, ATTEMPTS_MAX, "dead"), (9, 1, "done")]
        assert [letter.seq for _, letter in await hooks.dead(HOOK)] == [5]
        world.processes.codes = [9]
        assert await hooks.retry(HOOK) == (0, 1)
        assert await hooks.retry(HOOK) == (1, 0)
        assert await hooks.dead(HOOK) == []
        assert await hooks.retry(HOOK) == (0, 0)


@trio_test(autojump=True)
async def test_a_command_that_does_not_end_is_ended_and_one_that_cannot_start_is_a_failed_run() -> (
    None
):
    world = World()
    world.processes.codes = [None]
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await trio.sleep(RUN_SECONDS_MAX + 0.2)
        world.processes.refusal = "no such program: push"
        await trio.sleep(1)
        problems = [receipt.problem for receipt in await world.receipts()]
    assert problems == ["it did not end within 30 s, and was ended", "no such program: push"]


@trio_test(autojump=True)
async def test_it_can_be_run_again_for_the_past_and_removed() -> None:
    world = World()
    async with world.running() as hooks:
        await hooks.add(HOOK)
        await world.append(*TURN)
        await settled()
        await hooks.add(HOOK)  # replaced, it continues
        await settled()
        assert len(world.processes.ran) == 1
        await hooks.add(HOOK, again=True)
        await settled()
        assert len(world.processes.ran) == 2
        assert await hooks.remove("phone")
        assert not await hooks.remove("phone")
        await world.append(*TURN)
        await settled()
        assert len(world.processes.ran) == 2
    async with world.running() as hooks:
        assert await hooks.all() == []


@trio_test(autojump=True)
async def test_a_receiver_does_not_notify_who_watches_or_of_what_is_answered() -> None:
    world = World()
    world.watched.add(THREAD)
    hook = Hook("me", ("approval.requested",), (), "/work", receiver="desktop")
    async with world.running() as hooks:
        await world.append(queued(1), begun(1), QUESTION)
        await world.append(queued(1), begun(1), QUESTION, thread=OTHER)
        third = OTHER[:-1] + "c"
        decided = ApprovalDecided(ApprovalId("a1"), "accept")
        await world.append(queued(1), begun(1), QUESTION, decided, thread=third)
        await hooks.add(hook)
        await settled()
    by_thread = {receipt.thread_id: receipt.outcome for receipt in await world.receipts()}
    assert by_thread == {THREAD: "watched", OTHER: "done", third: "answered"}
    (run,) = world.processes.ran
    assert run.command.argv[-1] == "codexd.hooks.to_person"


@trio_test(autojump=True)
async def test_notify_runs_once_for_each_turn_that_ends_from_now_on_with_one_argument() -> None:
    world = World()
    world.notify = ("told", "--now")
    await world.append(*TURN)
    async with world.running():
        world.processes.codes = [1]
        at_us = time.time_ns() // 1000 + 1_000_000
        new = [NewEvent(event.type, encode_event(event), event.v) for event in TURN]
        await world.store.append(THREAD, new, expected_version=5, at_us=at_us, durable=True)
        await trio.sleep(60)
    (run,) = world.processes.ran
    assert run.command.argv[:2] == ("told", "--now")
    assert run.command.input == "none"
    assert msgspec.json.decode(run.command.argv[2]) == {
        "type": "agent-turn-complete",
        "thread-id": THREAD,
        "turn-id": begun(1).turn_id,
        "cwd": SETTINGS.cwd,
        "client": "a tui",
        "input-messages": ["go"],
        "last-assistant-message": "the answer",
    }
    assert outcomes(await world.receipts()) == [(9, 1, "dead")]


@trio_test(autojump=True)
async def test_notify_begins_when_the_config_names_a_command() -> None:
    world = World()
    async with world.running() as hooks:
        await settled()
        world.notify = ("told",)
        hooks.look_at_config()
        hooks.look_at_config()
        at_us = time.time_ns() // 1000 + 1_000_000
        new = [
            NewEvent(e.type, encode_event(e), e.v)
            for e in (ThreadStarted(SETTINGS, "", "1"), *TURN)
        ]
        await world.store.append(THREAD, new, expected_version=0, at_us=at_us, durable=True)
        await settled()
    assert len(world.processes.ran) == 1


@pytest.mark.parametrize("type_", ["review", "compact", "shell"])
@trio_test(autojump=True)
async def test_notify_does_not_run_for_turns_that_are_no_persons(type_: TurnKind) -> None:
    world = World()
    world.notify = ("told",)
    async with world.running():
        await world.append(queued(1))
        at_us = time.time_ns() // 1000 + 1_000_000
        events = (replace(begun(1), kind=type_), TurnCompleted())
        new = [NewEvent(event.type, encode_event(event), event.v) for event in events]
        await world.store.append(THREAD, new, expected_version=2, at_us=at_us, durable=True)
        await settled()
    assert not world.processes.ran
