"""A connection to the daemon: blocking, one JSON value a line over its Unix socket. I/O.

The law: no message of the daemon is lost or reordered. While `call` waits for its answer, other
messages are kept, in order, for `receive`.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import msgspec

from codexd.machine.paths import SOCKET_PATH_BYTES_MAX
from codexd_frontends.client.errors import ConnectionCut, Forbidden, Unreachable
from codexd_frontends.client.messages import Message, RequestId
from codexd_frontends.client.session import Params, Session, may_be_repeated, version_advice

# A request that takes longer has been lost; the slowest, reading a thread of many turns, takes seconds.
CALL_SECONDS_MAX = 60.0
# A call that takes longer shows the person the reason.
SLOW_SECONDS = 2.0
# Connecting to a socket of this machine takes microseconds, unless the daemon hangs.
CONNECT_SECONDS_MAX = 5.0
# One read of a burst of deltas: as much as the kernel keeps for a Unix socket by default.
READ_BYTES = 1 << 18
FRONTEND = "codexctl"  # what it calls itself

T = TypeVar("T")

Heard = Callable[[Message], bool]  # returns whether the message was for this receiver


class Daemon:
    """A connection that has been initialized."""

    def __init__(
        self, connection: socket.socket, frontend: str = FRONTEND, *, observes: bool = False
    ) -> None:
        self._socket = connection
        self._session = Session(frontend, follows=False, observes=observes)
        self.when_slow: Callable[[], None] | None = None  # called once in a call that takes long
        # Brings another connection where this one is cut. None: what this one follows would be lost with it.
        self.connect_again: Callable[[], Daemon] | None = None
        self.slow_seconds = SLOW_SECONDS

    @classmethod
    def connect(cls, path: str, *, frontend: str = FRONTEND, observes: bool = False) -> Self:
        """Connect to the daemon that listens at `path`; one that observes is asked nothing.

        Raises:
            Unreachable: no process listens there.
            Forbidden: the socket, or the process that listens there, is another user's.
            ConnectionCut: the daemon closed the connection, or did not answer.
        """
        daemon = cls(open_socket(path), frontend, observes=observes)
        try:
            daemon._greet()
        except BaseException:
            daemon.close()
            raise
        return daemon

    @property
    def version(self) -> str:
        """The daemon's."""
        return self._session.version

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The variables whose values a turn may bring along, for requests to providers."""
        return self._session.key_variables

    def _greet(self) -> None:
        self._session.begin()
        self._flush()
        deadline = time.monotonic() + CONNECT_SECONDS_MAX
        while not self._session.is_greeted:
            if not self._read(max(0.0, deadline - time.monotonic())):
                raise ConnectionCut(
                    f"the daemon did not answer initialize within {CONNECT_SECONDS_MAX:g} s"
                )

    def adopt(self, other: Daemon) -> None:
        """Go on over another's connection, which is this one's from here on. Answers of the old one are lost."""
        self._socket.close()
        self._socket, self._session = other._socket, other._session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Running turns go on."""
        self._socket.close()

    def fileno(self) -> int:
        """For selectors: readable when something came."""
        return self._socket.fileno()

    def call(
        self,
        method: str,
        params: Params,
        answer: type[T],
        *,
        seconds: float = CALL_SECONDS_MAX,
        heard: Heard | None = None,
    ) -> T:
        """Ask, and wait for the answer; `heard` is shown what comes meanwhile, and may take it.

        Raises:
            Refused: the daemon answered with an error.
            ConnectionCut: it went away, or did not answer in `seconds`.
        """
        message = self.call_raw(method, params, seconds=seconds, heard=heard)
        try:
            return msgspec.json.decode(message.result, type=answer)
        except msgspec.DecodeError as error:
            raise ConnectionCut(
                f"the daemon's answer to {method} cannot be read: {error}{version_advice(self.version)}"
            ) from error

    def call_raw(
        self,
        method: str,
        params: Params,
        *,
        seconds: float = CALL_SECONDS_MAX,
        heard: Heard | None = None,
    ) -> Message:
        """Ask, and wait for the answer as it comes. Raises: as `call`.

        Where the daemon restarts meanwhile, it is asked again, if that cannot be carried out twice.
        """
        while True:
            try:
                return self._call(method, params, seconds, heard)
            except ConnectionCut:
                if self.connect_again is None or not may_be_repeated(method, params):
                    raise
                self.adopt(self.connect_again())

    def _call(self, method: str, params: Params, seconds: float, heard: Heard | None) -> Message:
        request_id = self._session.ask(method, params)
        self._flush()
        asked, is_slow = time.monotonic(), seconds <= self.slow_seconds
        while not self._session.is_answered(request_id):
            waits = seconds if is_slow else self.slow_seconds
            if not self._read(max(0.0, asked + waits - time.monotonic())):
                if is_slow:
                    raise ConnectionCut(f"the daemon did not answer {method} within {seconds:g} s")
                is_slow = True
                if self.when_slow is not None:
                    self.when_slow()
            if heard is not None:
                arrived = list(self._session.arrived)
                self._session.arrived.clear()
                self._session.arrived += [waiting for waiting in arrived if not heard(waiting)]
        return self._session.take_answer(request_id)

    def pages(
        self, method: str, params: Params, page: type[T], *, by: str = "cursor"
    ) -> Iterator[T]:
        """The pages of a list, each requested when the page before is used; `by`: the member with the next cursor."""
        place: object = params.get(by)
        while True:
            answer = self.call(method, {**params, by: place}, page)
            yield answer
            place = getattr(answer, f"next_{by}")
            if place is None:
                return

    def post(self, method: str, params: Params) -> None:
        """Send a request and do not wait: its result is seen in notifications. Raises: ConnectionCut."""
        self._session.post(method, params)
        self._flush()

    def answer(self, request_id: RequestId, result: Params) -> None:
        """Answer a request of the daemon's. Raises: ConnectionCut."""
        self._session.reply(request_id, result)
        self._flush()

    @property
    def has_heard(self) -> bool:
        """Whether a notification or request came with what was read already."""
        return bool(self._session.arrived)

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next notification or request; None if none came in `seconds`. Raises: ConnectionCut."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._session.arrived:
            left = None if deadline is None else deadline - time.monotonic()
            if not self._read(left):
                return None
        return self._session.arrived.popleft()

    def receive_nowait(self) -> Message | None:
        """The next notification or request that is already here, read from the socket or not."""
        return self.receive(0)

    def _flush(self) -> None:
        try:
            self._socket.sendall(self._session.outgoing())
        except TimeoutError as error:
            raise ConnectionCut("the daemon does not read what it is sent") from error
        except OSError as error:
            raise ConnectionCut(f"the connection to the daemon was cut: {error}") from error

    def _read(self, seconds: float | None) -> bool:
        """Read once and sort what came; False if nothing came in `seconds`."""
        if not is_readable(self._socket, seconds):
            return False
        try:
            data = self._socket.recv(READ_BYTES)
        except OSError as error:
            raise ConnectionCut(f"the connection to the daemon was cut: {error}") from error
        if not data:
            raise ConnectionCut("the daemon closed the connection")
        self._session.feed(data)
        return True


