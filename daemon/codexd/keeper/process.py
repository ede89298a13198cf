"""One process that the keeper owns: its output, its input, its end.

The end is the leader's end: its output is waited for a moment longer, and what it left in the background is ended.
A request to end it ends all of it, also what left its session. SIGTERM, `TERM_GRACE_SECONDS` to tidy up, SIGKILL.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time

from codexd.keeper import session, spawn, tree
from codexd.keeper.spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Loop(Protocol):
        """Who calls a process when something is ready, as the keeper does."""

        def watch(self, fd: int, ready: Callable[[], None], *, writing: bool = False) -> None: ...
        def unwatch(self, fd: int) -> None: ...
        def changed(self, process: Process) -> None: ...
        def answer(self, number: bytes, *fields: bytes) -> None: ...
        def leaders(self) -> set[int]: ...


TERM_GRACE_SECONDS = 2.0  # what a program gets to tidy up before it is killed
# A program that has hardly begun may miss SIGTERM, which the sandbox around it ignores: it is sent again and again.
YOUNG_SECONDS, AGAIN_SECONDS = 1.0, 0.2
KILL_SECONDS_MAX = 3.0  # a killed process that is not gone by then hangs in the kernel
OUTPUT_CLOSES_SECONDS = 0.05  # how long output is read after the leader's end
FULL_DISK_SECONDS = 0.25  # between tries to write what a full disk did not take
LOOK_SECONDS = 0.01  # between looks at what is being ended; most of it is known by SIGCHLD
# A daemon that reads is waited for a moment, so that it gets all; one that is stuck holds no command up.
READER_SECONDS_MAX = 1.0
HELD_SECONDS = 0.002  # between looks whether it has read on
ARGV_BYTES_SHOWN = 4096
INPUT_WAITING_MAX = 64  # writes that wait for the process to read; a frontend has one
_PIPE_BYTES = (
    1 << 18
)  # what the kernel buffers of a flood; a flood then needs a quarter of the wake-ups
_buffer = memoryview(bytearray(_PIPE_BYTES))  # one for all: the keeper has one thread


class Stream:
    """The keeper's end of an output, and where it goes."""

    def __init__(self, fd: int, spool: Spool) -> None:
        self.fd, self.spool = fd, spool
        self.is_open = True
        self.waits = False  # for a full disk
        self.is_held = False  # for the daemon to read on
        self._reader: tuple[int | None, float] = (None, 0.0)  # how far it is, and since when
        self._is_wide = False

    def hold(self) -> bool:
        """Whether to read on only once the daemon has."""
        now, place = time.monotonic(), self.spool.unread_from(_PIPE_BYTES)
        if place is not None and place != self._reader[0]:
            self._reader = (place, now)
        self.is_held = place is not None and now - self._reader[1] < READER_SECONDS_MAX
        return self.is_held

    def read(self) -> bool:
        """Read what is there, as much as the buffer takes; whether there may be more."""
        if self.waits:
            return False
        try:
            count = os.readv(self.fd, [_buffer])
        except BlockingIOError:
            return False
        except OSError:  # EIO: no process has the terminal open any more
            count = 0
        if not count:
            self.is_open = False
            return False
        self.waits = not self.spool.write(_buffer[:count])
        if count >= 1 << 16 and not self._is_wide and sys.platform == "linux":
            self._is_wide = True
            # Where the user's share of pipe memory is used up, the usual size does.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return not self.waits


