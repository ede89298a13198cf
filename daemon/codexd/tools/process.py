"""Runs a program to its end, and ends every process that it leaves.

    run_to_end(argv)  ->  exit code, the output chunk by chunk into a sink

The end is the leader's end: when the program itself has ended, its output is waited for a moment longer,
and its background processes are ended. The same happens when the call is cancelled: SIGTERM to
the whole session, `TERM_GRACE_SECONDS` to tidy up, SIGKILL. A timeout is the caller's: a cancel scope
with a deadline, whose output is in the sink.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec
import trio

from codexd.keeper.session import session_lives, signal_session, start_time
from codexd.machine.patience import NoAnswer, patiently
from codexd.machine.umask import umask_for_commands
from codexd.tools.registry import OutputSink

TERM_GRACE_SECONDS = 2  # what a program gets to tidy up before it is killed
KILL_SECONDS_MAX = 3  # a killed process that is not gone by then hangs in the kernel
OUTPUT_CLOSES_SECONDS = 0.05  # how long output is read after the leader's end
# Read at once, as much as a pipe holds; other tasks wait while it is searched for secrets.
CHUNK_BYTES_MAX = 1 << 16
_PIPE_BYTES = 1 << 18  # what the kernel buffers; a flood then needs a quarter of the wake-ups
_LOOK_SECONDS_MIN = 0.001  # between looks at a dying session, then doubled: most die at once
_LOOK_SECONDS_MAX = 0.05


class NotStarted(Exception):
    """The world's fault: no process came to be. The message is the system's reason."""


class NoFolder(NotStarted):
    """The same, because of its working folder; the message continues after the folder's name."""


class _Started(msgspec.Struct, frozen=True):
    process: subprocess.Popen[bytes]
    output_fd: int  # the reading end of the pipe that stdout and stderr share, not blocking

    @property
    def pid(self) -> int:
        return self.process.pid


async def run_to_end(
    argv: tuple[str, ...], *, cwd: str, env: Mapping[str, str], sink: OutputSink
) -> int:
    """Run it and return its exit code; 128 + n where signal n ended it.

    Input is empty. Output and errors come in one stream, in order.

    Raises:
        NotStarted: the folder is gone, the program is none, the machine is full.
    """
    await trio.lowlevel.checkpoint_if_cancelled()  # a call that is cancelled already starts nothing
    try:
        # The fork below blocks the event loop until the child is in its folder.
        await patiently(cwd, partial(_check_folder, cwd))
    except NoAnswer as error:
        raise NoFolder("does not answer") from error
    with _started(argv, cwd, env) as started:
        try:
            sink.started(started.pid, start_time(started.pid))
            code = await _follow(started, sink)
        finally:
            await _leave_nothing(started, sink)
    return code if code >= 0 else 128 - code


def _check_folder(cwd: str) -> None:
    if not os.path.isdir(cwd):
        raise NoFolder("does not exist (any more)")
    if not os.access(cwd, os.X_OK):
        raise NoFolder("may not be entered")


@contextlib.contextmanager
def _started(argv: tuple[str, ...], cwd: str, env: Mapping[str, str]) -> Iterator[_Started]:
    """Start the leader of a new session. Its pipe is closed on leaving.

    Called on the event loop: with neither `preexec_fn` nor a change of user, Popen starts by vfork and
    takes a millisecond; a thread would hold the interpreter lock for as long.
    """
    try:
        output_fd, write_fd = os.pipe()
    except OSError as error:
        raise NotStarted(error.strerror or str(error)) from error
    try:
        _make_ready(output_fd)
        yield _Started(_spawn(argv, cwd, env, write_fd), output_fd)
    finally:
        os.close(output_fd)


def _spawn(
    argv: tuple[str, ...], cwd: str, env: Mapping[str, str], write_fd: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=write_fd,
            stderr=write_fd,
            start_new_session=True,
            umask=umask_for_commands(),
        )
    except OSError as error:
        raise NotStarted(error.strerror or str(error)) from error
    except ValueError as error:  # a NUL, or what no encoding has, in a name or a value
        raise NotStarted(str(error)) from error
    finally:
        os.close(write_fd)


