"""The answers of exec_command and write_stdin, in the words that models know."""

from __future__ import annotations

import secrets
from typing import Final

from codexd.core.policy.sandbox_denial import denial_sign, sandbox_hint
from codexd.core.values.tool_actions import ToolResult
from codexd.core.values.truncate import BYTES_PER_TOKEN, tokens_of, truncate_middle
from codexd.sessions.session import Session
from codexd.tools.output import KeptOutput

OUTPUT_TOKENS_DEFAULT: Final = 10_000
# 128 KiB: more of one output helps no model, and fills its window.
OUTPUT_TOKENS_MAX: Final = 32_768
LOST: Final = "its end is not known: {}. Look at the present state before you repeat the command."


def answer_text(
    state: str, seconds: float, output: KeptOutput, output_tokens: int, warning: str | None = None
) -> str:
    """An answer. `state` says whether the process runs; `output` is what came since the last answer."""
    text = output.text()
    cut, _ = truncate_middle(
        text.head + text.tail, output_tokens * BYTES_PER_TOKEN, gone_bytes=text.gone_bytes
    )
    tokens = tokens_of(output.total_bytes)
    lines = [
        f"Chunk ID: {secrets.token_hex(3)}",
        f"Wall time: {seconds:.4f} seconds",
        state,
        f"Original token count: {tokens}",
        "Output:",
    ]
    if warning is not None:
        lines.append(warning)
    if cut != text.head:
        lines += [
            f"Warning: truncated output (original token count: {tokens})",
            f"Total output lines: {output.lines()}",
            "",
        ]
    return "\n".join([*lines, cut])


def told_end(session: Session, text: str) -> str:
    """The answer that tells the end, with a word where the sandbox seems to be why the command failed."""
    code = session.exit_code
    hint = None if code is None else sandbox_hint(session.sandbox, code, text)
    return text if hint is None else f"{text}\n{hint}"


def runs(session: Session) -> str:
    """That it runs."""
    return f"Process running with session ID {session.session_id}"


def exited(exit_code: int | None, because: str | None = None) -> str:
    """How it ended; why, if somebody ended it."""
    if exit_code is None:
        return f"Process lost: {LOST.format(because)}"
    state = f"Process exited with code {exit_code}"
    return state if because is None else f"{state}\n{because}"


def ended_result(session: Session, model_text: str = "") -> ToolResult:
    """The result of a session that has ended, for people; and an answer, if its call waits for one."""
    code, output = session.exit_code, session.output
    return ToolResult(
        "aborted" if code is None else "completed" if code == 0 else "failed",
        model_text or session.ended_because or "",
        output.text().for_screens(),
        code,
        round(session.running.seconds() * 1000),
        output.total_bytes,
        denied=None if code is None else denial_sign(session.sandbox, code, model_text),
    )
