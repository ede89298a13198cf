"""A program that a client runs by itself, without a thread."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal, TypeVar

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.exec.ports import Command, KeeperLost, NoFolder, NotStarted, Processes, Running
from codexd.exec.programs import why_not_found
from codexd.machine.patience import NoAnswer, patiently
from codexd.network.commands import NO_LISTS, CommandNetwork, WayOut
from codexd.tools.registry import nobody_to_ask
from codexd.tools.shell import shell_argv
from codexd.tools.surroundings import CommandEnvironment, Confine

T = TypeVar("T")


class OneOff(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asks for."""

    argv: tuple[str, ...]
    cwd: str  # absolute
    env: Mapping[str, str | None]  # beside the person's; None unsets
    sandbox: Sandbox
    # Else it runs unconfined where nothing enforces the sandbox: a person has allowed that, and the client names none.
    must_confine: bool
    input: Literal["none", "pipe", "terminal"]
    rows: int
    columns: int


class NamedCommand:
    """A program that its client has given a name, from the request on."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._is_abandoned = False
        self._known = trio.Event()  # whether it was started

    def started(self, running: Running | None) -> None:
        """It runs; or could not be started."""
        self._running = running
        self._known.set()
        if self._is_abandoned:
            self.abandon()

    async def running(self) -> Running | None:
        """The process, as soon as it is there; None if it could not be started."""
        await self._known.wait()
        return self._running

    def abandon(self) -> None:
        """End it: its client is gone."""
        self._is_abandoned = True
        if self._running is not None:
            self._running.abandon()


class OneOffCommands:
    """Starts such programs, with the person's environment."""

    def __init__(
        self,
        environment: CommandEnvironment,
        processes: Processes,
        confine: Confine,
        shell: str,
        network: CommandNetwork = NO_LISTS,
    ) -> None:
        self._environment, self.processes, self._confine = environment, processes, confine
        self._shell, self._network = shell, network

    def argv_of_line(self, line: str) -> tuple[str, ...]:
        """How a shell line of the person is run."""
        return shell_argv(self._shell, line)

    async def run(
        self, asked: OneOff, use: Callable[[Running], Awaitable[T]], tell: Callable[[str], None]
    ) -> T:
        """Start it, give it to `use`, and end it. `tell` gets lines of its proxy's, for those who watch it.

        Raises: NotStarted, KeeperLost.
        """
        name = f"exec-{secrets.token_hex(12)}"
        way = self._network.way_out(name, asked.sandbox)
        try:
            async with self._network.open(way, nobody_to_ask, tell):
                # What is raised within would come out in a group.
                try:
                    running = await self._start(name, asked, way)
                    try:
                        return await use(running)
                    finally:
                        running.abandon()
                except (NotStarted, KeeperLost) as error:
                    problem = error
        except OSError as error:
            raise NotStarted(f"the socket of its proxy could not be made: {error}") from error
        raise problem

    async def _start(self, process_id: str, asked: OneOff, way: WayOut) -> Running:
        variables = {**await self._environment.variables(""), **_TERMINAL, **way.variables}
        for name, value in asked.env.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        missing = await why_not_found(asked.argv[0], asked.cwd, variables)
        if missing is not None:
            raise NotStarted(missing)
        command = Command(
            process_id=process_id,
            owner="",
            argv=await self._confined(asked, way, variables.get("TMPDIR", "")),
            cwd=asked.cwd,
            env=variables,
            input=asked.input,
            errors="joined" if asked.input == "terminal" else "apart",
            rows=asked.rows,
            columns=asked.columns,
        )
        try:
            return await self.processes.start(command)
        except KeeperLost as lost:
            raise NotStarted(str(lost)) from lost

    async def _confined(self, asked: OneOff, way: WayOut, temporary: str) -> tuple[str, ...]:
        sandbox = replace(asked.sandbox, temporary=temporary)
        confine = partial(way.around, asked.argv, lambda inner: self._confine(inner, sandbox))
        try:
            return await patiently(asked.cwd, confine)
        except NoAnswer as error:
            raise NoFolder("does not answer") from error
        except CannotConfine as error:
            if asked.must_confine:
                raise NotStarted(str(error)) from error
            return asked.argv


# What a program may assume of the terminal that a client draws; Codex's.
_TERMINAL = {"TERM": "xterm-256color"}
