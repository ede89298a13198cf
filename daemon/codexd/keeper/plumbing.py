"""Starts a process with its pipes or its terminal, and the files that its output goes to."""

from __future__ import annotations

import os

from codexd.keeper import spawn
from codexd.keeper.process import Process, Stream
from codexd.keeper.spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codexd.keeper.process import Loop

# The middle of an output beyond this is lost, so that no command fills a disk.
SPOOL_BYTES_MAX = 64 << 20
# A person reads the end of what a server complained about.
SERVER_ERRORS_BYTES_MAX = 256 << 10
_DEVNULL = 0  # The keeper's own input is /dev/null.


class _Ends:
    """The descriptors of a process that is being started."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._ours: list[int] = []
        self._childs: list[int] = []
        self._spools: list[Spool] = []

    def pipe(self, *, child_reads: bool) -> tuple[int, int]:
        """A pipe: our end, which does not block, and the child's."""
        reads, writes = os.pipe()
        ours, childs = (writes, reads) if child_reads else (reads, writes)
        self._ours.append(ours)
        self._childs.append(childs)
        os.set_blocking(ours, False)
        return ours, childs

    def terminal(self, rows: int, columns: int) -> tuple[int, str]:
        """A terminal: our end, which does not block, and the path of the child's."""
        master, slave, path = spawn.open_terminal(rows, columns)
        self._ours.append(master)
        self._childs.append(slave)
        return master, path

    def again(self, fd: int) -> int:
        self._ours.append(os.dup(fd))
        return self._ours[-1]

    def spool(self, bytes_max: int) -> Spool:
        self._spools.append(Spool(self._folder, bytes_max))
        return self._spools[-1]

    def close_childs(self) -> None:
        for fd in self._childs:
            os.close(fd)

    def close_ours(self) -> None:
        for fd in self._ours:
            os.close(fd)
        for spool in self._spools:
            spool.close()


def start(request: spawn.Request, loop: Loop, folder: str) -> tuple[Process, tuple[int, ...]]:
    """Start a process; with it the ends of a server's pipes, which are the daemon's.

    Raises: spawn.Refused.
    """
    process, ends = Process(request, loop), _Ends(folder)
    is_started = False
    try:
        try:
            passed = _start(process, request, ends)
        except OSError as error:
            raise spawn.Refused("program", spawn.reason_of(error)) from error
        is_started = True
        return process, passed
    finally:
        ends.close_childs()
        if not is_started:
            ends.close_ours()


def _start(process: Process, request: spawn.Request, ends: _Ends) -> tuple[int, ...]:
    if request.is_server:
        input_fd, childs_input = ends.pipe(child_reads=True)
        output_fd, childs_output = ends.pipe(child_reads=False)
        errors = _stream(ends, SERVER_ERRORS_BYTES_MAX)
        pid = spawn.spawn(request, (childs_input, childs_output, errors[1]), None)
        process.started(pid, [errors[0]], None)
        return input_fd, output_fd
    if request.input == b"terminal":
        master, path = ends.terminal(request.rows, request.columns)
        stream, typed = Stream(master, ends.spool(SPOOL_BYTES_MAX)), ends.again(master)
        pid = spawn.spawn(request, None, path)
        process.has_terminal = True
        process.started(pid, [stream], typed)
        return ()
    pipe = ends.pipe(child_reads=True) if request.input == b"pipe" else None
    output, childs_output = _stream(ends, SPOOL_BYTES_MAX)
    streams, childs_errors = [output], childs_output
    if request.errors == b"apart":
        apart, childs_errors = _stream(ends, SPOOL_BYTES_MAX)
        streams.append(apart)
    childs_input = pipe[1] if pipe else _DEVNULL
    pid = spawn.spawn(request, (childs_input, childs_output, childs_errors), None)
    process.started(pid, streams, pipe[0] if pipe else None)
    return ()


def _stream(ends: _Ends, bytes_max: int) -> tuple[Stream, int]:
    """An output, and the child's end of its pipe."""
    ours, childs = ends.pipe(child_reads=False)
    return Stream(ours, ends.spool(bytes_max)), childs
