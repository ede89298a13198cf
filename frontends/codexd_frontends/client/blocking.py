"""The daemon for programs that wait for it: calls return when they are answered, notifications are iterated over. I/O.

    from codexd_frontends.client.blocking import connect

    with connect(start=True) as codexd:
        thread = codexd.start_thread(cwd="/src/project")
        for note in thread.run("Fix the failing test"):
            if note.method == "item/agentMessage/delta":
                print(note.params["delta"], end="")

Where the connection is lost, or the daemon restarts, it connects again, and followed threads go on where they were:
nothing of them is missed or comes twice. `with_trio` has the same for programs with several tasks.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar, overload

import msgspec

from codexd.machine.paths import default_paths
from codexd.machine.python_child import python_command
from codexd_frontends.client.client import (
    CALL_SECONDS_MAX,
    CONNECT_SECONDS_MAX,
    READ_BYTES,
    is_readable,
    open_socket,
)
from codexd_frontends.client.conversation import (
    RECONNECT_SECONDS_MAX,
    Answer,
    Notification,
    Question,
    begun_once,
    ends,
    read_notification,
    read_question,
    reconnect_pauses,
    resume_params,
    steer_params,
    turn_params,
)
from codexd_frontends.client.errors import ConnectionCut, Unreachable
from codexd_frontends.client.messages import RawPage, ThreadAnswer, TurnAnswer
from codexd_frontends.client.messages import Thread as ListedThread
from codexd_frontends.client.session import Cursor, Params, Session

T = TypeVar("T")


def connect(
    path: str | None = None,
    *,
    name: str = "python",
    start: bool = False,
    on_question: Callable[[Question], Answer] | None = None,
) -> Codexd:
    """A connection to the daemon that listens at `path`, by default the one of this environment's home.

    `name`: what the program calls itself in logs; `start`: whether to start a daemon where none runs; `on_question`:
    answers what the daemon asks in followed threads, as soon as it is read. Without it, or where it gives None, the
    question is left to other frontends.

    Raises:
        Unreachable: no daemon runs there, or it could not be started.
        Forbidden: the socket, or the process that listens there, is another user's.
        ConnectionCut: the daemon closed the connection, or did not answer.
    """
    return Codexd(path or str(default_paths().socket), name, start=start, on_question=on_question)


class Codexd:
    """A connection, and those after it."""

    def __init__(
        self,
        path: str,
        name: str,
        *,
        start: bool,
        on_question: Callable[[Question], Answer] | None,
    ) -> None:
        self._path, self._start, self._on_question = path, start, on_question
        self._session = Session(name)
        self._put_off: set[int | str] = set()  # questions that are answered here, or left to others
        self._socket = reached(path, start=start)
        try:
            self._session.begin()
            self._wait(lambda: self._session.is_greeted, CONNECT_SECONDS_MAX, "initialize")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Running turns go on."""
        self._socket.close()

    @overload
    def call(self, method: str, params: Params = ...) -> dict[str, Any]: ...
    @overload
    def call(self, method: str, params: Params, answer: type[T]) -> T: ...
    def call(
        self, method: str, params: Params | None = None, answer: type[Any] = dict[str, Any]
    ) -> Any:
        """Call a method, and give its result, as `answer` if a struct or another type is given.

        Raises:
            RequestRefused: the daemon answered with an error: its `code`, and `reason`, the `data.code`.
            ConnectionCut: there was no answer in a minute; or the daemon restarted, and whether it was carried out is
                not known. What only reads, or has an `idempotencyKey`, is asked again instead.
            Unreachable: the connection was lost, and there was no other in two minutes.
        """
        request_id = self._session.ask(method, params or {})
        self._wait(lambda: self._session.is_answered(request_id), CALL_SECONDS_MAX, method)
        message = self._session.take_answer(request_id)
        return msgspec.json.decode(message.result, type=answer)

    def start_thread(self, **params: object) -> Thread:
        """Start a thread and follow it; `params` are those of thread/start, such as `cwd` and `model`."""
        answer = self.call("thread/start", begun_once(params), ThreadAnswer)
        return Thread(self, answer.thread.id)

    def resume_thread(
        self, thread_id: str, after: Cursor | None = None, **params: object
    ) -> Thread:
        """Follow a thread from now on, or from a `Thread.cursor` that was kept."""
        self.call("thread/resume", resume_params(thread_id, after, params))
        return Thread(self, thread_id)

    def threads(self, **params: object) -> Iterator[ListedThread]:
        """The threads, the newest first, a page at a time; `params` are those of thread/list."""
        cursor: object = None
        while True:
            page = self.call("thread/list", {**params, "cursor": cursor}, RawPage)
            for raw in page.data:
                yield msgspec.json.decode(raw, type=ListedThread)
            if (cursor := page.next_cursor) is None:
                return

    def notifications(self, seconds: float | None = None) -> Iterator[Notification]:
        """What is told about the daemon and about threads that are not followed; ends after so long without any."""
        arrived = self._session.arrived
        while self._wait(lambda: bool(arrived), seconds):
            message = arrived.popleft()
            if not message.is_request:
                yield read_notification(message)

    def _wait(
        self, holds: Callable[[], bool], seconds: float | None, method: str | None = None
    ) -> bool:
        """Read until this holds; False, or for an answer ConnectionCut, after so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not holds():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                if method is None:
                    return False
                raise ConnectionCut(f"the daemon did not answer {method} within {seconds:g} s")
            self._step(left)
        return True

    def _step(self, seconds: float | None) -> None:
        """Send what is to be sent, and read once. A lost connection is made anew."""
        try:
            self._flush()
            if not is_readable(self._socket, seconds):
                return
            data = self._socket.recv(READ_BYTES)
        except OSError:
            data = b""
        if data:
            self._session.feed(data)
            self._answer_questions()
        else:
            self._connect_again()

    def _flush(self) -> None:
        if wire := self._session.outgoing():
            self._socket.sendall(wire)

    def _answer_questions(self) -> None:
        if self._on_question is None:
            return
        for position in self._session.threads.values():
            for message in list(position.questions.values()):
                question = read_question(message)
                if question.id in self._put_off:
                    continue
                self._put_off.add(question.id)
                answer = self._on_question(question)
                if answer is not None:
                    self._session.reply(question.id, question.result(answer))

    def _connect_again(self) -> None:
        """Raises: Unreachable, where it takes too long."""
        self._socket.close()
        self._session.cut()
        self._put_off.clear()
        deadline = time.monotonic() + RECONNECT_SECONDS_MAX
        for pause in reconnect_pauses():
            try:
                self._socket = reached(self._path, start=self._start and not is_stopped())
                break
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(pause)
        self._session.begin()


class Thread:
    """A thread that is followed."""

    def __init__(self, codexd: Codexd, thread_id: str) -> None:
        self.id, self._codexd = thread_id, codexd

    @property
    def cursor(self) -> Cursor:
        """Behind what `notifications` gave last: to be kept, and given to `resume_thread` by a later process."""
        return self._codexd._session.threads[self.id].taken

    def run(
        self, prompt: str | list[Mapping[str, object]], **params: object
    ) -> Iterator[Notification]:
        """Start a turn, and iterate over what is told in the thread until it has ended; that is told last."""
        turn_id = self.start_turn(prompt, **params)
        for note in self.notifications():
            yield note
            if ends(note, turn_id):
                return

    def start_turn(self, prompt: str | list[Mapping[str, object]], **params: object) -> str:
        """Start a turn, or queue it behind one that runs; its id. `params` are those of turn/start."""
        asked = turn_params(self.id, prompt, params)
        return self._codexd.call("turn/start", asked, TurnAnswer).turn.id

    def steer(self, turn_id: str, prompt: str) -> None:
        """Say something into a running turn."""
        self._codexd.call("turn/steer", steer_params(self.id, turn_id, prompt))

    def interrupt(self, turn_id: str) -> None:
        """End a running turn."""
        self._codexd.call("turn/interrupt", {"threadId": self.id, "turnId": turn_id})

    def notifications(self, seconds: float | None = None) -> Iterator[Notification]:
        """What is told in this thread, each once; ends after so long without any.

        Raises: CommandError, when the thread was deleted, or could not be followed on another connection.
        """
        while True:
            position = self._codexd._session.threads[self.id]
            if not self._codexd._wait(position.has_news, seconds):
                return
            yield read_notification(position.next())


def reached(path: str, *, start: bool) -> socket.socket:
    """A connection to the socket at `path`, of a daemon that is started if it does not run and may be.

    Raises: Unreachable, Forbidden.
    """
    try:
        return open_socket(path)
    except Unreachable:
        if not start:
            raise
    words = (*python_command("codexd_frontends.ctl"), "--socket", path, "start")
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise Unreachable(done.stderr.decode(errors="replace").strip().removeprefix("codexctl: "))
    return open_socket(path)


def is_stopped() -> bool:
    """Whether a person has stopped the daemon of this home, and nobody has started it since."""
    return default_paths().stopped_mark.exists()