def is_readable(connection: socket.socket, seconds: float | None) -> bool:
    """Wait for so long; whether something came, or the end of the connection."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0, seconds) * 1000))


def open_socket(path: str) -> socket.socket:
    """A bare connection to the socket at `path`. Raises: as `Daemon.connect`, but for ConnectionCut."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_SECONDS_MAX)
        connection.connect(_short(path))
        _refuse_strangers(connection, path)
        connection.settimeout(CALL_SECONDS_MAX)
    except PermissionError as error:
        connection.close()
        raise Forbidden(f"the socket {path} may not be used: {error.strerror}") from error
    except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError) as error:
        connection.close()
        raise Unreachable(f"no daemon is running at {path}") from error
    except OSError as error:
        connection.close()
        # A daemon makes it a link to a short one.
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise Unreachable(f"no daemon is running at {path}") from error
        raise Unreachable(f"the daemon at {path} cannot be reached: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _short(path: str) -> str:
    """Where a socket really is: one with a long path is a symlink to a short one."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX and os.path.islink(path):
        return os.readlink(path)
    return path


def _refuse_strangers(connection: socket.socket, path: str) -> None:
    """A prompt goes to our own daemon only. macOS has no SO_PEERCRED: there the 0700 folder says it."""
    if sys.platform != "linux":
        return
    ucred = struct.Struct("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size)
    uid = ucred.unpack(raw)[1]
    if uid != os.getuid():
        raise Forbidden(f"the daemon at {path} runs as user {uid}, not as {os.getuid()}")
