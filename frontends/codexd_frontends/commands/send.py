"""codexctl send: one prompt, its turn streamed, and an exit code that says how the turn ended."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX, ProviderFindLocalResponse
from codexd_frontends.bridge.overriding import settings_of
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.follow_turn import AsJson, OnScreen, RunningTurn, turn_screen
from codexd_frontends.cli.start import connect, is_stopped, reconnect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.cli.utf8 import text_of
from codexd_frontends.cli.watch import InputLines, Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import ConnectionCut, UsageError
from codexd_frontends.client.exits import Exit
from codexd_frontends.client.follow import Followed, begun_thread
from codexd_frontends.client.messages import ShellAnswer, ThreadAnswer, TurnAnswer
from codexd_frontends.client.passed_env import passed_variables, session_of_turn
from codexd_frontends.exec.settings import ignored_settings
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.images import Part, image_parts, input_of
from codexd_frontends.screen.numbers import summary_line
from codexd_frontends.screen.reasoning import Thoughts, wanted_thoughts

# Where the daemon ends each time, something is wrong with it.
STARTS_MAX = 3
# More than any model reads; a file given by mistake is refused before it is sent.
PROMPT_BYTES_MAX = 16 << 20


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Send a prompt and follow its turn."""
    word = read_prompt(arguments.prompt)
    if arguments.shell and arguments.images:
        raise UsageError("expected no image beside a shell line, found one; nothing was run")
    prompt = input_of(image_parts(arguments.images), word)
    with connect(console) as daemon, Interrupts() as interrupts:
        if arguments.oss or arguments.local_provider:
            find_local(daemon, arguments, console)
        thoughts: Thoughts = (
            "none" if console.json else wanted_thoughts(daemon, arguments.reasoning)
        )
        client_id = str(uuid.uuid4())
        with _attached(daemon, arguments, _settings(arguments, console)) as followed:
            if arguments.shell:
                turn_id = _run(daemon, followed, word)
            else:
                turn_id = _insist(
                    daemon,
                    console,
                    followed,
                    interrupts,
                    lambda: _start_turn(daemon, followed, prompt, client_id, arguments),
                )
        if console.json:
            console.document({"threadId": followed.thread_id, "turnId": turn_id})
        turn = RunningTurn(
            daemon,
            followed,
            turn_id,
            console,
            _shows(console, followed, client_id, thoughts, beside=arguments.shell),
        )
        lines = InputLines(sys.stdin.fileno()) if console.may_ask else None
        ended = turn.follow(Watch(interrupts, lines))
    if console.json:
        console.document(ended.members())
    elif turn.used is not None and ended.turn is not None:
        console.talk(console.talk_style.dim(summary_line(turn.used)))
    return ended.exit


def _insist(
    daemon: Daemon,
    console: Console,
    followed: Followed,
    interrupts: Interrupts,
    start: Callable[[], str],
) -> str:
    """Start the turn, again over another connection where this one is cut: its key lets it begin only once."""
    for _ in range(STARTS_MAX - 1):
        try:
            return start()
        except ConnectionCut:
            stays = not is_stopped(console.socket_path)
            begin = partial(followed.attach, again=True)
            if not stays or not reconnect(daemon, console, Watch(interrupts), begin):
                raise
    return start()


def read_prompt(word: str) -> str:
    """The prompt: the argument itself, or stdin for `-`. Raises: UsageError."""
    if word == "-":
        read = sys.stdin.buffer.read(PROMPT_BYTES_MAX + 1)
        if len(read) > PROMPT_BYTES_MAX:
            raise UsageError(
                f"the prompt on stdin is longer than {PROMPT_BYTES_MAX} bytes; nothing was sent"
            )
        word = text_of(read, "the prompt on stdin")
    if not word.strip():
        raise UsageError("the prompt is empty; nothing was sent")
    if len(word) > INPUT_CHARACTERS_MAX:  # Said here, before a thread is started for it.
        raise UsageError(
            f"expected a prompt of at most {INPUT_CHARACTERS_MAX} characters, found {len(word)}; nothing was sent"
        )
    return word


