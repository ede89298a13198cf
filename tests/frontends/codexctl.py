"""codexctl as a process on a home with a real daemon, and models beside it for tests that block."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, TypeVar

import msgspec
import trio

from codexd.models.scripted.scripts import Part, Reply
from codexd.models.scripted.server import ScriptedModel, scripted_model
from daemon_house import PATIENCE_SECONDS, Home
from forked import can_have, run
from paused_model import Held, HeldModel, held_model

from .fake_daemon import Json
from .terminal import Terminal

M = TypeVar("M", ScriptedModel, HeldModel)


class Ended(NamedTuple):
    """What a codexctl that has ended said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """The one document on stdout."""
        (read,) = self.lines
        return read

    @property
    def lines(self) -> list[Json]:
        """The JSON lines on stdout."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


def approve(home: Home, thread: str, *flags: str) -> Ended:
    """Look at the approval that a thread waits for, and answer that one."""
    seen = codexctl(home, "approve", thread, "--json")
    assert seen.code == 4, seen
    return codexctl(home, "approve", thread, seen.json["approvalId"], "--json", *flags)


def command(*words: str) -> list[str]:
    """How to start codexctl."""
    return [sys.executable, "-m", "codexd_frontends.ctl", *words]


def codexctl(home: Home, *words: str, stdin: str = "", **env: str) -> Ended:
    """Run codexctl to its end; nothing that it reads or writes is a terminal."""
    whole, given = home.env | env, stdin.encode()
    if can_have(whole):
        code, out, err = run("codexd_frontends.ctl", words, env=whole, cwd=home.work, given=given)
        return Ended(code, out.decode(), err.decode())
    done = subprocess.run(
        command(*words),
        check=False,
        env=whole,
        cwd=home.work,
        input=given,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def begin(home: Home, *words: str) -> subprocess.Popen[str]:
    """Start codexctl, to be used in a `with`; nothing that it writes is a terminal."""
    return subprocess.Popen(
        command(*words),
        env=home.env,
        cwd=home.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def terminal(home: Home, *words: str, **env: str) -> Terminal:
    """Run codexctl on a terminal."""
    return Terminal(*words, environ=home.env | env, cwd=str(home.work))


def new_thread(home: Home, prompt: str = "hello") -> str:
    """Send a prompt to a new thread; the id of it, once the turn is done."""
    sent = codexctl(home, "send", "--json", prompt)
    assert sent.code == 0, sent
    return str(sent.lines[0]["threadId"])


def told(child: subprocess.Popen[str], *, until: int | str | None) -> list[Json]:
    """What comes up to an answer, or a notification; one line for None."""
    assert child.stdout is not None
    said = [msgspec.json.decode(child.stdout.readline())]
    while until not in (said[-1].get("id"), said[-1].get("method")):
        said.append(msgspec.json.decode(child.stdout.readline()))
    return said


class Beside:
    """A model that runs in a thread of its own."""

    def __init__(self, model: ScriptedModel | HeldModel, token: trio.lowlevel.TrioToken) -> None:
        self.base_url = model.base_url
        self._model = model
        self._token = token

    @property
    def asked(self) -> list[bytes]:
        """The bodies of the requests that came."""
        if isinstance(self._model, HeldModel):
            return self._model.bodies
        return [request.body for request in self._model.requests]

    @property
    def headers(self) -> list[dict[str, str]]:
        """The headers of the requests that came, of a model that holds nothing."""
        assert isinstance(self._model, ScriptedModel)
        return [request.headers for request in self._model.requests]

    def wait_holding(self) -> None:
        """Wait until a reply stands still."""
        assert isinstance(self._model, HeldModel)
        self._wait(self._model.holding.wait)

    def wait_asked(self, times: int) -> None:
        """Wait until so many requests have come."""
        model = self._model
        wait = model.wait_asked if isinstance(model, HeldModel) else model.wait_requests
        self._wait(lambda: wait(times))

    def resume(self) -> None:
        """Go on with the reply that stands still."""
        assert isinstance(self._model, HeldModel)
        trio.from_thread.run_sync(self._model.resume, trio_token=self._token)

    def _wait(self, wait: Callable[[], Awaitable[object]]) -> None:
        async def bounded() -> None:
            with trio.fail_after(PATIENCE_SECONDS):
                await wait()

        trio.from_thread.run(bounded, trio_token=self._token)


@contextlib.contextmanager
def holding(*replies: Held | Part | Reply) -> Iterator[Beside]:
    """A model that gives these replies, and stops in those that are held."""
    with _beside(lambda: held_model(replies)) as model:
        yield model


@contextlib.contextmanager
def playing(*replies: Part | Reply) -> Iterator[Beside]:
    """A model that gives these replies; without any, what the lines of the prompts say."""
    with _beside(lambda: scripted_model(replies or None)) as model:
        yield model


@contextlib.contextmanager
def _beside(opened: Callable[[], AbstractAsyncContextManager[M]]) -> Iterator[Beside]:
    started = threading.Event()
    box: list[tuple[Beside, Callable[[], None]]] = []

    async def serve() -> None:
        over = trio.Event()
        async with opened() as model:
            token = trio.lowlevel.current_trio_token()
            box.append((Beside(model, token), lambda: token.run_sync_soon(over.set)))
            started.set()
            await over.wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    assert started.wait(PATIENCE_SECONDS)
    ((model, end),) = box
    try:
        yield model
    finally:
        end()
        thread.join(PATIENCE_SECONDS)