def _make_ready(output_fd: int) -> None:
    os.set_blocking(output_fd, False)
    if sys.platform == "linux":
        # Where the user's share of pipe memory is used up, the usual size does.
        with contextlib.suppress(OSError):
            fcntl.fcntl(output_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


async def _follow(started: _Started, sink: OutputSink) -> int:
    """Pass on output until the leader has ended and the output is closed, or should be."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_drain, started.output_fd, sink)
        code = await wait_exit(started.process)
        nursery.cancel_scope.deadline = trio.current_time() + OUTPUT_CLOSES_SECONDS
    return code


async def _leave_nothing(started: _Started, sink: OutputSink) -> None:
    """End what is left of the session, and pass on the last of its output."""
    if started.process.poll() is None or session_lives(started.pid):
        with _shielded():
            async with trio.open_nursery() as nursery:
                # Read on, or a process with more output would hang on a full pipe instead of ending.
                nursery.start_soon(_drain, started.output_fd, sink)
                with _shielded():  # also from a sink that fails
                    await _end_session(started)
                nursery.cancel_scope.cancel()
    _pass_on_rest(started.output_fd, sink)
    trio.lowlevel.notify_closing(started.output_fd)


def _shielded() -> trio.CancelScope:
    return trio.CancelScope(
        shield=True, deadline=trio.current_time() + TERM_GRACE_SECONDS + KILL_SECONDS_MAX
    )


async def _end_session(started: _Started) -> None:
    with trio.move_on_after(TERM_GRACE_SECONDS):
        signal_session(started.pid, signal.SIGTERM)
        await _wait_gone(started)
        return
    await _wait_gone(started, kill=True)


async def _wait_gone(started: _Started, *, kill: bool = False) -> None:
    pause = _LOOK_SECONDS_MIN
    while started.process.poll() is None or session_lives(started.pid):
        if kill:  # again each time: a process may have forked between the look and the signal
            signal_session(started.pid, signal.SIGKILL)
        await trio.sleep(pause)
        pause = min(2 * pause, _LOOK_SECONDS_MAX)


async def _drain(output_fd: int, sink: OutputSink) -> None:
    """Pass on output until no process has the pipe open for writing."""
    while True:
        try:
            chunk = os.read(output_fd, CHUNK_BYTES_MAX)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(output_fd)
            continue
        if not chunk:
            return
        sink.output(chunk)
        await trio.lowlevel.checkpoint()  # other tasks run also while output floods in


def _pass_on_rest(output_fd: int, sink: OutputSink) -> None:
    """The output that was written before the end but not read: at most a pipe's content."""
    rest_bytes = 0
    while rest_bytes < _PIPE_BYTES:
        try:
            chunk = os.read(output_fd, CHUNK_BYTES_MAX)
        except BlockingIOError:
            return
        if not chunk:
            return
        rest_bytes += len(chunk)
        sink.output(chunk)


# Where the system has no notification, and for the moment until it can be reaped.
_POLL_SECONDS = 0.002


async def wait_exit(process: subprocess.Popen[bytes]) -> int:
    """Sleep until the process has ended, and reap it. The code is negative for a signal, as in Popen."""
    if sys.platform == "linux":
        await _wait_pidfd(process.pid)
    elif sys.platform == "darwin":
        await _wait_kqueue(process.pid)
    while (code := process.poll()) is None:  # noqa: ASYNC110 - no task would set an event
        await trio.sleep(_POLL_SECONDS)
    return code


if sys.platform == "linux":

    async def _wait_pidfd(pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return  # a kernel before 5.3, or a filter that forbids it: the caller polls
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)


if sys.platform == "darwin":

    async def _wait_kqueue(pid: int) -> None:
        def event(flags: int) -> select.kevent:
            return select.kevent(
                pid, filter=select.KQ_FILTER_PROC, flags=flags, fflags=select.KQ_NOTE_EXIT
            )

        kqueue = trio.lowlevel.current_kqueue()
        try:
            kqueue.control([event(select.KQ_EV_ADD | select.KQ_EV_ONESHOT)], 0)
        except ProcessLookupError:
            return  # it has ended already

        def abort(_: object) -> trio.lowlevel.Abort:
            kqueue.control([event(select.KQ_EV_DELETE)], 0)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_kevent(pid, select.KQ_FILTER_PROC, abort)
