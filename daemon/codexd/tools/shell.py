"""The tool `shell_command`: a shell line, run to its end.

    Shell.read_call(arguments)  ->  RunCommand   (pure)
    Shell.perform(RunCommand)  ->  ToolResult

A command's failure is an answer to the model: a folder that is gone, a shell that does not
start, a time that is over. Only cancelling ends a call without a result.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final, Literal, Protocol

import msgspec
from msgspec.structs import replace

from codexd.core.decide.effect_reports import RESTARTED
from codexd.core.rules.wide_prefixes import prefix_problem
from codexd.core.state.state import ThreadState
from codexd.core.values.enforced import CannotConfine, Sandbox
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import (
    ApplyPatch,
    BadCall,
    ExecCommand,
    PersonCommand,
    RunCommand,
    ToolResult,
)
from codexd.exec.ports import (
    Command,
    KeeperLost,
    NoFolder,
    NotStarted,
    Processes,
    Running,
)
from codexd.exec.programs import why_not_found
from codexd.network.commands import NO_LISTS, CommandNetwork, WayOut
from codexd.tools.apply_patch import patch_in
from codexd.tools.following import KEEPER_LOST, Following
from codexd.tools.guarded import guarded
from codexd.tools.registry import ENVIRONMENT, CallContext, CallSink, read_arguments
from codexd.tools.surroundings import CommandEnvironment, Confine, surrounded, unconfined

TOOL_NAME = "shell_command"
TIMEOUT_MS_DEFAULT = 120_000  # most builds and test runs; the model can ask for more
TIMEOUT_MS_MAX = 3_600_000  # an hour: no person waits longer for one command
JUSTIFICATION_CHARACTERS_MAX = 1000  # a paragraph; a question shows one line of it
WORKDIR_BYTES_MAX = 4096  # no system call takes a longer path
NOT_STARTED_EXIT_CODE = -1
NOT_FOUND_EXIT_CODE = 127  # as shells have it


class Follower(Protocol):
    """Follows the process of a call to its end."""

    async def result(self, process: Running) -> ToolResult:
        """Its result."""

    def tell(self, line: str) -> None:
        """A line of the daemon's own among the output."""


class Gets(msgspec.Struct, frozen=True):
    """What a command gets beside what all commands get."""

    terminal: bool = False  # for its input and its output
    variables: Mapping[str, str] = MappingProxyType({})  # whatever the person's are


NOTHING_ELSE: Final = Gets()


class Asked(msgspec.Struct, frozen=True):
    """The model's arguments, but for the command; unknown members are ignored."""

    workdir: str | None = None
    timeout_ms: float | None = None
    sandbox_permissions: Literal["use_default", "require_escalated"] | None = None
    justification: str | None = None
    prefix_rule: tuple[str, ...] | None = None

    @property
    def problem(self) -> str | None:
        """Why they cannot be used; None if they can."""
        if "\0" in (self.workdir or ""):
            return "a directory can't hold a NUL character"
        if len(os.fsencode(self.workdir or "")) > WORKDIR_BYTES_MAX:
            return f"`workdir` is longer than {WORKDIR_BYTES_MAX} bytes"
        if self.timeout_ms is not None and self.timeout_ms < 1:
            return f"`timeout_ms` must be at least 1, found {self.timeout_ms:g}"
        return None

    def run(self, command: str, argv: tuple[str, ...], cwd: str) -> RunCommand:
        """The command with these arguments."""
        return RunCommand(
            command=command,
            argv=argv,
            cwd=cwd,
            timeout_ms=int(min(self.timeout_ms or TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX)),
            escalated=self.sandbox_permissions == "require_escalated",
            justification=(self.justification or "").strip()[:JUSTIFICATION_CHARACTERS_MAX] or None,
            prefix_rule=proposed_prefix(self.prefix_rule),
        )


class _Arguments(Asked, frozen=True, kw_only=True):
    command: str


def properties_of_commands() -> dict[str, object]:
    """The schemas of the arguments that all tools for commands have, but for the command and its time."""
    return {name: schema for name, schema in _PROPERTIES.items() if name != "timeout_ms"}


