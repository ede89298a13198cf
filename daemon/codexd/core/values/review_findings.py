"""Parses a reviewer's answer, and renders it for people.

Law: no text is lost. If an answer is not the expected object, its whole text is the explanation; a
member of the wrong type is left out of its finding.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

import msgspec

from codexd.core.values.foreign_json import TooMuchJson, check_foreign

# The bound of the search for the object, in scanned characters: models write some tens of thousands, and only
# a text of many opening braces would be scanned again and again.
SCANNED_CHARACTERS_MAX: Final = 16 * 1024 * 1024
PRIORITY_MAX: Final = 3
# No file has more lines; a larger number is a mistake of the model, and clients may use 32 bits.
LINE_MAX: Final = 2**31 - 1

NO_ANSWER: Final = "The reviewer gave no answer."
ONE_FINDING: Final = "Review comment:"
MORE_FINDINGS: Final = "Full review comments:"


class LineRange(msgspec.Struct, frozen=True):
    """Lines of a file, both ends included."""

    start: int
    end: int


class CodeLocation(msgspec.Struct, frozen=True):
    """Where a finding is."""

    absolute_file_path: str
    line_range: LineRange | None = None


class Finding(msgspec.Struct, frozen=True):
    """A finding. The members have the names that models are asked for."""

    title: str
    body: str = ""
    confidence_score: float | None = None  # 0 to 1
    priority: int | None = None  # 0, the most urgent, to 3
    code_location: CodeLocation | None = None


class ReviewOutput(msgspec.Struct, frozen=True):
    """The result of a review."""

    findings: tuple[Finding, ...] = ()
    overall_correctness: str = ""  # in the reviewer's words
    overall_explanation: str = ""
    overall_confidence_score: float | None = None  # 0 to 1


def read_output(text: str) -> ReviewOutput:
    """The first object in a text that has a list of findings; without one, the text is the explanation."""
    found = _find(text)
    if found is None:
        return ReviewOutput(overall_explanation=_unfenced(text.strip()))
    findings = found["findings"]
    assert isinstance(findings, list)
    read = (_finding(finding) for finding in findings)
    return ReviewOutput(
        tuple(finding for finding in read if finding is not None),
        _text(found.get("overall_correctness")),
        _text(found.get("overall_explanation")),
        _score(found.get("overall_confidence_score")),
    )


def render(output: ReviewOutput) -> str:
    """The result as text: the explanation, and each finding with its location."""
    lines = [output.overall_explanation.strip()] if output.overall_explanation.strip() else []
    if output.findings:
        lines += [""] if lines else []
        lines.append(ONE_FINDING if len(output.findings) == 1 else MORE_FINDINGS)
    for finding in output.findings:
        lines += ["", f"- {finding.title}{_place(finding.code_location)}"]
        lines += [f"  {line}".rstrip() for line in finding.body.strip().splitlines()]
    return "\n".join(lines) or NO_ANSWER


def _place(location: CodeLocation | None) -> str:
    if location is None:
        return ""
    lines = location.line_range
    return f" — {location.absolute_file_path}" + (f":{lines.start}-{lines.end}" if lines else "")


_DECODER = json.JSONDecoder(strict=False)  # Models write newlines within strings.
_OPENING = re.compile(r'\{\s*+"')  # of an object that is not empty
_FENCE = "```"
_OPENING_FENCE = re.compile(r"```[\w-]*+[ \t]*+")
_MARKED_PRIORITY = re.compile(r"\[?P([0-3])\b")


def _unfenced(text: str) -> str:
    """The text without a fence around all of it."""
    opening, newline, rest = text.partition("\n")
    if not newline or not rest.endswith(_FENCE) or not _OPENING_FENCE.fullmatch(opening):
        return text
    return rest.removesuffix(_FENCE).rstrip(" \t").removesuffix("\n")


def _find(text: str) -> dict[str, object] | None:
    try:
        check_foreign(text)
    except TooMuchJson:
        return None
    left = SCANNED_CHARACTERS_MAX
    for opening in _OPENING.finditer(text):
        at = opening.start()
        if left <= 0:
            break
        try:
            found, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            left -= error.pos - at + error.pos // 64  # The error counts the lines before it.
        except (ValueError, RecursionError):  # A number of a million digits; too deep nesting.
            left -= len(text) - at
        else:
            if isinstance(found, dict) and isinstance(found.get("findings"), list):
                return found
            left -= end - at
    return None


def _finding(found: object) -> Finding | None:
    """A finding; None if it has no text."""
    if isinstance(found, str):
        found = {"body": found}
    if not isinstance(found, dict):
        return None
    title, body = " ".join(_text(found.get("title")).split()), _text(found.get("body"))
    if not title:
        first, _, rest = body.strip().partition("\n")
        title, body = first.strip(), rest
    if not title:
        return None
    return Finding(
        title,
        body,
        _score(found.get("confidence_score")),
        _priority(found.get("priority"), title),
        _location(found.get("code_location")),
    )


def _priority(found: object, title: str) -> int | None:
    number = _number(found)
    if number is not None and not math.isnan(number):
        return int(min(max(number, 0), PRIORITY_MAX))
    value = found if isinstance(found, str) else title
    marked = _MARKED_PRIORITY.match(value.strip())
    return int(marked[1]) if marked is not None else None


def _location(found: object) -> CodeLocation | None:
    if not isinstance(found, dict):
        return None
    path = _text(found.get("absolute_file_path")).strip()
    return CodeLocation(path, _lines(found.get("line_range"))) if path else None


def _lines(found: object) -> LineRange | None:
    if not isinstance(found, dict):
        return None
    ends = [
        int(min(max(number, 0), LINE_MAX))
        for member in ("start", "end")
        if (number := _number(found.get(member))) is not None and not math.isnan(number)
    ]
    return LineRange(min(ends), max(ends)) if ends else None


def _score(found: object) -> float | None:
    number = _number(found)
    if number is None or math.isnan(number):
        return None
    return float(min(max(number, 0), 1))


def _number(found: object) -> int | float | None:
    """A number, also one that was written as a text."""
    if isinstance(found, str):
        try:
            return float(found)
        except ValueError:
            return None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _text(found: object) -> str:
    """A text that can be stored: without halves of surrogate pairs."""
    if not isinstance(found, str):
        return ""
    return found.encode(errors="replace").decode()