class Process:
    """A process from its start until it is forgotten."""

    def __init__(self, request: spawn.Request, loop: Loop) -> None:
        self.process_id, self.owner, self.cwd = request.process_id, request.owner, request.cwd
        self.argv = b"\0".join(request.argv)[:ARGV_BYTES_SHOWN]
        self.is_server = request.is_server
        self._loop, self._mark = loop, request.mark
        self.pid, self.start_time = 0, b""
        self.streams: list[Stream] = []
        self.input_fd: int | None = None
        self.has_terminal = False
        self._writes: list[tuple[bytes, memoryview]] = []  # request, what is left of it
        self.began = time.monotonic()
        self._ended_at: float | None = None  # the leader
        self.code: int | None = None  # of the leader
        self.is_gone = False  # and nothing of it is left
        self.forget = False  # once it is gone
        self.told_bytes = 0  # of its output, as the daemon was told of it last
        self.enders: list[bytes] = []  # requests to be answered then
        self.look_at: float | None = None  # when something is to be looked at, without an event
        self._closes_at = 0.0
        self._kill_at: float | None = None  # it is being ended
        self._again_at: float | None = None  # SIGTERM once more
        self._whole = False  # with what left its session

    @property
    def milliseconds(self) -> int:
        """How long it has run, or ran."""
        return int(((self._ended_at or time.monotonic()) - self.began) * 1000)

    @property
    def output_bytes(self) -> int:
        """How much it has printed, to all of its streams."""
        return sum([stream.spool.total_bytes for stream in self.streams])

    def started(self, pid: int, streams: list[Stream], input_fd: int | None) -> None:
        self.pid, self.streams, self.input_fd = pid, streams, input_fd
        self.start_time = session.start_time(pid).encode()
        for stream in streams:
            self._loop.watch(stream.fd, lambda stream=stream: self._readable(stream))  # type: ignore[misc]

    # Output

    def _readable(self, stream: Stream) -> None:
        if stream.hold():
            self._loop.unwatch(stream.fd)
            self.look_at = time.monotonic() + HELD_SECONDS
            return
        stream.read()
        self._loop.changed(self)
        if self._settle(stream):
            self.advance()

    def _settle(self, stream: Stream) -> bool:
        """After a read: whether that was the end of it."""
        if stream.waits:
            self._loop.unwatch(stream.fd)
            self.look_at = time.monotonic() + FULL_DISK_SECONDS
        elif not stream.is_open:
            self._close(stream)
            return True
        return False

    def _close(self, stream: Stream) -> None:
        stream.is_held = False
        self._loop.unwatch(stream.fd)
        os.close(stream.fd)
        stream.is_open, stream.fd = False, -1

    def _catch_up(self) -> bool:
        """Write what waits for the disk, and read on what was held; whether nothing waits."""
        for stream in self.streams:
            was_held = stream.is_held and stream.fd >= 0
            if stream.waits and stream.spool.catch_up():
                stream.waits, was_held = False, stream.fd >= 0
                self._loop.changed(self)
            if was_held and not stream.waits and not stream.hold():
                self._loop.watch(stream.fd, lambda stream=stream: self._readable(stream))  # type: ignore[misc]
        return not any(stream.waits for stream in self.streams)

    def _drain(self) -> None:
        """Read what was written before the end: at most a pipe's content."""
        for stream in self.streams:
            left = _PIPE_BYTES
            while stream.fd >= 0 and not stream.waits and left > 0:
                before = stream.spool.total_bytes
                if not stream.read():
                    break
                left -= stream.spool.total_bytes - before
            if stream.fd >= 0:
                self._settle(stream)
        self._loop.changed(self)

    # Input

    def write(self, number: bytes, data: bytes) -> None:
        """Have its input take this; the request is answered then."""
        if self.input_fd is None or len(self._writes) >= INPUT_WAITING_MAX:
            self._loop.answer(number, b"closed")
            return
        self._writes.append((number, memoryview(data)))
        if len(self._writes) == 1:
            self._loop.watch(self.input_fd, self._writable, writing=True)
            self._writable()

    def _writable(self) -> None:
        while self._writes and self.input_fd is not None:
            number, data = self._writes[0]
            try:
                count = os.write(self.input_fd, data)
            except BlockingIOError:
                return
            except OSError:  # EPIPE, EIO: it has closed its input
                self._close_input()
                return
            if count < len(data):
                self._writes[0] = number, data[count:]
            else:
                del self._writes[0]
                self._loop.answer(number, b"ok")
        if self.input_fd is not None:
            self._loop.unwatch(self.input_fd)

    def close_input(self) -> None:
        if self.has_terminal and self.input_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self.input_fd, b"\4")  # the end-of-file character
        else:
            self._close_input()

    def _close_input(self) -> None:
        if self.input_fd is not None:
            self._loop.unwatch(self.input_fd)
            os.close(self.input_fd)
            self.input_fd = None
        for number, _ in self._writes:
            self._loop.answer(number, b"closed")
        self._writes.clear()

    def resize(self, rows: int, columns: int) -> None:
        if self.has_terminal and self.streams[0].fd >= 0:
            with contextlib.suppress(OSError):
                spawn.resize(self.streams[0].fd, rows, columns)

    # Its end

    def exited(self, status: int) -> None:
        """The leader has ended, and was reaped."""
        code = os.waitstatus_to_exitcode(status)
        self.code = code if code >= 0 else 128 - code
        self._ended_at = time.monotonic()
        self._closes_at = self._ended_at + OUTPUT_CLOSES_SECONDS
        self._close_input()
        self._drain()
        self.advance()

    def end(self) -> None:
        """End all of it. Once all is gone the requests in `enders` are answered."""
        if not self.is_gone and not self._whole:
            self._whole = True
            self._begin_to_end()
        self.advance()

    def _begin_to_end(self) -> None:
        now = time.monotonic()
        if self._kill_at is None:
            self._kill_at = now + TERM_GRACE_SECONDS
        if now - self.began < YOUNG_SECONDS:
            self._again_at = now + AGAIN_SECONDS
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._is_left():
            session.signal_session(self.pid, number)
        if self._whole:
            for pid in tree.family(self.pid, self._mark):
                if session.session_of(pid) != self.pid:
                    tree.kill(pid, number)

    def advance(self) -> None:
        """Go on towards its end, as far as that is possible now."""
        now = time.monotonic()
        self.look_at = None
        if not self._catch_up():
            self.look_at = now + FULL_DISK_SECONDS
            if self._kill_at is None:
                return
        if any(stream.is_held for stream in self.streams):
            self.look_at = now + HELD_SECONDS
        if self.is_gone or (self.code is None and self._kill_at is None):
            return
        if self._kill_at is None:
            if now < self._closes_at and any(stream.is_open for stream in self.streams):
                self.look_at = self._closes_at
                return
            if self._is_left():
                self._begin_to_end()
        if self._is_over(now):
            self._gone()

    def _is_over(self, now: float) -> bool:
        if self._kill_at is None:
            return True
        if self._again_at is not None and now >= self._again_at:
            self._again_at = now + AGAIN_SECONDS
            self._signal(signal.SIGTERM)
        if now >= self._kill_at:  # again each time: a process may have forked meanwhile
            self._signal(signal.SIGKILL)
        if now < self._kill_at + KILL_SECONDS_MAX and (self._is_left() or self._is_family_left()):
            self.look_at = now + LOOK_SECONDS
            return False
        return True

    def _is_left(self) -> bool:
        """Whether something of its session is left."""
        if self.code is None:
            return True
        # All that it left has the keeper as its parent, or an ancestor that has.
        if sys.platform == "linux" and not any(map(tree.acts_on, self._orphans())):
            return False
        return session.session_lives(self.pid)

    def _orphans(self) -> set[int]:
        return tree.children() - self._loop.leaders()

    def _is_family_left(self) -> bool:
        if not self._whole or (sys.platform == "linux" and not self._orphans()):
            return False
        return bool(tree.family(self.pid, self._mark))

    def _gone(self) -> None:
        self._drain()
        # Who ended it does not wait for a full disk.
        if not (self.forget or self._whole) and not self._catch_up():
            self.look_at = time.monotonic() + FULL_DISK_SECONDS
            return
        for stream in self.streams:
            if stream.fd >= 0:
                self._close(stream)
        self._close_input()
        if self.code is None:
            self.code, self._ended_at = 128 + signal.SIGKILL, time.monotonic()
        self.is_gone = True
        self._loop.changed(self)

    def close(self) -> None:
        """It is forgotten: its output file goes."""
        for stream in self.streams:
            stream.spool.close()
