"""Delivers one event to one hook: runs its command with the event on its standard input, and records the receipt. I/O.

Law: an event whose receipt is recorded is not delivered again. What was running when the daemon died is adopted at
the keeper, or run again where the keeper died too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import trio

from codexd.exec.ports import Command, InputClosed, KeeperLost, NotStarted, Processes, Running
from codexd.hooks.hook import Hook
from codexd.hooks.payload import Delivered, Given, is_answered, payload_of
from codexd.hooks.receipts import Outcome, Receipt, receipt_key, receipt_of, record_receipt
from codexd.machine.python_child import python_command
from codexd_eventstore.event_log import EventLog

# After the pauses of a consumer between them, an event is given up within some five minutes, and the next are delivered.
ATTEMPTS_MAX: Final = 12
# A hook that sends something is done in a second or two; one that hangs must not hold up the events behind it.
RUN_SECONDS_MAX: Final = 30.0
# Of a failed command's output: enough for the line that says why.
PROBLEM_BYTES_MAX: Final = 1_000


_RECEIVERS: Final = "codexd.hooks.to_person"


class NotDelivered(Exception):
    """The command failed, and is tried again."""


class Delivery:
    """Runs hooks for events.

    Args:
        variables: the environment of a person's commands.
        is_watched: whether a client follows a thread.
    """

    def __init__(
        self,
        log: EventLog,
        processes: Processes,
        variables: Callable[[], Awaitable[Mapping[str, str]]],
        is_watched: Callable[[str], bool],
        now_us: Callable[[], int],
    ) -> None:
        self._log, self._processes, self._variables = log, processes, variables
        self._is_watched, self._now_us = is_watched, now_us

    async def deliver(self, hook: Hook, delivered: Delivered) -> None:
        """Run a hook for an event, unless it has a receipt. Raises: NotDelivered, StoreError."""
        attempt, attempts_max = 1, 1 if delivered.is_notify else ATTEMPTS_MAX
        while attempt <= attempts_max:
            receipt = await receipt_of(self._log, hook, delivered.thread_id, delivered.seq, attempt)
            if receipt is None:
                break
            if receipt.outcome != "failed":
                return
            attempt += 1
        skipped = await self._why_not(hook, delivered)
        if skipped is not None:
            await self._record(hook, delivered, attempt, skipped)
            return
        is_last = attempt >= attempts_max
        if await self._attempt(hook, delivered, attempt, is_last=is_last) == "failed":
            raise NotDelivered(f"hook {hook.name}: event {delivered.seq} of {delivered.thread_id}")

    async def deliver_again(self, hook: Hook, delivered: Delivered, attempt: int) -> bool:
        """Run a hook once more for an event that was given up; whether it is done now. Raises: StoreError."""
        return await self._attempt(hook, delivered, attempt, is_last=True) == "done"

    async def _why_not(self, hook: Hook, delivered: Delivered) -> Outcome | None:
        if hook.receiver is None:
            return None
        if self._is_watched(delivered.thread_id):
            return "watched"
        return "answered" if await is_answered(self._log, delivered) else None

    async def _attempt(
        self, hook: Hook, delivered: Delivered, attempt: int, *, is_last: bool
    ) -> Outcome:
        """Run it once, and record what became of it."""
        began = trio.current_time()
        exit_code, problem = await self._run(hook, delivered, attempt)
        outcome: Outcome = "done" if exit_code == 0 else "dead" if is_last else "failed"
        await self._record(
            hook,
            delivered,
            attempt,
            outcome,
            duration_ms=round((trio.current_time() - began) * 1000),
            exit_code=exit_code,
            problem="" if exit_code == 0 else problem,
        )
        return outcome

    async def _record(
        self,
        hook: Hook,
        delivered: Delivered,
        attempt: int,
        outcome: Outcome,
        *,
        duration_ms: int = 0,
        exit_code: int | None = None,
        problem: str = "",
    ) -> None:
        receipt = Receipt(
            hook.name,
            hook.generation,
            delivered.thread_id,
            delivered.seq,
            delivered.event,
            attempt,
            outcome,
            duration_ms,
            exit_code,
            problem,
        )
        await record_receipt(self._log, receipt, self._now_us())

    async def _run(self, hook: Hook, delivered: Delivered, attempt: int) -> tuple[int | None, str]:
        """The exit code and the end of the output; None and the reason where there is no exit code."""
        key = receipt_key(hook.name, hook.generation, delivered.thread_id, delivered.seq, attempt)
        process_id = hashlib.sha256(key.encode()).hexdigest()[:32]
        try:
            running = await self._processes.find(process_id)
            if running is None:
                given = payload_of(hook, delivered, attempt)
                running = await self._start(process_id, hook, delivered, given)
                return await _ended(running, given.input)
            return await _ended(running, b"")
        except (NotStarted, KeeperLost) as problem:
            return None, str(problem)[:PROBLEM_BYTES_MAX]

    async def _start(
        self, process_id: str, hook: Hook, delivered: Delivered, given: Given
    ) -> Running:
        variables = {
            **await self._variables(),
            "CODEXD_HOOK": hook.name,
            "CODEXD_EVENT": delivered.event,
            "CODEXD_THREAD": delivered.thread_id,
        }
        command = Command(
            process_id=process_id,
            owner="",
            argv=(*(hook.argv or python_command(_RECEIVERS)), *given.argument),
            cwd=hook.cwd,
            env=variables,
            input="pipe" if given.input else "none",
        )
        return await self._processes.start(command)


async def _ended(running: Running, content: bytes) -> tuple[int | None, str]:
    """Give a process its input, and wait for its end: as `_run`. Raises: KeeperLost."""
    tail = bytearray()
    code: int | None = None

    async def give() -> None:
        with suppress(InputClosed, KeeperLost):
            await running.write(content)
            await running.close_input()

    with trio.move_on_after(RUN_SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(give)
            async for piece in running.output():
                tail.extend(piece.data)
                del tail[:-PROBLEM_BYTES_MAX]
            code = await running.wait()
            nursery.cancel_scope.cancel()
    if code is None:
        await running.end()
    await running.release()
    if code is None:
        return None, f"it did not end within {RUN_SECONDS_MAX:g} s, and was ended"
    return code, bytes(tail).decode(errors="replace").strip()
