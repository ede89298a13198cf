"""The text by which the model learns of a command that a person has run, in Codex's form."""

from __future__ import annotations

from typing import Final

from codexd.core.values.tool_actions import ToolResult
from codexd.core.values.truncate import truncate_middle

# 10 000 tokens at four bytes each: as of the commands that the model runs.
OUTPUT_BYTES_MAX: Final = 40_000
STOPPED: Final = "command aborted by user"
NOT_KNOWN_EXIT_CODE: Final = -1


def person_command_message(line: str, result: ToolResult) -> str:
    """The message about a command and its end. Without an exit code, `model_text` says what became of it."""
    output, _ = truncate_middle(result.output, OUTPUT_BYTES_MAX)
    code = NOT_KNOWN_EXIT_CODE if result.exit_code is None else result.exit_code
    if result.exit_code is None:
        output = "\n".join(part for part in (output.rstrip("\n"), result.model_text) if part)
    lines = [f"Exit code: {code}"]
    if result.duration_ms is not None:
        lines.append(f"Duration: {result.duration_ms / 1000:.4f} seconds")
    body = "\n".join([*lines, "Output:", output])
    return (
        f"<user_shell_command>\n<command>\n{line}\n</command>\n"
        f"<result>\n{body}\n</result>\n</user_shell_command>"
    )