def parameters(command: dict[str, object]) -> dict[str, object]:
    """The parameters of a tool that runs commands, with this schema of its command."""
    return {
        "type": "object",
        "properties": {"command": command, **_PROPERTIES},
        "required": ["command"],
        "additionalProperties": False,
    }


_PROPERTIES = {
    "workdir": {
        "type": "string",
        "description": "The directory to run it in; the working directory of the conversation if "
        "left out. Use this instead of `cd`.",
    },
    "timeout_ms": {
        "type": "number",
        "description": f"After how many milliseconds it is ended; {TIMEOUT_MS_DEFAULT} if left out, "
        f"{TIMEOUT_MS_MAX} at most.",
    },
    "sandbox_permissions": {
        "type": "string",
        "enum": ["use_default", "require_escalated"],
        "description": "`require_escalated` to run it outside of the sandbox, where it needs to.",
    },
    "justification": {
        "type": "string",
        "description": "With `require_escalated`: one sentence that asks the user to allow it.",
    },
    "prefix_rule": {
        "type": "array",
        "items": {"type": "string"},
        "description": "With `require_escalated`: the first words of the command, which the user may allow "
        'for all later commands that begin with them; for example ["git", "pull"].',
    },
}

DECLARATION = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Runs a shell command to its end and returns its exit code and its output "
        "(stdout and stderr together). It gets no input, and what it leaves in the background is ended "
        "with it.",
        "strict": False,
        "parameters": parameters(
            {"type": "string", "description": "The shell line to run in the user's shell."}
        ),
    }
)


class Shell:
    """The tool, for one user's shell."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "shell_tool"})

    def __init__(
        self,
        environment: CommandEnvironment,
        shell: str,
        processes: Processes,
        confine: Confine = unconfined,
        network: CommandNetwork = NO_LISTS,
        of_person: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        """`shell` is the path of a shell that reads POSIX shell; `of_person` has the environment of a person's own
        command, by its id, as far as `environment` was asked for its variables.
        """
        self._environment, self._of_person = environment, of_person or environment.known
        self.shell = shell
        self._processes = processes
        self._confine, self._network = confine, network

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to models that write shell lines, and do not keep them running."""
        in_sessions = traits.sessions and thread.reviews is None
        return None if traits.argv_shell or in_sessions else DECLARATION

    def read_call(self, arguments: str, context: CallContext) -> RunCommand | ApplyPatch | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        if not asked.command.strip():
            return _bad("`command` is empty")
        if "\0" in asked.command:
            return _bad("a command can't hold a NUL character")
        if asked.problem is not None:
            return _bad(asked.problem)
        return self.read_line(asked.command, asked, context)

    def read_line(
        self, line: str, asked: Asked, context: CallContext
    ) -> RunCommand | ApplyPatch | BadCall:
        """A shell line with its other arguments, which have no problem."""
        cwd = str(PurePosixPath(context.cwd, asked.workdir or ""))
        patch = patch_in(line, replace(context, cwd=cwd))
        return asked.run(line, shell_argv(self.shell, line), cwd) if patch is None else patch

    async def perform(self, action: RunCommand, context: CallContext, sink: CallSink) -> ToolResult:
        return await self.follow(
            action, context, sink, Following(action, sandbox_for(action, context), sink)
        )

    async def follow(
        self,
        action: RunCommand,
        context: CallContext,
        sink: CallSink,
        following: Follower,
        gets: Gets = NOTHING_ELSE,
    ) -> ToolResult:
        """Start the command of a call, or adopt it, and follow it; or say why it was not run."""
        sandbox = sandbox_for(action, context)
        way = self._network.way_out(context.process_id, sandbox)
        try:
            async with self._network.open(way, context.ask_host, following.tell):
                process = await self._process(action, context, sandbox, way, gets)
                if isinstance(process, ToolResult):
                    return process
                return await self._followed(process, following, context, sink)
        except OSError as error:
            return _not_run(f"the socket of its proxy could not be made: {error}")

    async def _followed(
        self, process: Running, following: Follower, context: CallContext, sink: CallSink
    ) -> ToolResult:
        sink.started(process.pid, process.start_time)
        sink.afterwards(process.release)
        is_over = False
        try:
            result = await following.result(process)
            is_over = True
            return result
        finally:
            # A daemon that stops leaves it to the next one.
            if not is_over and not context.is_awaited():
                process.abandon()

    async def _process(
        self, action: RunCommand, context: CallContext, sandbox: Sandbox, way: WayOut, gets: Gets
    ) -> Running | ToolResult:
        """The process, which may run since the daemon before; or why there is none."""
        try:
            if context.again != "adopt":
                return await self._start(action, context, sandbox, way, gets)
            found = await self._processes.find(context.process_id)
            return ToolResult("aborted", RESTARTED) if found is None else found
        except KeeperLost as lost:
            return ToolResult("aborted", KEEPER_LOST, str(lost))

    async def _start(
        self, action: RunCommand, context: CallContext, sandbox: Sandbox, way: WayOut, gets: Gets
    ) -> Running | ToolResult:
        """Raises: KeeperLost."""
        # The line that was shown runs; the action's argv may come from a log, and is not used.
        argv = argv_of(action, self.shell)
        program = argv[0]
        try:
            confined, variables = await surrounded(
                argv, action.cwd, context.turn_id, sandbox, way, self._environment, self._confine
            )
        except NoFolder as error:
            return _not_started(program, action.cwd, error)
        except CannotConfine as error:
            return _not_run(str(error))
        if isinstance(action, PersonCommand):
            variables = self._of_person(context.call_id)
        else:
            variables = guarded(variables) if context.guarded else variables
        environment = {**variables, **way.variables, **gets.variables}
        if action.direct and (missing := await why_not_found(program, action.cwd, environment)):
            return _not_found(missing)
        command = Command(
            process_id=context.process_id,
            owner=context.thread_id,
            argv=confined,
            cwd=action.cwd,
            env=environment,
            input="terminal" if gets.terminal else "none",
        )
        try:
            return await self._processes.start(command, is_looked_at=True)
        except NotStarted as error:
            return _not_started(confined[0], action.cwd, error)


