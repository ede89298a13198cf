"""Tool calls in a rollout: the commands that they ran, and their results. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from codexd.core.values.foreign_json import decode_foreign, whole_characters
from codexd.core.values.tool_actions import NO_PARTS, RunCommand, ToolResult, ToolStatus
from codexd.importing.rollout.lines import Members, list_of, members_of, text_of

# The assumed limit of a command for which the rollout has none.
TIMEOUT_MS_UNKNOWN = 10_000

_EXIT_CODE = re.compile(r"(?:Exit code: |Process exited with code )(-?\d+)")
_ABORTED = re.compile(r"aborted by user|^aborted\b", re.MULTILINE)
_REFUSALS = ("unsupported call", "failed to parse")
_HEAD_CHARACTERS = 400  # these hold the exit code and the like, before the output
_OUTPUT_MARK = "Output:\n"


class Ran(msgspec.Struct, frozen=True, gc=False):
    """A command that ran, as clients were notified of it."""

    argv: tuple[str, ...]
    cwd: str
    output: str
    exit_code: int | None
    duration_ms: int | None
    status: ToolStatus


def command_of(payload: Members, cwd: str) -> RunCommand | None:
    """The command of a shell call, in any of the shapes that Codex has used; None for another tool."""
    if payload.get("type") == "local_shell_call":
        asked = members_of(payload.get("action"))
    elif payload.get("type") == "function_call":
        asked = _arguments(payload.get("arguments"))
    else:
        return None
    line = asked.get("cmd", asked.get("command"))
    argv: tuple[str, ...] = ()
    if isinstance(line, list) and line and all(isinstance(word, str) for word in line):
        argv = tuple(line)
        line = argv[2] if len(argv) == 3 and argv[1] in ("-lc", "-c") else " ".join(argv)
    elif not isinstance(line, str) or not line.strip():
        return None
    argv = argv or ("bash", "-lc", str(line))
    folder = text_of(asked.get("workdir")) or text_of(asked.get("working_directory"))
    timeout = asked.get("timeout_ms")
    return RunCommand(
        command=str(line),
        argv=argv,
        cwd=str(PurePosixPath(cwd, folder)),
        timeout_ms=timeout if isinstance(timeout, int) and timeout > 0 else TIMEOUT_MS_UNKNOWN,
        escalated=asked.get("with_escalated_permissions") is True
        or asked.get("sandbox_permissions") == "require_escalated",
        justification=text_of(asked.get("justification")) or None,
    )


def _arguments(text: object) -> Members:
    try:
        return members_of(decode_foreign(_whole(text_of(text))))
    except ValueError:
        return {}


def _whole(text: str) -> bytes:
    return whole_characters(text.encode(errors="replace"))


def ran(item: Members) -> Ran | None:
    """The command in an item or an event for clients; None if it cannot be read."""
    argv = item.get("command")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        return None
    code = item.get("exit_code")
    status = text_of(item.get("status"))
    failed = isinstance(code, int) and code != 0
    return Ran(
        tuple(argv),
        path_of(item.get("cwd")),
        text_of(item.get("aggregated_output")),
        code if isinstance(code, int) else None,
        _duration_ms(item.get("duration")),
        "declined" if status == "declined" else "failed" if failed else "completed",
    )


def _duration_ms(duration: object) -> int | None:
    parts = members_of(duration)
    secs, nanos = parts.get("secs"), parts.get("nanos")
    if isinstance(secs, int) and isinstance(nanos, int):
        return secs * 1000 + nanos // 1_000_000
    return None


def path_of(value: object) -> str:
    """A path that may be written as a file: URL."""
    text = text_of(value)
    return unquote(urlsplit(text).path) if text.startswith("file://") else text


class _Answer(msgspec.Struct, frozen=True):
    text: str
    parts: msgspec.Raw = NO_PARTS
    success: bool | None = None


def result_of(payload: Members, ran: Ran | None) -> ToolResult:
    """The result of a call: its output for the model, and its output for clients."""
    answer = _answer(payload.get("output"))
    text = answer.text
    shown, code = _inside(text)
    head = text[:_HEAD_CHARACTERS]
    found = _EXIT_CODE.search(head)
    if code is None and found is not None:
        code = int(found[1])
    status: ToolStatus = "completed"
    if ran is not None:
        status, shown, code = ran.status, ran.output, ran.exit_code
    elif _ABORTED.search(head):
        status = "aborted"
    elif code or answer.success is False or text.startswith(_REFUSALS):
        status = "failed"
    return ToolResult(
        status=status,
        model_text=text,
        output=shown,
        exit_code=code,
        duration_ms=ran.duration_ms if ran is not None else None,
        output_bytes=len(shown.encode(errors="replace")),
        model_parts=answer.parts,
    )


def _answer(output: object) -> _Answer:
    """The answer, given as text, as parts, or as an object with either."""
    if isinstance(output, str):
        return _Answer(output)
    if isinstance(output, dict):
        inner = _answer(output.get("content", output.get("content_items")))
        success = output.get("success")
        return _Answer(inner.text, inner.parts, success if isinstance(success, bool) else None)
    parts = list_of(output)
    if not parts:
        return _Answer("")
    texts = [text_of(members_of(part).get("text")) for part in parts]
    if all(members_of(part).get("type") == "input_text" for part in parts) and len(parts) == 1:
        return _Answer(texts[0])
    text = "\n".join(text or "[not text]" for text in texts)
    return _Answer(text, msgspec.Raw(msgspec.json.encode(parts)))


def _inside(text: str) -> tuple[str, int | None]:
    """The command's own output within an answer, and its exit code if the answer is JSON."""
    if text.startswith('{"output"'):
        try:
            parsed: dict[str, Any] = members_of(decode_foreign(_whole(text)))
        except ValueError:
            return text, None
        code = members_of(parsed.get("metadata")).get("exit_code")
        return text_of(parsed.get("output")), code if isinstance(code, int) else None
    place = text.find(_OUTPUT_MARK, 0, _HEAD_CHARACTERS)
    return (text[place + len(_OUTPUT_MARK) :], None) if place >= 0 else (text, None)


def review_text(item: Members, *, entered: bool) -> str:
    """The first sentence of a review, or its findings."""
    if entered:
        target = members_of(item.get("target"))
        hints = (item.get("user_facing_hint"), target.get("instructions"), item.get("prompt"))
        return next((text for hint in hints if (text := text_of(hint))), "the changes")
    output = members_of(item.get("review_output"))
    findings = [_finding(members_of(finding)) for finding in list_of(output.get("findings"))]
    return "\n\n".join([text_of(output.get("overall_explanation")).strip(), *findings]).strip()


def _finding(finding: Members) -> str:
    place = members_of(finding.get("code_location"))
    span = members_of(place.get("line_range"))
    where = text_of(place.get("absolute_file_path"))
    if isinstance(span.get("start"), int):
        where += f":{span['start']}-{span.get('end', span['start'])}"
    head = f"- {text_of(finding.get('title'))}" + (f" ({where})" if where else "")
    body = text_of(finding.get("body")).strip()
    return f"{head}\n  {body}" if body else head
