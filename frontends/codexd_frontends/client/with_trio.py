"""The daemon for programs with several tasks: as `blocking`, in trio. I/O.

    from codexd_frontends.client.with_trio import connect

    async with connect(start=True) as codexd:
        thread = await codexd.start_thread(cwd="/src/project")
        async for note in thread.run("Fix the failing test"):
            ...

No task of its own reads: of the tasks that wait for something, one reads for all. So nothing is read while nobody
waits, and a program that is slow slows the daemon's socket down instead of holding everything in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, overload

import msgspec
import trio

from codexd.machine.paths import default_paths
from codexd_frontends.client.blocking import is_stopped, reached
from codexd_frontends.client.client import CALL_SECONDS_MAX, CONNECT_SECONDS_MAX, READ_BYTES
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

# A request that is half written would spoil the connection, so it is written to its end, within this time.
SEND_SECONDS_MAX = 5.0

T = TypeVar("T")
OnQuestion = Callable[[Question], Awaitable[Answer]]


@asynccontextmanager
async def connect(
    path: str | None = None,
    *,
    name: str = "python",
    start: bool = False,
    on_question: OnQuestion | None = None,
) -> AsyncIterator[Codexd]:
    """A connection for as long as the context lasts; params and errors are those of `blocking.connect`.

    `on_question` runs in a task of its own for each question, which is cancelled when another frontend answers.
    """
    place = path or str(default_paths().socket)
    async with trio.open_nursery() as nursery:
        codexd = Codexd(place, name, nursery, start=start, on_question=on_question)
        try:
            await codexd._open()
            yield codexd
        finally:
            codexd._close()
            nursery.cancel_scope.cancel()


class Codexd:
    """A connection, and those after it. Any task may use it."""

    def __init__(
        self,
        path: str,
        name: str,
        nursery: trio.Nursery,
        *,
        start: bool,
        on_question: OnQuestion | None,
    ) -> None:
        self._path, self._start, self._on_question = path, start, on_question
        self._session = Session(name)
        self._asking = nursery  # of the questions, for as long as the connection is open
        self._asked: dict[int | str, trio.CancelScope] = {}
        self._stream: trio.SocketStream | None = None
        self._sending, self._reading, self._news = trio.Lock(), False, trio.Event()

    @overload
    async def call(self, method: str, params: Params = ...) -> dict[str, Any]: ...
    @overload
    async def call(self, method: str, params: Params, answer: type[T]) -> T: ...
    async def call(
        self, method: str, params: Params | None = None, answer: type[Any] = dict[str, Any]
    ) -> Any:
        """Call a method, and give its result. Raises: as `blocking.Codexd.call`."""
        request_id = self._session.ask(method, params or {})
        await self._flush()
        with trio.move_on_after(CALL_SECONDS_MAX) as limit:
            await self._wait(lambda: self._session.is_answered(request_id))
        if limit.cancelled_caught:
            raise ConnectionCut(f"the daemon did not answer {method} within {CALL_SECONDS_MAX:g} s")
        message = self._session.take_answer(request_id)
        return msgspec.json.decode(message.result, type=answer)

    async def start_thread(self, **params: object) -> Thread:
        """Start a thread and follow it; `params` are those of thread/start, such as `cwd` and `model`."""
        answer = await self.call("thread/start", begun_once(params), ThreadAnswer)
        return Thread(self, answer.thread.id)

    async def resume_thread(
        self, thread_id: str, after: Cursor | None = None, **params: object
    ) -> Thread:
        """Follow a thread from now on, or from a `Thread.cursor` that was kept."""
        await self.call("thread/resume", resume_params(thread_id, after, params))
        return Thread(self, thread_id)

    async def threads(self, **params: object) -> list[ListedThread]:
        """The threads, the newest first; `params` are those of thread/list."""
        found: list[ListedThread] = []
        cursor: object = None
        while True:
            page = await self.call("thread/list", {**params, "cursor": cursor}, RawPage)
            found += [msgspec.json.decode(raw, type=ListedThread) for raw in page.data]
            if (cursor := page.next_cursor) is None:
                return found

    def notifications(self) -> Told:
        """What is told about the daemon and about threads that are not followed."""
        return Told(self._next)

    async def _next(self) -> Notification:
        arrived = self._session.arrived
        while True:
            await self._wait(lambda: bool(arrived))
            message = arrived.popleft()
            if not message.is_request:
                return read_notification(message)

    async def _open(self) -> None:
        self._stream = await self._reached()
        self._session.begin()
        with trio.move_on_after(CONNECT_SECONDS_MAX):
            await self._wait(lambda: self._session.is_greeted)
        if not self._session.is_greeted:
            raise ConnectionCut(
                f"the daemon did not answer initialize within {CONNECT_SECONDS_MAX:g} s"
            )

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.socket.close()

    async def _reached(self) -> trio.SocketStream:
        def reach() -> Any:
            return reached(self._path, start=self._start and not is_stopped())

        connection = await trio.to_thread.run_sync(reach)
        return trio.SocketStream(trio.socket.from_stdlib_socket(connection))

    async def _wait(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds; read for all who wait, if nobody does."""
        while not holds():
            if self._reading:
                await self._news.wait()
                continue
            self._reading = True
            try:
                await self._step()
            finally:
                self._reading = False
                self._news.set()
                self._news = trio.Event()

    async def _step(self) -> None:
        """Send what is to be sent, and read once. A lost connection is made anew."""
        assert self._stream is not None
        data = b""
        try:
            await self._flush()
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if data:
            self._session.feed(bytes(data))
            self._ask_questions()
        else:
            await self._connect_again()

    async def _flush(self) -> None:
        """A connection that takes nothing is closed, which its reader sees."""
        assert self._stream is not None
        async with self._sending:
            wire = self._session.outgoing()
            if not wire:
                return
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SEND_SECONDS_MAX):
                try:
                    await self._stream.send_all(wire)
                    return
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
            self._stream.socket.close()

    def _ask_questions(self) -> None:
        """Begin to ask what is new, and stop where another frontend has answered."""
        if self._on_question is None:
            return
        positions = self._session.threads.values()
        opened = {id_: message for p in positions for id_, message in p.questions.items()}
        for request_id in self._asked.keys() - opened.keys():
            self._asked.pop(request_id).cancel()
        for request_id in opened.keys() - self._asked.keys():
            self._asked[request_id] = trio.CancelScope()
            self._asking.start_soon(self._ask, read_question(opened[request_id]))

    async def _ask(self, question: Question) -> None:
        assert self._on_question is not None
        with self._asked[question.id] as scope:
            answer = await self._on_question(question)
            if answer is not None and self._asked.get(question.id) is scope:
                self._session.reply(question.id, question.result(answer))
                await self._flush()

    async def _connect_again(self) -> None:
        """Raises: Unreachable, where it takes too long."""
        self._close()
        self._session.cut()
        for scope in self._asked.values():
            scope.cancel()
        self._asked.clear()
        deadline = trio.current_time() + RECONNECT_SECONDS_MAX
        for pause in reconnect_pauses():
            try:
                self._stream = await self._reached()
                break
            except Unreachable:
                if trio.current_time() > deadline:
                    raise
            await trio.sleep(pause)
        self._session.begin()


