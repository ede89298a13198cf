"""The tool `shell`: a program and its arguments, for models that were trained to give commands so.

    ArgvShell.read_call(arguments)  ->  RunCommand, whose line is the arguments in quotes   (pure)

It is shown, decided and performed as a shell line is; but no shell reads it. A line that is given to the user's own
shell (`["bash", "-lc", "ls | wc"]`) is that line.
"""

from __future__ import annotations

import os
import shlex
from pathlib import PurePosixPath
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import ApplyPatch, BadCall, RunCommand, ToolResult
from codexd.tools.apply_patch import patch_in, patch_of_words
from codexd.tools.registry import ENVIRONMENT, CallContext, CallSink, read_arguments
from codexd.tools.shell import Asked, Shell, parameters

TOOL_NAME: Final = "shell"

_SHELLS: Final = frozenset({"bash", "sh", "zsh"})
_LINE_FOLLOWS: Final = frozenset({"-c", "-lc"})


class _Arguments(Asked, frozen=True, kw_only=True):
    command: tuple[str, ...]
    timeout: float | None = None  # as some models name it


DECLARATION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Runs a command to its end and returns its exit code and its output (stdout and stderr "
        "together). It gets no input, and what it leaves in the background is ended with it.",
        "strict": False,
        "parameters": parameters(
            {
                "type": "array",
                "items": {"type": "string"},
                "description": 'The program and its arguments. For a shell line: ["bash", "-lc", LINE].',
            }
        ),
    }
)


class ArgvShell:
    """The tool, which runs commands as another does."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "shell_tool"})

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to models that give commands as a program and its arguments."""
        return DECLARATION if traits.argv_shell else None

    def read_call(self, arguments: str, context: CallContext) -> RunCommand | ApplyPatch | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        argv = asked.command
        if not argv or not argv[0].strip():
            return _bad("`command` names no program")
        if any("\0" in word for word in argv):
            return _bad("a command can't hold a NUL character")
        asked = replace(asked, timeout_ms=asked.timeout_ms or asked.timeout)
        if asked.problem is not None:
            return _bad(asked.problem)
        return self._read(argv, asked, context)

    def _read(
        self, argv: tuple[str, ...], asked: Asked, context: CallContext
    ) -> RunCommand | ApplyPatch | BadCall:
        cwd = str(PurePosixPath(context.cwd, asked.workdir or ""))
        line = _line_for_shell(argv)
        if line is not None and self._is_own_shell(argv[0]):
            return self._shell.read_line(line, asked, context)
        placed = replace(context, cwd=cwd)
        patch = patch_of_words(argv, placed) if line is None else patch_in(line, placed)
        if patch is not None:
            return patch
        return replace(asked.run(shlex.join(argv), argv, cwd), direct=True)

    def _is_own_shell(self, program: str) -> bool:
        return program in (self._shell.shell, os.path.basename(self._shell.shell))

    async def perform(self, action: RunCommand, context: CallContext, sink: CallSink) -> ToolResult:
        return await self._shell.perform(action, context, sink)


def _line_for_shell(argv: tuple[str, ...]) -> str | None:
    """The line that an argv gives to a shell; None if it is anything else."""
    if len(argv) != 3 or argv[1] not in _LINE_FOLLOWS or os.path.basename(argv[0]) not in _SHELLS:
        return None
    return argv[2] if argv[2].strip() else None


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. Nothing was run. "
        'Expected a JSON object such as {"command": ["ls", "-l"]}.'
    )
