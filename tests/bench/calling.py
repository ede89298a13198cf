"""What a tool call costs in each sandbox mode, beside the same command started bare, in one run.

    PYTHONPATH=tests:tests/support python -m bench.calling [CALLS]

The real daemon with a scripted model that answers at once: a turn makes CALLS calls of a command that does nothing. The
time of a call goes from the model's answer to its next request; processor time is that of the daemon and of the keeper,
and leaves out the model, the client and the command. Linux.
"""

from __future__ import annotations

import operator
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import trio

from bench.scale import scaled
from bench.table import Table, clocked
from codexd.core.values.enforced import Sandbox
from codexd.core.values.settings import SandboxMode
from codexd.network.commands import WayOut
from codexd.sandbox.confinement import Confinement, Mechanism
from daemon_client import Client, connected
from daemon_house import Daemon, Home
from model_process import model_process

MODES: Final[tuple[SandboxMode, ...]] = ("danger-full-access", "read-only", "workspace-write")
# A turn each; the best of them, since whatever else runs on the machine only adds.
ROUNDS: Final = scaled(5, 1)
BARE: Final = scaled(40, 2)
MECHANISMS: Final[tuple[Mechanism, ...]] = ("bubblewrap", "namespaces", "landlock")
NOWHERE: Final = "/nowhere/proxy"  # the socket of a proxy that no command asks
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """The processor time of all threads of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def bare_seconds(confinement: Confinement, sandbox: Sandbox) -> float:
    """The time of the same command, confined in the same way, without a daemon; the best of many."""
    bare = (os.environ.get("SHELL", "/bin/sh"), "-c", "true")
    way = WayOut(NOWHERE) if sandbox.domains else WayOut()
    argv = way.around(bare, lambda inner: confinement(inner, sandbox))

    def run() -> None:
        os.waitpid(os.posix_spawnp(argv[0], argv, os.environ), 0)

    return min(clocked(run) for _ in range(BARE))


def measure_mechanisms(table: Table, folder: Path) -> None:
    """The rows of each mechanism that works here: the same command, without a daemon."""
    free = bare_seconds(_confinement(folder), Sandbox("danger-full-access", str(folder)))
    for mechanism in MECHANISMS:
        confinement = _confinement(folder, mechanism)
        for mode in confinement.active.modes:
            took = bare_seconds(confinement, Sandbox(mode, str(folder)))
            what = f"a bare command, {mechanism}, {mode}"
            table.add(what, _ms(took), f"free {_ms(free)}", found=f"+{_ms(took - free)}")
        if "workspace-write" in confinement.active.modes:
            took = bare_seconds(confinement, Sandbox("workspace-write", str(folder), domains=True))
            what = "… with the network as a list of domains"
            table.add(what, _ms(took), f"free {_ms(free)}", found=f"+{_ms(took - free)}")


def _confinement(folder: Path, only: Mechanism | None = None) -> Confinement:
    return Confinement([], folder.with_name("bare"), os.environ, only=only)


async def measure(daemon: Daemon, table: Table, calls: int) -> None:
    """The rows of each mode that the machine enforces."""
    home = daemon.home
    folder = home.root / "measured"
    folder.mkdir()
    measure_mechanisms(table, folder)
    confinement = _confinement(folder)
    enforced = (*confinement.active.modes, "danger-full-access")
    async with connected(home.socket) as client:
        await _turn(client, "danger-full-access", folder, 2)
        for mode in MODES:
            if mode in enforced:
                bare = bare_seconds(confinement, Sandbox(mode, str(folder)))
                await _measure_mode(daemon, client, table, mode, folder, calls, bare)


async def _measure_mode(
    daemon: Daemon,
    client: Client,
    table: Table,
    mode: SandboxMode,
    folder: Path,
    calls: int,
    bare: float,
) -> None:
    pids = {"the daemon": daemon.pid, "the keeper": daemon.home.keeper}
    rounds: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        before = [cpu_seconds(pid) for pid in pids.values()]
        took = await _turn(client, mode, folder, calls)
        after = [cpu_seconds(pid) for pid in pids.values()]
        used = list(map(operator.sub, after, before))
        rounds.append(tuple(seconds / calls for seconds in (took, *used)))
    took, *used = (min(column) for column in zip(*rounds, strict=True))
    table.add(f"a tool call, {mode}", _ms(took), f"bare {_ms(bare)}", found=f"+{_ms(took - bare)}")
    for name, seconds in zip(pids, used, strict=True):
        table.add(f"… the processor time of {name}", _ms(seconds))


async def _turn(client: Client, mode: SandboxMode, folder: Path, calls: int) -> float:
    """A turn of so many calls in a new thread: how long it took."""
    thread = await client.start_thread(sandbox=mode, cwd=str(folder), approvalPolicy="never")
    began = time.perf_counter()
    ended = await client.run_turn(thread, f"runs {calls} true")
    assert ended["status"] == "completed", ended
    took = time.perf_counter() - began
    client.notified.clear()
    return took


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def main() -> None:
    """Measure, and print the table for the page of figures."""
    calls = int(sys.argv[1]) if sys.argv[1:] else scaled(40, 3)
    table = Table()
    with Home() as home, model_process() as base_url:
        home.use_model(base_url)
        trio.run(measure, home.start_anew(), table, calls)
        shutil.rmtree(home.root / "bare")
    print()
    print(table.markdown())


if __name__ == "__main__":
    main()
