"""python -m codexd_frontends.demo: one real turn, from a prompt to the log, in a home of its own. I/O.

Where a script answers, it also does a task: in a folder of its own, in the sandbox, without a question.
The law: it ends what it starts, or names what it cannot end. Home and folder stay, so that they can be read.
"""

from __future__ import annotations

import argparse
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from codexd.machine.python_child import python_command
from codexd.protocol.codexd_methods import ProviderFindLocalResponse
from codexd.protocol.display.visible import visible_prose
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.follow_turn import OnScreen, RunningTurn
from codexd_frontends.cli.start import daemon_log_path, default_socket_path, log_tail, start
from codexd_frontends.cli.watch import Interrupts, Watch
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import (
    BadConfig,
    CommandError,
    RequestRefused,
    Unreachable,
    UsageError,
)
from codexd_frontends.client.exits import DONE, FAILED
from codexd_frontends.client.follow import Followed, all_records, server_status
from codexd_frontends.client.messages import ThreadAnswer, TurnAnswer
from codexd_frontends.client.process import stop_process, wait_gone
from codexd_frontends.commands.log import record_line
from codexd_frontends.screen.drawn import indented, last_look, one_line
from codexd_frontends.screen.render import TerminalScreen

PROMPT = "Which system is this? Call your shell tool with `uname -sr`, then say it in one sentence."
# It begins as the scripted model knows it (models/scripted/task.py in the daemon).
TASK = (
    "Make a package that greets people, with a test. Run the test, break the package on purpose, run the test again, "
    "and mend it by a patch."
)
MODE = "workspace-write"
# The script answers at once; a real model may think, and load first.
TURN_SECONDS_MAX = 120.0
SCRIPT_STARTS_SECONDS_MAX = 8.0
STOP_SECONDS_MAX = 5.0
RECORDS_SHOWN = 6
# A script has no window; this is that of a usual model.
SCRIPTED_CONFIG = """\
model_context_window = 272_000

[model_providers.scripted]
base_url = "http://127.0.0.1:{port}/v1"
"""
NO_REAL_MODEL = (
    "no $OPENAI_API_KEY, and no model server on this machine: so a script answers, over HTTP"
)


def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m codexd_frontends.demo",
        description="One real turn, from a prompt to the log.",
    )
    parser.add_argument("--home", type=Path, help="the CODEXD_HOME to use (default: a new folder)")
    parser.add_argument("--scripted", action="store_true", help="do not look for a real model")
    arguments = parser.parse_args(argv)
    home: Path = arguments.home or Path(tempfile.mkdtemp(prefix="codexd-demo-"))
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The daemon that we start, and all that asks for its places, is to find this home.
    os.environ["CODEXD_HOME"] = str(home.absolute())
    os.environ.pop("CODEXD_SOCKET", None)
    try:
        return _demonstrate(home, scripted_only=arguments.scripted)
    except (Unreachable, BadConfig) as trouble:  # These have the end of the daemon's log in them.
        print(f"\nThe demo failed: {indented(str(trouble))}", file=sys.stderr)
        return FAILED.number
    except CommandError as trouble:
        print(f"\nThe demo failed: {indented(str(trouble))}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nThe demo was stopped.", file=sys.stderr)
    print("The end of the daemon's log:", file=sys.stderr)
    print(visible_prose(log_tail(daemon_log_path())), file=sys.stderr)
    return FAILED.number


def _demonstrate(home: Path, *, scripted_only: bool) -> int:
    _say(f"home    {home}")
    config = home / "config.toml"
    try:
        config.touch(exist_ok=False)
    except OSError as error:
        raise UsageError(
            f"expected a home without a config.toml, found {home} ({error.strerror}); nothing was changed"
        ) from error
    with _daemon() as daemon, _model(daemon, config, scripted_only=scripted_only) as choice:
        _say(f"model   {one_line(choice.model or 'the default one of openai')}: {choice.why}")
        done = _one_turn(daemon, choice) and (
            choice.provider != "scripted" or do_task(daemon, choice)
        )
    if done:
        _say(f"\nThe daemon has ended; its home stays. Look around with\n  {_again(home)}")
        return DONE.number
    raise CommandError("the turn did not come to a good end")


def _again(home: Path) -> str:
    return f"CODEXD_HOME={shlex.quote(str(home))} {shlex.join(python_command('codexd_frontends.ctl'))} list"


def _one_turn(daemon: Daemon, choice: ModelChoice) -> bool:
    """Start a thread, run a turn in it, and show where it is kept."""
    # The demo's own command is harmless: no questions.
    params = {"cwd": os.getcwd(), "approvalPolicy": "never", **choice.params()}
    thread = daemon.call("thread/start", params, ThreadAnswer).thread
    _say(f"thread  {thread.id}\n")
    is_done = _turn(daemon, thread.id, PROMPT)
    _show_log(daemon, thread.id, thread.path)
    return is_done


