"""One session: a process at the keeper, and its output since the model was last given some."""

from __future__ import annotations

from typing import Final

import trio

from codexd.core.values.enforced import Sandbox
from codexd.core.values.tool_actions import ExecCommand, SessionCall
from codexd.exec.ports import InputClosed, KeeperLost, Output, Running
from codexd.tools.output import KeptOutput
from codexd.tools.registry import OutputSink

# A process that does not read takes some kilobytes; a caller gets its answer all the same.
WRITE_SECONDS_MAX: Final = 5.0


UNCONFINED: Final = Sandbox("danger-full-access", "/")


class InputFull(Exception):
    """The process did not take all that was written to it in time; some of it may have been taken."""


class OutputSince:
    """The output of a process from a place on, in bytes from its beginning."""

    def __init__(self, begin: int, position: int = 0) -> None:
        """`position` is where the pieces that come begin."""
        self.begin, self.kept, self._position = begin, KeptOutput(), position

    @property
    def end(self) -> int:
        return self._position

    def take(self, piece: Output) -> None:
        """The next piece; what of it lies before the place is not kept."""
        before, found_at = self._position, self._position + piece.lost_bytes
        lost = found_at - max(self.begin, before)
        if lost > 0:
            self.kept.skip(lost)
        self.kept.add(piece.data[max(0, self.begin - found_at) :])
        self._position = found_at + len(piece.data)


class Session:
    """A session that runs, or has just ended."""

    def __init__(
        self,
        action: ExecCommand,
        thread_id: str,
        of: SessionCall,
        running: Running,
        collected_bytes: int = 0,
        sandbox: Sandbox = UNCONFINED,
    ) -> None:
        """`collected_bytes`: how much of its output answers to the model had before this daemon."""
        self.action, self.thread_id, self.of, self.running = action, thread_id, of, running
        self.sandbox = sandbox
        self.ended = trio.Event()  # and all of its output is there
        self.exit_code: int | None = None  # None: it runs, or the keeper died and nobody knows
        self.ended_because: str | None = None  # if somebody ended it
        self.is_end_told = False  # by an answer, to the model
        self.collecting = trio.Lock()  # one answer at a time
        self._all, self._new = OutputSince(0), OutputSince(collected_bytes)

    @property
    def session_id(self) -> str:
        return self.action.session

    @property
    def output(self) -> KeptOutput:
        """Its output from the beginning."""
        return self._all.kept

    async def follow(self, sink: OutputSink) -> None:
        """Take its output and its end, and pass the output on."""
        try:
            async for piece in self.running.output():
                self._all.take(piece)
                self._new.take(piece)
                sink.output(piece.data)
            self.exit_code = await self.running.wait()
        except KeeperLost as lost:
            self.ended_because = str(lost)
        self.ended.set()

    def tell(self, line: str) -> None:
        """A line of the daemon's own, among what the model is given next."""
        for part in (self._all, self._new):
            part.kept.add(line.encode())

    async def wait(self, milliseconds: int) -> None:
        """Wait for its end, but not for longer."""
        with trio.move_on_after(milliseconds / 1000):
            await self.ended.wait()

    async def collect(self, recorded: int | None) -> tuple[KeptOutput, int]:
        """The output that the model was not given yet; and how much it has been given with this.

        `recorded` is how much answers in the log have; None: what was collected last is on its way there. An answer
        that was collected and never recorded is collected again.
        """
        if recorded is not None and recorded != self._new.begin:
            self._new = await self._again(recorded)
        new, end = self._new, self._all.end
        self._new = OutputSince(end, end)
        return new.kept, end

    async def _again(self, begin: int) -> OutputSince:
        found = OutputSince(begin)
        if not self._all.end:
            return found
        async for piece in self.running.output():
            found.take(piece)
            if found.end >= self._all.end:
                break
        return found

    async def write(self, data: bytes, seconds: float = WRITE_SECONDS_MAX) -> None:
        """Write to its terminal. Raises: InputClosed, InputFull."""
        if not self.action.tty:
            raise InputClosed("it has no terminal")
        try:
            with trio.fail_after(seconds):
                await self.running.write(data)
        except KeeperLost as lost:
            raise InputClosed(str(lost)) from lost
        except trio.TooSlowError as slow:
            raise InputFull from slow

    async def end(self, because: str) -> None:
        """End it with all that it started."""
        self.ended_because = because
        await self.running.end()