def find_local(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> None:
    """Have the daemon look for a provider on this machine, and use it. Raises: RequestRefused, none answers."""
    params = _given(provider=arguments.local_provider, model=arguments.model)
    found = daemon.call("provider/findLocal", params, ProviderFindLocalResponse)
    said = f"{found.model}, {found.name} at {found.base_url}"
    console.talk(console.talk_style.dim(one_line(said)))
    arguments.provider, arguments.model = found.model_provider, found.model


def _given(**params: object) -> dict[str, object]:
    """The params that the command line has."""
    return {name: value for name, value in params.items() if value}


def _settings(arguments: argparse.Namespace, console: Console) -> dict[str, object]:
    """The params of `-c`. A key that only config.toml can set is named, since the daemon ignores it."""
    settings = settings_of(arguments.settings, [], [])
    for said in ignored_settings(settings):
        console.talk(f"warning: {said}")
    return _given(config=settings)


def _attached(
    daemon: Daemon, arguments: argparse.Namespace, settings: dict[str, object]
) -> AbstractContextManager[Followed]:
    """The thread to send to, started or resumed."""
    provider = _given(modelProvider=arguments.provider, model=arguments.model)
    if arguments.thread is None and not arguments.last:
        policy = _given(approvalPolicy=arguments.approval_policy, sandbox=arguments.sandbox)
        begun = {"cwd": directory(arguments.cwd or "."), **provider, **policy, **settings}
        return begun_thread(daemon, begun)
    followed = Followed(find_thread_id(daemon, None if arguments.last else arguments.thread))
    if arguments.provider or arguments.sandbox or settings:
        changed = _given(sandbox=arguments.sandbox) | (provider if arguments.provider else {})
        changed |= settings
        params = {"threadId": followed.thread_id, "excludeTurns": True, **changed}
        daemon.call("thread/resume", params, ThreadAnswer)
    followed.attach(daemon)
    return nullcontext(followed)


def directory(path: str) -> str:
    """The absolute path of a directory. Raises: UsageError: there is none."""
    absolute = os.path.abspath(path)
    if not os.path.isdir(absolute):
        raise UsageError(f"{one_line(absolute)} is no directory; nothing was sent")
    return absolute


def _start_turn(
    daemon: Daemon,
    followed: Followed,
    prompt: list[Part],
    client_id: str,
    arguments: argparse.Namespace,
) -> str:
    """Start the turn, with what the command line overrides; returns its id."""
    params: dict[str, object] = {
        "threadId": followed.thread_id,
        "input": prompt,
        "clientUserMessageId": client_id,
        "idempotencyKey": client_id,
        **session_of_turn(daemon.key_variables),
    }
    if arguments.cwd:
        params["cwd"] = directory(arguments.cwd)
    params |= _given(
        model=arguments.model,
        effort=arguments.effort,
        summary=arguments.summary,
        verbosity=arguments.verbosity,
        approvalPolicy=arguments.approval_policy,
    )
    return daemon.call("turn/start", params, TurnAnswer).turn.id


def _run(daemon: Daemon, followed: Followed, line: str) -> str:
    """Run a command of the person; returns the turn that has it."""
    params = {
        "threadId": followed.thread_id,
        "command": line,
        "updateEnvironment": passed_variables(),
        "idempotencyKey": str(uuid.uuid4()),
    }
    return daemon.call("thread/shellCommand", params, ShellAnswer).turn_id


def _shows(
    console: Console, followed: Followed, client_id: str, thoughts: Thoughts, *, beside: bool
) -> OnScreen | AsJson:
    """`beside`: a turn that runs is not waited for."""
    if console.json:
        return AsJson(console)
    console.talk(console.talk_style.dim(f"thread {followed.thread_id}"))
    if followed.was_active and not beside:
        console.talk("codexctl: another turn runs in this thread; the prompt waits for its end")
    screen = turn_screen(console, thoughts)
    screen.hide_own(client_id)
    return OnScreen(console, screen)
