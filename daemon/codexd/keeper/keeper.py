"""The keeper's loop: the daemon's requests, the processes' output and end, and when the keeper itself ends.

One thread, which waits in one place. One daemon is connected at a time: a new connection replaces the one before.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import signal
import socket
import sys
import time

from codexd.keeper import plumbing, spawn, tree, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from codexd.keeper.process import Process

# Without a daemon and with nothing to own: a daemon that restarts is back by then, and another keeper starts in 20 ms.
IDLE_SECONDS_MAX = 2.0
# Without a daemon, with processes or results that nobody fetched: a build goes on over a night and a reboot of
# the service; what nobody has asked about for a day is not left running for ever.
ALONE_SECONDS_MAX = 24 * 3600.0
# After the daemon has gone a server sees the end of its input, and may end by itself.
SERVER_GRACE_SECONDS = 2.0
# Without a descriptor no connection is accepted; one is free again when a process has ended, say.
ACCEPT_AGAIN_SECONDS = 0.1
# A daemon that has so much to read is stuck; it connects again.
UNSENT_BYTES_MAX = 16 << 20
# <sys/un.h> and <sys/ucred.h> of macOS, which Python does not name.
_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES, _XUCRED_UID = 0, 1, 76, 4


class Keeper:
    """The owner of the processes of one home."""

    def __init__(self, listener: socket.socket, folder: str) -> None:
        """`folder` is where outputs go."""
        self._listener, self._folder = listener, folder
        self._selector = selectors.DefaultSelector()
        self._processes: dict[bytes, Process] = {}
        self._leaders: dict[int, Process] = {}  # by pid, until they are reaped
        self._changed: dict[Process, None] = {}
        self._daemon: socket.socket | None = None
        self._messages = wire.Messages()
        self._unsent = collections.deque[tuple[bytes, tuple[int, ...]]]()  # with descriptors
        self._unsent_bytes = 0
        self._alone_since = time.monotonic()
        self._servers_end_at: float | None = None
        self._is_stopping = False
        self._accepts_at: float | None = None  # None: it does
        self._reads_signals, self._signalled = os.pipe()
        self.watch(listener.fileno(), self._accept)
        self.watch(self._reads_signals, self._on_signal)

    def run(self) -> None:
        """Serve until there is nothing to keep."""
        os.set_blocking(self._reads_signals, False)
        os.set_blocking(self._signalled, False)
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        while not self._is_over():
            for key, _ in self._selector.select(self._patience()):
                if self._selector.get_map().get(key.fd) is key:  # no callback before has ended it
                    key.data()
            self._look()
            self._tell_changes()

    # For processes

    def watch(self, fd: int, ready: Callable[[], None], *, writing: bool = False) -> None:
        self._selector.register(
            fd, selectors.EVENT_WRITE if writing else selectors.EVENT_READ, ready
        )

    def unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def changed(self, process: Process) -> None:
        self._changed[process] = None

    def leaders(self) -> set[int]:
        return set(self._leaders)

    def answer(self, number: bytes, *fields: bytes, fds: tuple[int, ...] = ()) -> None:
        """Send a message, with copies of descriptors; it waits while the daemon does not read."""
        if self._daemon is None:
            return
        begins_to_wait = not self._unsent
        message = wire.pack(number, b"%d" % len(fds), *fields)
        self._unsent.append((message, tuple(map(os.dup, fds))))
        self._unsent_bytes += len(message)
        if not begins_to_wait:
            return
        self._send()
        if self._unsent:
            events = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(self._daemon, events, self._talk)

    def _send(self) -> None:
        """Send what waits, as far as the daemon's socket takes it."""
        assert self._daemon is not None
        try:
            while self._unsent:
                message, fds = self._unsent[0]
                sent = self._daemon.sendmsg([message], wire.fds_beside(fds))
                for fd in fds:
                    os.close(fd)
                self._unsent_bytes -= sent
                if sent < len(message):
                    self._unsent[0] = (message[sent:], ())
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            if self._unsent_bytes > UNSENT_BYTES_MAX:
                self._lose_daemon()
        except OSError:
            self._lose_daemon()

    # Events

    def _accept(self) -> None:
        try:
            daemon, _ = self._listener.accept()
        except (
            OSError
        ):  # gone again, or no descriptor is left: then it would be ready again at once
            self.unwatch(self._listener.fileno())
            self._accepts_at = time.monotonic() + ACCEPT_AGAIN_SECONDS
            return
        if peer_uid(daemon) != os.getuid():
            daemon.close()
            return
        self._lose_daemon()
        daemon.setblocking(False)
        self._daemon, self._messages = daemon, wire.Messages()
        self.watch(daemon.fileno(), self._talk)
        self._servers_end_at = (
            None if not self._servers() else time.monotonic() + SERVER_GRACE_SECONDS
        )
        self.answer(b"0", b"hello", wire.NAME, wire.VERSION, b"%d" % os.getpid())

    def _talk(self) -> None:
        """The daemon sent something, or reads again."""
        assert self._daemon is not None
        try:
            if self._unsent:
                self._send()
                if self._daemon is not None and not self._unsent:
                    self._selector.modify(self._daemon, selectors.EVENT_READ, self._talk)
            data = self._daemon.recv(wire.READ_BYTES_MAX) if self._daemon is not None else b""
            if not data:
                self._lose_daemon()
                return
            for message in self._messages.feed(data):
                self._ask(message)
        except BlockingIOError:
            pass
        except (OSError, wire.Malformed):
            self._lose_daemon()

    def _lose_daemon(self) -> None:
        if self._daemon is None:
            return
        self.unwatch(self._daemon.fileno())
        self._daemon.close()
        self._daemon = None
        for _, fds in self._unsent:
            for fd in fds:
                os.close(fd)
        self._unsent.clear()
        self._unsent_bytes = 0
        self._alone_since = time.monotonic()
        for process in self._processes.values():
            process.enders.clear()
        self._servers_end_at = self._alone_since + SERVER_GRACE_SECONDS

    def _on_signal(self) -> None:
        numbers = os.read(self._reads_signals, 512)
        if any(number != signal.SIGCHLD for number in numbers):
            self._stop()
        self._reap()

    def _reap(self) -> None:
        # All of them before any is told: what a sandbox leaves ends together with its leader, and is not looked for then.
        ended: list[tuple[Process, int]] = []
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                process = self._leaders.pop(pid, None)
                if process is not None:
                    ended.append((process, status))
        for process, status in ended:
            process.exited(status)
        for process in list(self._processes.values()):
            process.advance()  # An orphan's end may have been what it waited for.

    def _look(self) -> None:
        """See to what waits for a time."""
        now = time.monotonic()
        for process in list(self._processes.values()):
            if process.look_at is not None and process.look_at <= now:
                process.advance()
        if self._accepts_at is not None and self._accepts_at <= now:
            self._accepts_at = None
            self.watch(self._listener.fileno(), self._accept)
        if self._servers_end_at is not None and self._servers_end_at <= now:
            self._servers_end_at = None
            for process in self._servers():
                process.forget = True
                process.end()
        if self._daemon is None and now - self._alone_since >= ALONE_SECONDS_MAX:
            self._stop()

    def _tell_changes(self) -> None:
        for process in list(self._changed):
            if process.is_gone:
                for number in process.enders:
                    self.answer(number, b"ok")
                process.enders.clear()
            if self._unsent and not process.is_gone:
                continue  # The daemon reads slowly: it hears of all at once.
            del self._changed[process]
            if process.is_gone or process.told_bytes != process.output_bytes:
                process.told_bytes = process.output_bytes
                self.answer(b"0", b"state", process.process_id, *_state(process))
            if process.is_gone and (process.forget or process.is_server):
                self._forget(process)

    def _forget(self, process: Process) -> None:
        self._changed.pop(process, None)
        if self._processes.pop(process.process_id, None) is not None:
            process.close()

    def _patience(self) -> float | None:
        times = [
            process.look_at for process in self._processes.values() if process.look_at is not None
        ]
        times += [at for at in (self._servers_end_at, self._accepts_at) if at is not None]
        if self._daemon is None:
            alone = ALONE_SECONDS_MAX if self._has_something() else IDLE_SECONDS_MAX
            times.append(self._alone_since + alone)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _is_over(self) -> bool:
        if self._is_stopping:
            return not self._processes
        is_idle = self._daemon is None and time.monotonic() - self._alone_since >= IDLE_SECONDS_MAX
        return is_idle and not self._has_something()

    def _has_something(self) -> bool:
        # Also processes that daemonized, which belong to nobody any more.
        return bool(self._processes) or (sys.platform == "linux" and bool(tree.children()))

    def _servers(self) -> list[Process]:
        return [process for process in self._processes.values() if process.is_server]

    def _stop(self) -> None:
        """End everything, and then the keeper."""
        self._is_stopping = True
        for process in list(self._processes.values()):
            process.forget = True
            process.end()
            if process.is_gone:
                self.changed(process)

    # Requests

    def _ask(self, message: list[bytes]) -> None:
        try:
            number, verb, *fields = message
            if verb == b"start":
                self._start(number, fields)
            elif verb == b"owned":
                self.answer(number, b"ok", *_row_fields(self._processes.values()))
            elif verb != b"hello":  # Whether it can talk to this version is for the daemon to say.
                self._ask_process(number, verb, self._processes.get(fields[0]), fields[1:])
        except (ValueError, IndexError) as error:
            raise wire.Malformed(str(error)) from error

    def _start(self, number: bytes, fields: list[bytes]) -> None:
        request = spawn.Request(fields)
        try:
            before = self._processes.get(request.process_id)
            if before is not None and not before.forget:
                raise spawn.Refused("program", "another process has this id")
            if before is not None:  # It is being ended, and nobody asks for it any more.
                before.process_id += b"/%d" % before.pid
                self._processes[before.process_id] = before
            if self._is_stopping:
                raise spawn.Refused("program", "the keeper is stopping")
            process, passed = plumbing.start(request, self, self._folder)
        except spawn.Refused as refused:
            self.answer(number, refused.stage.encode(), str(refused).encode())
            return
        self._processes[process.process_id] = self._leaders[process.pid] = process
        spools = tuple(stream.spool.fd for stream in process.streams)
        self.answer(number, b"ok", b"%d" % process.pid, process.start_time, fds=passed + spools)
        for fd in passed:
            os.close(fd)

    def _ask_process(
        self, number: bytes, verb: bytes, process: Process | None, fields: list[bytes]
    ) -> None:
        if process is None:
            self.answer(number, b"none")
        elif verb == b"find":
            spools = tuple(stream.spool.fd for stream in process.streams)
            state = (b"%d" % process.pid, process.start_time, *_state(process))
            self.answer(number, b"ok", *state, fds=spools)
        elif verb == b"write":
            process.write(number, fields[0])
        elif verb == b"close_input":
            process.close_input()
            self.answer(number, b"ok")
        elif verb == b"resize":
            process.resize(int(fields[0]), int(fields[1]))
            self.answer(number, b"ok")
        elif verb == b"end":
            process.enders.append(number)
            self._end(process, forget=fields[0] == b"forget")
        elif verb == b"forget":
            self._end(process, forget=True)
        else:
            raise ValueError(f"expected a request, found {verb!r}")

    def _end(self, process: Process, *, forget: bool) -> None:
        if process.is_gone and forget:
            self._forget(process)
            return
        process.forget = process.forget or forget
        process.end()
        if process.is_gone:
            self.changed(process)  # so that the request is answered


def _state(process: Process) -> tuple[bytes, bytes, bytes, bytes]:
    totals = [b"%d" % stream.spool.total_bytes for stream in process.streams]
    code = b"%d" % process.code if process.is_gone and process.code is not None else b""
    return totals[0], totals[1] if totals[1:] else b"0", code, b"%d" % process.milliseconds


def _row_fields(processes: Iterable[Process]) -> list[bytes]:
    fields: list[bytes] = []
    for process in processes:
        *_, code, milliseconds = _state(process)
        fields += [process.process_id, process.owner, b"%d" % process.pid, process.start_time]
        fields += [process.argv, process.cwd, code, milliseconds]
    return fields


def peer_uid(sock: socket.socket) -> int:
    """The user of the process that connected (unix(7) SO_PEERCRED; on macOS LOCAL_PEERCRED, `struct xucred`)."""
    if sys.platform == "linux":
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[4:8], sys.byteorder)
    credentials = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)
    return int.from_bytes(credentials[_XUCRED_UID : _XUCRED_UID + 4], sys.byteorder)
