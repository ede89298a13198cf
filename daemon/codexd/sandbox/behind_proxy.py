"""A person's command in a sandbox whose network is a list of domains: this process is its proxy. I/O.

The command has the terminal, and its signals; this process waits for its end.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final

import trio

from codexd.config.domains import DomainList
from codexd.config.layers.stack import sources_here
from codexd.config.live import LiveConfig
from codexd.config.rule_files import RuleFiles
from codexd.context_files.agents_md import instruction_homes
from codexd.core.values.enforced import Sandbox
from codexd.core.values.tool_actions import ReachHost
from codexd.machine.owners import make_own_folder
from codexd.machine.paths import Paths, home_folder
from codexd.network.commands import CommandNetwork, WayOut
from codexd.network.dial import system_outside

Argv = tuple[str, ...]

# Those that a terminal sends go to the command as well; a shell that waits sends the others to this process only.
_OF_THE_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT)
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
_NOBODY: Final = "`codexctl sandbox` asks nobody about it"


def run_behind_proxy(
    argv: Argv,
    sandbox: Sandbox,
    confine: Callable[[Argv, Sandbox], Argv],
    paths: Paths,
    env: Mapping[str, str],
) -> int:
    """Run a command to its end; its exit code, as shells have it. Raises: OSError, CannotConfine."""
    home = home_folder(env)
    rules = RuleFiles(instruction_homes(paths, env), home)
    domains = DomainList(LiveConfig(paths.config_file, sources_here(env)), rules)
    make_own_folder(paths.runtime_dir)
    # Not the daemon's, which it sweeps when it starts.
    folder = paths.runtime_dir / "sandbox"
    network = CommandNetwork(folder, domains.current, system_outside())
    way = network.way_out(secrets.token_hex(8), sandbox)
    # Before anything is served: what cannot be confined is not run.
    confined = way.around(argv, lambda inner: confine(inner, sandbox))
    code: int = trio.run(_to_end, network, way, confined, {**env, **way.variables}, sandbox.folder)
    return code


async def _to_end(
    network: CommandNetwork, way: WayOut, confined: Argv, env: Mapping[str, str], cwd: str
) -> int:
    async with network.open(way, _ask, _tell):
        # By the main thread: a sandbox ends with the thread that has begun it.
        command = subprocess.Popen(confined, env=env, cwd=cwd)  # noqa: ASYNC220
        for number in _OF_THE_TERMINAL:
            signal.signal(number, lambda *_: None)
        for number in _PASSED_ON:
            signal.signal(number, lambda number, _: command.send_signal(number))
        ended = os.pidfd_open(command.pid)
        try:
            await trio.lowlevel.wait_readable(ended)
        finally:
            os.close(ended)
        code = command.wait()
    return 128 - code if code < 0 else code


def _tell(line: str) -> None:
    sys.stderr.write(line)


async def _ask(_: ReachHost) -> str | None:
    return _NOBODY
