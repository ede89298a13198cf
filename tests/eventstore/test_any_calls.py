"""Any sequence of calls: every engine answers like lists in memory, through restarts and lost state."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from codexd_eventstore.operations.jsonl import open_jsonl_store
from simulated_files import SimulatedFileSystem
from store_engines import memory
from store_oracle import StoreMachine

NIGHTLY = "CODEXD_NIGHTLY" in os.environ
# Steps of one machine, and machines: 100,000 steps at night.
STEPS, EXAMPLES = (100, 1000) if NIGHTLY else (40, 25)


class Machine(StoreMachine):
    """In a thread beside the run that owns the store."""

    steps = 0

    def perform(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Make the call in the run, and count it."""
        return trio.from_thread.run(call)

    def open(self) -> None:
        """See `StoreMachine`."""
        self._files = SimulatedFileSystem()
        self._enter()

    def reopen_store(self, *, forgets: bool) -> None:
        """See `StoreMachine`."""
        self._leave()
        if forgets:
            self.forget()
        self._enter()

    def forget(self) -> None:
        """Remove what may be lost."""

    def teardown(self) -> None:
        """See `StoreMachine`."""
        try:
            super().teardown()
        finally:
            self._leave()

    def opened(self) -> AbstractAsyncContextManager[Any]:
        """The store to enter."""
        raise NotImplementedError

    def _enter(self) -> None:
        self._context = self.opened()
        self.store = self.perform(self._context.__aenter__)

    def _leave(self) -> None:
        self.perform(lambda: self._context.__aexit__(None, None, None))

    @invariant()
    def a_step_was_made(self) -> None:
        """Count it."""
        Machine.steps += 1


class OnSimulatedFiles(Machine):
    """The default engine; its notes are SQLite's, and so in a real folder."""

    def open(self) -> None:
        """See `StoreMachine`."""
        self._state = tempfile.TemporaryDirectory()
        super().open()

    def opened(self) -> AbstractAsyncContextManager[Any]:
        """See `Machine`."""
        return open_jsonl_store("/disk/data", state_dir=self._state.name, files=self._files)

    def forget(self) -> None:
        """See `Machine`."""
        for path in Path(self._state.name).iterdir():
            path.unlink()

    def teardown(self) -> None:
        """See `Machine`."""
        try:
            super().teardown()
        finally:
            self._state.cleanup()


class InMemory(Machine):
    """The engine without files, which cannot be opened again."""

    def opened(self) -> AbstractAsyncContextManager[Any]:
        """See `Machine`."""
        return memory(Path())

    def reopen_store(self, *, forgets: bool) -> None:
        """Nothing: see `InMemory`."""


@pytest.mark.slow
@pytest.mark.parametrize("machine", [OnSimulatedFiles, InMemory])
def test_a_store_answers_as_lists_do(machine: type[Machine]) -> None:
    how = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    before = Machine.steps

    async def run() -> None:
        await trio.to_thread.run_sync(lambda: run_state_machine_as_test(machine, settings=how))

    trio.run(run)
    print(f"oracle: {Machine.steps - before} steps on {machine.__name__}")
