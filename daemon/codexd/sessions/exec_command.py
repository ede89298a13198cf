"""The tool `exec_command`: a shell line as a session, which may go on after the answer.

ExecTool.read_call(arguments)  ->  ExecCommand, with the id of its session
ExecTool.perform(ExecCommand)  ->  the answer after the yield time; the result at its end
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Final

import msgspec
import trio
from msgspec.structs import replace

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import CallId, ProcessId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import (
    ApplyPatch,
    BadCall,
    ExecCommand,
    SessionCall,
    ToolAction,
    ToolResult,
)
from codexd.exec.ports import Running
from codexd.machine.patience import NoAnswer, patiently
from codexd.sessions.answers import (
    OUTPUT_TOKENS_DEFAULT,
    OUTPUT_TOKENS_MAX,
    answer_text,
    ended_result,
    exited,
    runs,
    told_end,
)
from codexd.sessions.registry import Sessions
from codexd.sessions.session import Session
from codexd.tools.apply_patch import patch_in
from codexd.tools.login_env import FORCED, LAST_RESORT_SHELL
from codexd.tools.registry import ENVIRONMENT, CallContext, CallSink
from codexd.tools.shell import Asked, Gets, Shell, properties_of_commands, sandbox_for, shell_argv

TOOL_NAME: Final = "exec_command"
YIELD_MS_DEFAULT: Final = 10_000
YIELD_MS_MIN: Final = 250
YIELD_MS_MAX: Final = 30_000
# Shells that read a line after `-c`; a model that names anything else gets the last resort, as with Codex.
KNOWN_SHELLS: Final = frozenset({"bash", "dash", "ksh", "sh", "zsh"})
SHELL_FOLDERS: Final = "/bin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"


class _Arguments(Asked, frozen=True, kw_only=True):
    cmd: str
    shell: str | None = None
    login: bool | None = None  # the environment is that of a login shell anyway
    tty: bool = False
    yield_time_ms: float | None = None
    max_output_tokens: float | None = None


DECLARATION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Runs a shell command. Returns its output and exit code; or, if it still runs after "
        "`yield_time_ms`, its output so far and a session ID for write_stdin.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "cmd": {"type": "string", "description": "The shell line to run."},
                **properties_of_commands(),
                "shell": {
                    "type": "string",
                    "description": "The shell that reads the line; the user's if left out.",
                },
                "login": {
                    "type": "boolean",
                    "description": "Whether the shell is a login shell; true if left out.",
                },
                "tty": {
                    "type": "boolean",
                    "description": "Whether the command gets a terminal, which write_stdin types into; without "
                    "one it gets no input. False if left out.",
                },
                "yield_time_ms": {
                    "type": "number",
                    "description": f"How many milliseconds to wait for its end; {YIELD_MS_DEFAULT} if left out, "
                    f"{YIELD_MS_MIN} to {YIELD_MS_MAX}.",
                },
                "max_output_tokens": {
                    "type": "number",
                    "description": f"How much of the output to return; {OUTPUT_TOKENS_DEFAULT} if left out, "
                    f"{OUTPUT_TOKENS_MAX} at most. The middle is cut.",
                },
            },
            "required": ["cmd"],
            "additionalProperties": False,
        },
    }
)


class ExecTool:
    """The tool, which starts commands as another does."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "shell_tool", "unified_exec"})

    def __init__(self, shell: Shell, sessions: Sessions) -> None:
        self._shell, self._sessions = shell, sessions

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered to models that know sessions; not to a reviewer, which ends with its answer."""
        return DECLARATION if traits.sessions and thread.reviews is None else None

    def read_call(self, arguments: str, context: CallContext) -> ExecCommand | ApplyPatch | BadCall:
        try:
            asked = msgspec.json.decode(arguments, type=_Arguments)
        except (msgspec.MsgspecError, UnicodeError) as error:
            return _bad(f"failed to parse function arguments: {error}")
        if "\0" in asked.cmd + (asked.shell or ""):
            return _bad("a command can't hold a NUL character")
        if asked.problem is not None:
            return _bad(asked.problem)
        cwd = str(PurePosixPath(context.cwd, asked.workdir or ""))
        patch = patch_in(asked.cmd, replace(context, cwd=cwd))
        if patch is not None:
            return patch
        ran = asked.run(asked.cmd, shell_argv(self._shell.shell, asked.cmd), cwd)
        members = {name: getattr(ran, name) for name in ran.__struct_fields__}
        return ExecCommand(
            **members | {"timeout_ms": 0},
            session=self._sessions.new_id(),
            tty=asked.tty,
            yield_ms=clamped(asked.yield_time_ms, YIELD_MS_DEFAULT, YIELD_MS_MIN, YIELD_MS_MAX),
            output_tokens=tokens_asked(asked.max_output_tokens),
            shell=asked.shell,
        )

    async def prepare(self, action: ToolAction, _: Sequence[ToolAction] = ()) -> ToolAction:
        """Find the shell that the model has named."""
        if not isinstance(action, ExecCommand) or action.shell is None:
            return action
        try:
            found = await patiently(action.shell, partial(_find_shell, action.shell))
        except NoAnswer:
            found = LAST_RESORT_SHELL
        if found == self._shell.shell:
            return replace(action, shell=None)
        return replace(action, shell=found, argv=shell_argv(found, action.command))

    async def perform(
        self, action: ExecCommand, context: CallContext, sink: CallSink
    ) -> ToolResult:
        if context.again is None:
            await self._sessions.make_room(context.thread_id)
        gets = Gets(action.tty, _forced(context))
        following = _Following(action, context, sink, self._sessions)
        return await self._shell.follow(action, context, sink, following, gets)


class _Following:
    """A session from its start or its adoption to its end."""

    def __init__(
        self, action: ExecCommand, context: CallContext, sink: CallSink, sessions: Sessions
    ) -> None:
        self._action, self._context = action, context
        self._sink, self._sessions = sink, sessions
        self._session: Session | None = None

    async def result(self, process: Running) -> ToolResult:
        """Give the answer when it is time, and return the end."""
        action, context = self._action, self._context
        # The turn that runs now may be another, or none, where the session is adopted after a restart.
        turn_id = context.sessions.turn_of(action.session) or TurnId(context.turn_id)
        of = SessionCall(CallId(context.call_id), turn_id)
        collected = context.sessions.collected(action.session) or 0
        sandbox = sandbox_for(action, context)
        session = Session(action, context.thread_id, of, process, collected, sandbox)
        self._session = session
        with self._sessions.holding(session):
            return await self._follow(session, context, self._sink)

    def tell(self, line: str) -> None:
        """A line of the daemon's own among the output."""
        self._sink.output(line.encode())
        if self._session is not None:
            self._session.tell(line)

    async def _follow(self, session: Session, context: CallContext, sink: CallSink) -> ToolResult:
        action, text = session.action, ""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.follow, sink)
            if context.process is None:
                await session.wait(action.yield_ms)
                ended = session.ended.is_set()
                output, end = await session.collect(None)
                state = exited(session.exit_code, session.ended_because) if ended else runs(session)
                warning = None if ended else self._sessions.warning(context.thread_id)
                seconds = session.running.seconds()  # since the call, also over a restart
                text = answer_text(state, seconds, output, action.output_tokens, warning)
                if ended:
                    return ended_result(session, told_end(session, text))
                answer = ToolResult("completed", text, collected_bytes=end)
                await sink.answer(ProcessId(action.session), answer)
        return ended_result(session)


def _forced(context: CallContext) -> dict[str, str]:
    return {
        **FORCED,
        "CODEX_SESSION_ID": context.thread_id,
        "CODEX_THREAD_ID": context.thread_id,
        "CODEX_TOOL_CALL_ID": context.call_id,
    }


def _find_shell(name: str) -> str:
    """The path of a known shell; the last resort for anything else."""
    if os.path.basename(name) not in KNOWN_SHELLS:
        return LAST_RESORT_SHELL
    return shutil.which(name, path=SHELL_FOLDERS) or LAST_RESORT_SHELL


def clamped(asked: float | None, default: int, low: int, high: int) -> int:
    """A number of the model's, within its bounds."""
    return int(min(max(default if asked is None else asked, low), high))


def tokens_asked(asked: float | None) -> int:
    """How much output the model wants."""
    return clamped(asked, OUTPUT_TOKENS_DEFAULT, 0, OUTPUT_TOKENS_MAX)


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"{reason}. Nothing was run. "
        f'{TOOL_NAME} expects a JSON object such as {{"cmd": "ls -l"}}.'
    )