def do_task(daemon: Daemon, choice: ModelChoice) -> bool:
    """Have the scripted model do a task in a folder of its own, with the policy that asks when it must."""
    folder, status = tempfile.mkdtemp(prefix="codexd-demo-task-"), server_status(daemon)
    _say(f"\ntask    {folder}")
    params = {"cwd": folder, "sandbox": MODE, "approvalPolicy": "on-request"}
    if status.sandbox and MODE in status.sandbox_modes:
        _say(f"sandbox {MODE}, by {one_line(status.sandbox)}: a person is asked for anything more")
    else:
        missing = "; ".join(map(one_line, status.sandbox_missing))
        _say(f"sandbox none, since this machine has nothing that could enforce one: {missing}.")
        _say("        The script's own commands run without one here.")
        params |= {"sandbox": "danger-full-access", "approvalPolicy": "never"}
    thread = daemon.call("thread/start", params | choice.params(), ThreadAnswer).thread
    _say(f"thread  {thread.id}\n")
    is_done = _turn(daemon, thread.id, TASK)
    if is_done:
        _say("\nThe task was done, and nobody was asked.")
    return is_done


def _turn(daemon: Daemon, thread_id: str, prompt: str) -> bool:
    """Run a turn and show it; whether it came to a good end."""
    console = Console(socket_path=default_socket_path())
    shows = OnScreen(console, TerminalScreen(answer=console.out_style))
    params = {"threadId": thread_id, "input": [{"type": "text", "text": prompt}]}
    turn = daemon.call("turn/start", params, TurnAnswer).turn
    running = RunningTurn(daemon, Followed(thread_id), turn.id, console, shows)
    with Interrupts() as interrupts:
        ended = running.follow(Watch(interrupts), seconds=TURN_SECONDS_MAX)
    return ended.exit is DONE


def _show_log(daemon: Daemon, thread_id: str, path: str | None) -> None:
    style = Console(socket_path=default_socket_path()).out_style
    records = list(all_records(daemon, thread_id))
    _say(
        f"\nlog     {one_line(path or '')}\n        {len(records)} records, the first {RECORDS_SHOWN}:"
    )
    for raw in records[:RECORDS_SHOWN]:
        _say(record_line(raw, style))


@contextmanager
def _daemon() -> Iterator[Daemon]:
    """A daemon of our own, and its end."""
    began = time.monotonic()
    with start(default_socket_path()) as daemon:
        pid = server_status(daemon).pid
        try:
            _say(f"daemon  process {pid}, up after {time.monotonic() - began:.1f} s")
            yield daemon
        finally:
            if not stop_process(pid, seconds=STOP_SECONDS_MAX):
                stop_process(pid, seconds=STOP_SECONDS_MAX)
            if not wait_gone(pid, 0):
                _say(f"The daemon, process {pid}, has not ended: `kill {pid}` ends it.")


class ModelChoice(NamedTuple):
    """A model, and the reason for it; None: the default one."""

    why: str
    model: str | None = None
    provider: str | None = None

    def params(self) -> dict[str, str]:
        """The model as `thread/start` takes it."""
        if self.model is None or self.provider is None:
            return {}
        return {"model": self.model, "modelProvider": self.provider}


def choose_model(daemon: Daemon, environ: Mapping[str, str]) -> ModelChoice | None:
    """The real model to use: that of a key, else one on this machine; None if there is none."""
    if environ.get("OPENAI_API_KEY"):
        return ModelChoice("$OPENAI_API_KEY is set")
    try:
        found = daemon.call("provider/findLocal", {}, ProviderFindLocalResponse)
    except RequestRefused:
        return None
    why = f"{one_line(found.name)} answers at {one_line(found.base_url)}"
    return ModelChoice(why, found.model, found.model_provider)


@contextmanager
def _model(daemon: Daemon, config: Path, *, scripted_only: bool) -> Iterator[ModelChoice]:
    """A model that answers: a real model if there is one, else the script, started and ended here."""
    choice = None if scripted_only else choose_model(daemon, os.environ)
    if choice is not None:
        yield choice
        return
    # It ends when its stdin does: also when we are killed.
    process = subprocess.Popen(
        [*python_command("codexd.models.scripted"), "--port", "0", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            config.write_text(SCRIPTED_CONFIG.format(port=_port_of(process)))
            yield ModelChoice(NO_REAL_MODEL, "scripted", "scripted")
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _port_of(process: subprocess.Popen[bytes]) -> int:
    """The port that the scripted model prints when it listens. Raises: Unreachable."""
    stdout = process.stdout
    if stdout is None or not select.select([stdout], [], [], SCRIPT_STARTS_SECONDS_MAX)[0]:
        raise Unreachable(
            f"the scripted model was started and said nothing within {SCRIPT_STARTS_SECONDS_MAX:g} s"
        )
    line = stdout.readline()
    if not line.strip().isdigit():
        raise Unreachable(f"the scripted model was to print its port, and printed {line[:80]!r}")
    return int(line)


def _say(line: str) -> None:
    print(last_look(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
