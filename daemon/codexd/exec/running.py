"""A process of the keeper, as the daemon sees it: what it knows of its output and end, and how it asks for more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Final, Literal

import trio

from codexd.exec.link import Link
from codexd.exec.ports import InputClosed, KeeperLost, Output
from codexd.keeper.plumbing import SERVER_ERRORS_BYTES_MAX, SPOOL_BYTES_MAX
from codexd.keeper.spool import note_read, read_spool

# Read and passed on at once; other tasks wait while it is searched for secrets.
CHUNK_BYTES_MAX: Final = 1 << 16
LOST: Final = "the keeper died, and the process with it: how it ended is not known"
_STREAMS: Final[tuple[Literal["stdout", "stderr"], ...]] = ("stdout", "stderr")


class KeptProcess:
    """What is known of a process, from the keeper's notes. It implements `Running`."""

    def __init__(
        self,
        process_id: str,
        pid: int,
        start_time: str,
        spools: list[int],
        link: Link,
        forgotten: Callable[[str], None],
    ) -> None:
        """`spools` are the files of its streams, which belong to this; `forgotten` is told of its release."""
        self.process_id, self.pid, self.start_time = process_id, pid, start_time
        self.exit_code: int | None = None
        self.spools = spools
        self.totals = [0] * len(spools)  # how much of each stream there is
        self.link, self.is_lost = link, False
        self.changes = trio.lowlevel.ParkingLot()
        self._forgotten, self._is_closed = forgotten, False
        self._milliseconds, self._told_at = 0, trio.current_time()

    def told(self, fields: list[bytes]) -> None:
        """The keeper says how it is: `state` in `wire.py`."""
        stdout, stderr, code, milliseconds = fields
        # An older note may come after the answer to `find`.
        now = (int(stdout), int(stderr))
        self.totals = [max(had, has) for had, has in zip(self.totals, now, strict=False)]
        if code:
            self.exit_code = int(code)
        self._milliseconds, self._told_at = int(milliseconds), trio.current_time()
        self.changes.unpark_all()

    def lost(self) -> None:
        """The keeper died."""
        self.is_lost = self.exit_code is None
        self.changes.unpark_all()

    def seconds(self) -> float:
        """How long it has run, or ran."""
        since = trio.current_time() - self._told_at if self.exit_code is None else 0.0
        return self._milliseconds / 1000 + since

    def output(self) -> Outputs:
        """Its output from the first byte to the end. Raises, at the end: KeeperLost."""
        return Outputs(self)

    async def wait(self) -> int:
        """Its exit code. Raises: KeeperLost."""
        while self.exit_code is None:
            if self.is_lost:
                raise KeeperLost(LOST)
            await self.changes.park()
        return self.exit_code

    async def write(self, data: bytes) -> None:
        """Raises: InputClosed, KeeperLost."""
        for begin in range(0, len(data), CHUNK_BYTES_MAX):
            piece = data[begin : begin + CHUNK_BYTES_MAX]
            (answer, *_), _ = await self.link.ask(b"write", self.process_id.encode(), piece)
            if answer != b"ok":
                raise InputClosed("the process takes no input (any more)")

    async def close_input(self) -> None:
        """Raises: KeeperLost."""
        await self.link.ask(b"close_input", self.process_id.encode())

    async def resize(self, rows: int, columns: int) -> None:
        """Raises: KeeperLost."""
        await self.link.ask(b"resize", self.process_id.encode(), b"%d" % rows, b"%d" % columns)

    async def end(self) -> None:
        """End all of it, and wait for that."""
        with contextlib.suppress(KeeperLost):
            await self.link.ask(b"end", self.process_id.encode(), b"")
            while self.exit_code is None and not self.is_lost:
                await self.changes.park()

    async def release(self) -> None:
        """Have the keeper forget it. It does not wait: whoever recorded the end may be cancelled by that already."""
        self.abandon()

    def abandon(self) -> None:
        """Have the keeper end and forget it."""
        if self._is_closed:
            return
        self.link.tell(b"forget", self.process_id.encode())
        self._forgotten(self.process_id)
        self.close()

    def close(self) -> None:
        """Its files are read no more."""
        self._is_closed = True
        for fd in self.spools:
            os.close(fd)
        self.spools, self.totals = [], []
        self.lost()


class Outputs:
    """Reads the output of a process from its files. A reader that is slow delays nobody."""

    def __init__(self, process: KeptProcess) -> None:
        self._process = process
        self._offsets = [0] * len(process.spools)
        self._has_waited = True

    def __aiter__(self) -> Outputs:
        return self

    async def __anext__(self) -> Output:
        process = self._process
        while True:
            output = self._next()
            if output is not None:
                if not self._has_waited:
                    await trio.lowlevel.checkpoint()  # Other tasks run also while output floods in.
                self._has_waited = False
                return output
            if process.exit_code is not None:
                raise StopAsyncIteration
            if process.is_lost:
                raise KeeperLost(LOST)
            await process.changes.park()
            self._has_waited = True

    def _next(self) -> Output | None:
        process = self._process
        for place, total in enumerate(process.totals):
            offset = self._offsets[place]
            if offset < total:
                spool = process.spools[place]
                lost, data = read_spool(spool, offset, total, SPOOL_BYTES_MAX, CHUNK_BYTES_MAX)
                if not data and not lost:
                    lost = total - offset  # The file is shorter than the keeper said.
                self._offsets[place] = offset + lost + len(data)
                note_read(spool, self._offsets[place], SPOOL_BYTES_MAX)
                return Output(_STREAMS[place], data, lost)
        return None


class KeptServer:
    """A server, whose pipes the daemon has. It implements `ServerProcess`."""

    def __init__(self, process: KeptProcess, input_fd: int, output_fd: int) -> None:
        self.input_fd, self.output_fd = input_fd, output_fd
        self.process_id, self.pid = process.process_id, process.pid
        self.start_time = process.start_time
        self._process = process

    def errors(self) -> str:
        """The end of what it wrote to stderr."""
        process, offset = self._process, 0
        pieces: list[bytes] = []
        while process.totals and offset < process.totals[0]:
            lost, data = read_spool(
                process.spools[0],
                offset,
                process.totals[0],
                SERVER_ERRORS_BYTES_MAX,
                CHUNK_BYTES_MAX,
            )
            if lost:
                pieces = []
            if not data and not lost:
                break
            pieces.append(data)
            offset += lost + len(data)
        return b"".join(pieces)[-SERVER_ERRORS_BYTES_MAX // 2 :].decode(errors="replace")

    async def wait(self) -> int:
        """Its exit code. Raises: KeeperLost."""
        return await self._process.wait()

    async def end(self) -> None:
        """End all of it; then the keeper forgets it."""
        await self._process.end()
        self._process.abandon()
