"""A program that a client runs by itself, without a thread."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Literal

import msgspec
import trio

from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.exec.ports import Command, NotStarted, Processes, Running
from codexd.exec.programs import why_not_found
from codexd.machine.patience import NoAnswer, patiently
from codexd.tools.shell import CommandEnvironment, Confine, shell_argv


class OneOff(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asks for."""

    argv: tuple[str, ...]
    cwd: str  # absolute
    env: Mapping[str, str | None]  # beside the person's; None unsets
    sandbox: Sandbox
    must_confine: bool  # else it runs unconfined where nothing enforces the sandbox
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
        self, environment: CommandEnvironment, processes: Processes, confine: Confine, shell: str
    ) -> None:
        self._environment, self.processes, self._confine = environment, processes, confine
        self._shell = shell

    def argv_of_line(self, line: str) -> tuple[str, ...]:
        """How a shell line of the person is run."""
        return shell_argv(self._shell, line)

    async def start(self, asked: OneOff) -> Running:
        """Raises: NotStarted, KeeperLost."""
        variables = {**await self._environment.variables(""), **_TERMINAL}
        for name, value in asked.env.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        missing = await why_not_found(asked.argv[0], asked.cwd, variables)
        if missing is not None:
            raise NotStarted(missing)
        command = Command(
            process_id=f"exec-{secrets.token_hex(12)}",
            owner="",
            argv=await self._confined(asked),
            cwd=asked.cwd,
            env=variables,
            input=asked.input,
            errors="joined" if asked.input == "terminal" else "apart",
            rows=asked.rows,
            columns=asked.columns,
        )
        return await self.processes.start(command)

    async def _confined(self, asked: OneOff) -> tuple[str, ...]:
        try:
            return await patiently(asked.cwd, partial(self._confine, asked.argv, asked.sandbox))
        except NoAnswer as error:
            raise NotStarted(f"the directory {asked.cwd} does not answer") from error
        except CannotConfine as error:
            if asked.must_confine:
                raise NotStarted(str(error)) from error
            return asked.argv


# What a program may assume of the terminal that a client draws; Codex's.
_TERMINAL = {"TERM": "xterm-256color"}