class Thread:
    """A thread that is followed."""

    def __init__(self, codexd: Codexd, thread_id: str) -> None:
        self.id, self._codexd = thread_id, codexd

    @property
    def cursor(self) -> Cursor:
        """Behind what `notifications` gave last: to be kept, and given to `resume_thread` by a later process."""
        return self._codexd._session.threads[self.id].taken

    def run(self, prompt: str | list[Mapping[str, object]], **params: object) -> Told:
        """Start a turn, and iterate over what is told in the thread until it has ended; that is told last."""
        turns: list[str] = []
        last: list[Notification] = []

        async def following() -> Notification:
            if last:
                raise StopAsyncIteration
            if not turns:
                turns.append(await self.start_turn(prompt, **params))
            note = await self._next()
            if ends(note, turns[0]):
                last.append(note)
            return note

        return Told(following)

    async def start_turn(self, prompt: str | list[Mapping[str, object]], **params: object) -> str:
        """Start a turn, or queue it behind one that runs; its id. `params` are those of turn/start."""
        asked = turn_params(self.id, prompt, params)
        return (await self._codexd.call("turn/start", asked, TurnAnswer)).turn.id

    async def steer(self, turn_id: str, prompt: str) -> None:
        """Say something into a running turn."""
        await self._codexd.call("turn/steer", steer_params(self.id, turn_id, prompt))

    async def interrupt(self, turn_id: str) -> None:
        """End a running turn."""
        await self._codexd.call("turn/interrupt", {"threadId": self.id, "turnId": turn_id})

    def notifications(self) -> Told:
        """What is told in this thread, each once.

        Raises: CommandError, when the thread was deleted, or could not be followed on another connection.
        """
        return Told(self._next)

    async def _next(self) -> Notification:
        position = self._codexd._session.threads[self.id]
        await self._codexd._wait(position.has_news)
        return read_notification(position.next())


class Told:
    """Notifications, to be iterated over. It may be left at any time: it has nothing to close, unlike a generator."""

    def __init__(self, following: Callable[[], Awaitable[Notification]]) -> None:
        self._following = following

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification:
        return await self._following()