def sandbox_for(action: RunCommand, context: CallContext) -> Sandbox:
    """The sandbox of a command."""
    if action.escalated or isinstance(action, PersonCommand):
        return replace(context.sandbox, mode="danger-full-access")
    return context.sandbox


def argv_of(action: RunCommand, shell: str) -> tuple[str, ...]:
    """The argv that is executed for an action; `shell` is the person's."""
    if isinstance(action, ExecCommand) and action.shell is not None:
        shell = action.shell
    return (
        tuple(shlex.split(action.command)) if action.direct else shell_argv(shell, action.command)
    )


def proposed_prefix(words: tuple[str, ...] | None) -> tuple[str, ...]:
    """The rule that a model proposes; none where no rule could be made of it."""
    return words if words and prefix_problem(words) is None else ()


def shell_argv(shell: str, line: str) -> tuple[str, ...]:
    """The argv that is executed for a line."""
    if os.path.basename(shell) == "zsh":
        # Or it reads ~/.zshenv before each line, which may set again what is kept from commands.
        return (shell, "-f", "-c", line)
    return (shell, "-c", line)


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. Nothing was run. "
        'Expected a JSON object such as {"command": "ls -l"}.'
    )


def _not_found(reason: str) -> ToolResult:
    text = f"command not found: {reason}. Nothing was run."
    return ToolResult("failed", text, text, exit_code=NOT_FOUND_EXIT_CODE)


def _not_started(program: str, cwd: str, error: NotStarted) -> ToolResult:
    if isinstance(error, NoFolder):
        reason = f"the directory {cwd} {error}"
    else:
        reason = f"{program} could not be started: {error}"
    return _not_run(reason)


def _not_run(reason: str) -> ToolResult:
    text = f"The command was not run: {reason}."
    return ToolResult(
        status="failed", model_text=text, output=text, exit_code=NOT_STARTED_EXIT_CODE
    )
