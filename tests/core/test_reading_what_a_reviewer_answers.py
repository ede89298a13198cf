"""Findings are read from any answer of a reviewer, and no text is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.core.events.events import decode_event, encode_event
from codexd.core.events.history import ReviewExited
from codexd.core.values.ids import ItemId
from codexd.core.values.review_findings import (
    NO_ANSWER,
    CodeLocation,
    Finding,
    LineRange,
    ReviewOutput,
    read_output,
    render,
)

Json = dict[str, Any]

FINDING: Json = {
    "title": "Close it",
    "body": "It leaks.",
    "confidence_score": 0.5,
    "priority": 1,
    "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 3, "end": 5}},
}
ANSWER: Json = {
    "findings": [FINDING],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "One thing.",
    "overall_confidence_score": 0.75,
}
READ = ReviewOutput(
    (Finding("Close it", "It leaks.", 0.5, 1, CodeLocation("/w/a.py", LineRange(3, 5))),),
    "patch is incorrect",
    "One thing.",
    0.75,
)
WHOLE = json.dumps(ANSWER)


def answer(**members: object) -> str:
    return json.dumps(ANSWER | members)


def finding(**members: object) -> Finding:
    """How a finding is read in which these members are other ones."""
    (read,) = read_output(answer(findings=[FINDING | members])).findings
    return read


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"\n  {WHOLE}\n",
        f"```json\n{WHOLE}\n```",
        f"Here it is {{as asked}}:\n\n```\n{WHOLE}\n```\nThat is all {{really}}.",
        f'First {{"a": 1}}, then {WHOLE} and {{"findings": []}}',
        f'{{"result": {WHOLE}}}',
        f"{{{WHOLE}",
        f'{{"findings": "none"}} {WHOLE}',
        json.dumps(ANSWER, indent=2),
    ],
    ids=["plain", "space", "fence", "prose", "others", "within", "brace", "no list", "indented"],
)
def test_the_first_object_with_a_list_of_findings_is_the_answer(text: str) -> None:
    assert read_output(text) == READ


NOISE = st.text(alphabet=st.sampled_from('{}[]"\\:,x1 \n`é'), max_size=40)


@given(before=NOISE, after=NOISE)
def test_noise_around_it_changes_nothing(before: str, after: str) -> None:
    # A quotation mark in front, or a bracket, can make another text of it; then it is prose all the same.
    text = f"{before}\n{WHOLE}\n{after}"
    read = read_output(text)
    assert read == READ or (not read.findings and read.overall_explanation)
    if "{" not in before:
        assert read == READ


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_members = dict.fromkeys(("title", "body", "confidence_score", "priority"), _values)
_place = st.fixed_dictionaries(
    {},
    optional={
        "absolute_file_path": _values,
        "line_range": _values
        | st.fixed_dictionaries({}, optional={"start": _values, "end": _values}),
    },
)
_findings = st.fixed_dictionaries({}, optional=_members | {"code_location": _values | _place})


@pytest.mark.slow
@given(
    findings=st.lists(_findings | _values, max_size=4),
    rest=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("overall_correctness", "overall_explanation", "overall_confidence_score"), _values
        ),
    ),
)
def test_members_of_any_kind_are_read_kept_and_shown(findings: list[object], rest: Json) -> None:
    text = json.dumps({"findings": findings, **rest})
    read = read_output(text)
    scores = [read.overall_confidence_score, *(found.confidence_score for found in read.findings)]
    assert all(score is None or 0 <= score <= 1 for score in scores)
    assert all(found.priority in (None, 0, 1, 2, 3) for found in read.findings)
    assert all(found.title for found in read.findings)
    said = [found for found in findings if isinstance(found, dict) and _is_said(found.get("title"))]
    assert len(read.findings) >= len(said)
    event = ReviewExited(ItemId("v"), render(read), read, text, "told")
    assert decode_event(event.type, event.v, encode_event(event)) == event


def _is_said(found: object) -> bool:
    return isinstance(found, str) and bool(found.strip())


@given(st.text(max_size=200))
def test_any_text_is_an_answer(text: str) -> None:
    read = read_output(text)
    assert render(read)
    if "{" not in text and "```" not in text:
        assert read == ReviewOutput(overall_explanation=text.strip())


@pytest.mark.parametrize(
    ("found", "priority"),
    [
        (0, 0),
        (3, 3),
        (2.0, 2),
        ("1", 1),
        ("P2", 2),
        (9, 3),
        (-1, 0),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_a_priority_may_be_missing_or_written_otherwise(
    found: object, priority: int | None
) -> None:
    assert finding(priority=found).priority == priority


def test_a_priority_may_be_in_the_title_only() -> None:
    assert finding(priority=None, title="[P0] Stop").priority == 0
    assert finding(priority=None, title="P2P is slow").priority is None


@pytest.mark.parametrize(
    ("found", "score"),
    [(1, 1.0), (0, 0.0), (7, 1.0), (-0.1, 0.0), ("0.5", 0.5), ("high", None), (None, None)],
)
def test_a_score_is_a_number_from_0_to_1(found: object, score: float | None) -> None:
    assert finding(confidence_score=found).confidence_score == score


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (None, None),
        ({"absolute_file_path": ""}, None),
        ({"absolute_file_path": "/a"}, CodeLocation("/a")),
        (
            {"absolute_file_path": "/a", "line_range": {"start": 7.0}},
            CodeLocation("/a", LineRange(7, 7)),
        ),
        (
            {"absolute_file_path": "/a", "line_range": {"start": 9, "end": "7"}},
            CodeLocation("/a", LineRange(7, 9)),
        ),
    ],
    ids=["none", "no path", "no lines", "one end", "turned round"],
)
def test_a_place_is_taken_as_far_as_it_goes(found: object, place: CodeLocation | None) -> None:
    assert finding(code_location=found).code_location == place


def test_lines_may_break_within_strings_and_titles_are_one_line() -> None:
    text = WHOLE.replace("It leaks.", "It\nleaks.").replace("Close it", "Close\n  it")
    assert read_output(text).findings[0].body == "It\nleaks."
    assert read_output(text).findings[0].title == "Close it"


def test_a_finding_without_a_title_begins_with_its_body() -> None:
    assert finding(title="", body="It leaks.\nBadly.") == Finding(
        "It leaks.", "Badly.", 0.5, 1, CodeLocation("/w/a.py", LineRange(3, 5))
    )
    assert read_output('{"findings": ["It leaks."]}').findings == (Finding("It leaks."),)


@pytest.mark.parametrize(
    "text",
    ["{" * 200_000, '{"a":' * 100_000, "[" * 100_000 + '{"a":[' * 50_000, '{"a":' + "9" * 100_000],
    ids=["braces", "objects", "lists", "digits"],
)
def test_openings_without_end_cost_no_time_and_stay_prose(text: str) -> None:
    read = read_output(text)
    assert read == ReviewOutput(overall_explanation=text)


def test_an_answer_of_too_many_values_stays_prose() -> None:
    text = '{"findings": [' + "[]," * 300_000 + "[]]}"
    read = read_output(text)
    assert (read.findings, read.overall_explanation) == ((), text)


def test_findings_are_written_with_their_places() -> None:
    assert render(READ) == (
        "One thing.\n\nReview comment:\n\n- Close it — /w/a.py:3-5\n  It leaks."
    )
    two = ReviewOutput((Finding("One", " a\n\n  b\n"), Finding("Two", "")))
    assert render(two) == "Full review comments:\n\n- One\n  a\n\n    b\n\n- Two"
    assert render(ReviewOutput(overall_explanation=" Fine. ")) == "Fine."
    assert render(ReviewOutput(overall_explanation=" ")) == NO_ANSWER
