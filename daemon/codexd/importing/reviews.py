"""What a review was about, and what it found, as text. Pure."""

from __future__ import annotations

from codexd.importing.lines import Members, list_of, members_of, text_of


def review_text(item: Members, *, entered: bool) -> str:
    """The sentence that a review began with, or its findings."""
    if entered:
        target = members_of(item.get("target"))
        hints = (item.get("user_facing_hint"), target.get("instructions"), item.get("prompt"))
        return next((text for hint in hints if (text := text_of(hint))), "the changes")
    output = members_of(item.get("review_output"))
    findings = [_finding(members_of(one)) for one in list_of(output.get("findings"))]
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
