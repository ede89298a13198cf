"""A command until its end: its output passed on, its time, and the model's answer about it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Final

import trio

from codexd.core.policy.sandbox_denial import denial_sign, sandbox_hint
from codexd.core.values.enforced import Sandbox
from codexd.core.values.tool_actions import PersonCommand, RunCommand, ToolResult
from codexd.core.values.truncate import truncate_middle
from codexd.exec.ports import KeeperLost, Output, Running
from codexd.tools.output import KeptOutput
from codexd.tools.registry import OutputSink

MODEL_OUTPUT_BYTES_MAX: Final = 40_000  # 10 000 tokens at four bytes each
TIMED_OUT_EXIT_CODE: Final = 124  # as the program `timeout` has it
KEEPER_LOST: Final = (
    "interrupted: the process that owns all commands died, and the command with it; its result is not known, and it "
    "was not started again. Look at the present state before you repeat it."
)


class Following:
    """Follows a command from its first byte on, whichever daemon has started it."""

    def __init__(self, action: RunCommand, sandbox: Sandbox, sink: OutputSink) -> None:
        self._action, self._sandbox, self._sink = action, sandbox, sink
        self._kept = KeptOutput()

    async def result(self, process: Running) -> ToolResult:
        """Its result, when it has ended or its time is over; the time counts from its start."""
        output, code = process.output(), None
        left = self._action.timeout_ms / 1000 - process.seconds()
        try:
            # One that has ended while no daemon was there has its own result.
            with trio.move_on_after(max(0, left) if process.exit_code is None else math.inf):
                await self._pass_on(output)
                code = await process.wait()
            if code is None:
                await process.end()
                if isinstance(self._action, PersonCommand):  # The model's answer has it anyway.
                    self.tell(f"command timed out after {self._action.timeout_ms} ms\n")
                await self._pass_on(output)
        except KeeperLost:
            return ToolResult("aborted", KEEPER_LOST, self._kept.text().for_screens())
        return _ended(self._action, code, process.seconds(), self._kept, self._sandbox)

    def tell(self, line: str) -> None:
        """A line of the daemon's own among the output."""
        self._take(line.encode())

    async def _pass_on(self, output: AsyncIterator[Output]) -> None:
        async for piece in output:
            if piece.lost_bytes:
                self._kept.skip(piece.lost_bytes)
                self._sink.output(b"\n[... %d bytes are not kept ...]\n" % piece.lost_bytes)
            self._take(piece.data)

    def _take(self, chunk: bytes) -> None:
        self._kept.add(chunk)
        self._sink.output(chunk)


def _ended(
    command: RunCommand, code: int | None, seconds: float, kept: KeptOutput, sandbox: Sandbox
) -> ToolResult:
    """The result of a command that ran; `code` is None where its time was over."""
    exit_code = TIMED_OUT_EXIT_CODE if code is None else code
    text = kept.text()
    cut, tokens = truncate_middle(
        text.head + text.tail, MODEL_OUTPUT_BYTES_MAX, gone_bytes=text.gone_bytes
    )
    lines = [f"Exit code: {exit_code}", f"Wall time: {seconds:.4f} seconds"]
    if tokens is not None:
        beyond = "more than " if kept.lost_bytes else ""
        lines.append(f"Total output lines: {beyond}{kept.lines()}")
    lines.append("Output:")
    if code is None:
        lines.append(f"command timed out after {command.timeout_ms} ms")
    hint = None if code is None else sandbox_hint(sandbox, code, cut)
    return ToolResult(
        status="completed" if exit_code == 0 else "failed",
        model_text="\n".join([*lines, cut, *([hint] if hint else [])]),
        output=text.for_screens(),
        exit_code=exit_code,
        duration_ms=round(seconds * 1000),
        output_bytes=kept.total_bytes,
        denied=None if code is None else denial_sign(sandbox, code, cut),
    )
