"""The tool `write_stdin`: type into a session, or look at what it has printed since the last answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import msgspec
import trio

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, ToolResult, WriteStdin
from codexd.exec.ports import InputClosed
from codexd.sessions.answers import (
    OUTPUT_TOKENS_DEFAULT,
    OUTPUT_TOKENS_MAX,
    answer_text,
    exited,
    runs,
    told_end,
)
from codexd.sessions.exec_command import YIELD_MS_MAX, YIELD_MS_MIN, clamped, tokens_asked
from codexd.sessions.registry import Sessions
from codexd.sessions.session import InputFull, Session
from codexd.tools.registry import ENVIRONMENT, CallContext, CallSink

TOOL_NAME: Final = "write_stdin"
POLL_MS_MIN: Final = 5_000  # a model that polls more often pays for nothing
POLL_MS_MAX: Final = (
    300_000  # Codex's; `background_terminal_max_timeout` in config.toml says otherwise
)
ADOPTED_SECONDS: Final = 0.01  # between looks for a session that is in the log, and not here yet
UNKNOWN: Final = "write_stdin failed: Unknown session ID {}: it has ended, or was never there."
NO_INPUT: Final = (
    "write_stdin failed: stdin is closed for this session; run the command with tty=true to keep it open. "
    "Nothing was written."
)
NOT_ALL: Final = "Warning: the process does not read its input now, and some of it was not taken."
MAYBE_WRITTEN: Final = (
    "Warning: the daemon was restarted while this was written: it may have been, or not."
)
TOO_LATE: Final = "Warning: the process had ended: nothing was written."


@functools.lru_cache(maxsize=1)
def declaration(poll_ms_max: int) -> bytes:
    """The tool for models, with the longest wait where nothing is typed."""
    return msgspec.json.encode(_declaration(poll_ms_max))


def _declaration(poll_ms_max: int) -> dict[str, object]:
    return {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Types characters into a session of exec_command, and returns what it has printed since the "
        "last answer.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "session_id": {"type": "number", "description": "The session."},
                "chars": {
                    "type": "string",
                    "description": "What to type, with \\n for the return key and \\u0003 for Ctrl-C; if left out or "
                    "empty, nothing is typed.",
                },
                "yield_time_ms": {
                    "type": "number",
                    "description": f"How many milliseconds to wait for the end of the command; {YIELD_MS_MIN} if left "
                    f"out, {YIELD_MS_MAX} at most; where nothing is typed {POLL_MS_MIN} to {poll_ms_max}.",
                },
                "max_output_tokens": {
                    "type": "number",
                    "description": f"How much of the output to return; {OUTPUT_TOKENS_DEFAULT} if left out, "
                    f"{OUTPUT_TOKENS_MAX} at most. The middle is cut.",
                },
            },
            "required": ["session_id"],
            "additionalProperties": False,
        },
    }


class _Arguments(msgspec.Struct, frozen=True):
    session_id: int
    chars: str = ""
    yield_time_ms: float | None = None
    max_output_tokens: float | None = None


class WriteStdinTool:
    """The tool."""

    name = TOOL_NAME
    features = frozenset({ENVIRONMENT, "shell_tool", "unified_exec"})

    def __init__(
        self, sessions: Sessions, longest_look: Callable[[], int] = lambda: POLL_MS_MAX
    ) -> None:
        """`longest_look`: how many milliseconds a call that types nothing may wait, as the person has it now."""
        self._sessions, self._longest_look = sessions, longest_look

    @property
    def _poll_ms_max(self) -> int:
        return max(self._longest_look(), POLL_MS_MIN)

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered with exec_command."""
        return (
            declaration(self._poll_ms_max) if traits.sessions and thread.reviews is None else None
        )

    def read_call(self, arguments: str, context: CallContext) -> WriteStdin | BadCall:
        try:
            asked = msgspec.json.decode(arguments, type=_Arguments, strict=False)
        except (msgspec.MsgspecError, UnicodeError) as error:
            return BadCall(
                reason=f"failed to parse function arguments: {error}. Nothing was written. "
                f'{TOOL_NAME} expects a JSON object such as {{"session_id": 1000, "chars": "y\\n"}}.'
            )
        bounds = (YIELD_MS_MIN, YIELD_MS_MAX) if asked.chars else (POLL_MS_MIN, self._poll_ms_max)
        session = self._sessions.find(context.thread_id, str(asked.session_id))
        return WriteStdin(
            session=str(asked.session_id),
            chars=asked.chars,
            yield_ms=clamped(asked.yield_time_ms, YIELD_MS_MIN, *bounds),
            output_tokens=tokens_asked(asked.max_output_tokens),
            of=None if session is None else session.of,
        )

    async def perform(self, action: WriteStdin, context: CallContext, sink: CallSink) -> ToolResult:
        began = trio.current_time()
        session = await self._find(action, context)
        if session is None:
            return await self._of_ended(action, context)
        async with session.collecting:
            warning = await self._write(session, action, context)
            if warning is NO_INPUT:
                return ToolResult("failed", NO_INPUT, NO_INPUT)
            await session.wait(action.yield_ms)
            session.is_end_told = ended = session.ended.is_set()
            output, end = await session.collect(context.sessions.collected(action.session))
            state = exited(session.exit_code, session.ended_because) if ended else runs(session)
            seconds = trio.current_time() - began
            text = answer_text(state, seconds, output, action.output_tokens, warning)
            text = told_end(session, text) if ended else text
            code = session.exit_code if ended else None
            return ToolResult("completed", text, exit_code=code, collected_bytes=end)

    async def _find(self, action: WriteStdin, context: CallContext) -> Session | None:
        """The session; after a restart it may be about to be adopted, or its end about to be recorded."""
        while True:
            session = self._sessions.find(context.thread_id, action.session)
            if session is not None or not context.sessions.runs(action.session):
                return session
            await trio.sleep(ADOPTED_SECONDS)

    async def _write(
        self, session: Session, action: WriteStdin, context: CallContext
    ) -> str | None:
        """Type, and say what was wrong with that."""
        if not action.chars:
            return None
        if context.again is not None:
            return MAYBE_WRITTEN
        if not session.action.tty:
            return NO_INPUT
        try:
            await session.write(action.chars.encode(errors="replace"))
        except InputClosed:
            return TOO_LATE
        except InputFull:
            return NOT_ALL
        return None

    async def _of_ended(self, action: WriteStdin, context: CallContext) -> ToolResult:
        """The rest of a session that has ended since the last answer."""
        ended = await context.sessions.ended(action.session)
        if ended is None:
            text = UNKNOWN.format(action.session)
            return ToolResult("failed", text, text)
        warning = TOO_LATE if action.chars else None
        state = exited(ended.exit_code, ended.because)
        text = answer_text(state, 0.0, ended.output, action.output_tokens, warning)
        return ToolResult("completed", text, exit_code=ended.exit_code)
