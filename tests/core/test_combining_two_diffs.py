"""Two diffs of a file as one: it makes of the first content the last, and shows what a single patch would."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codexd.core.patch.combine import (
    NotShown,
    Script,
    combined,
    script_of_hunks,
    script_of_whole,
)
from codexd.core.patch.diff import NO_END, diff_of_edits, diff_of_whole
from codexd.core.patch.file_lines import file_lines
from codexd.core.patch.placing import Edit
from codexd.core.values.items import ChangeKind, FileUpdate
from codexd.projections.clients.patch_diffs import with_changes

HEADER = re.compile(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@")


def applied(content: list[str], diff: str) -> list[str]:
    """The content after the diff, whose every line must be where its header says."""
    made: list[str] = []
    at = 0
    for line in diff.splitlines():
        header = HEADER.fullmatch(line)
        if header is not None:
            start = int(header[1]) - (header[2] != "0")
            made += content[at:start]
            at = start
            assert len(made) == int(header[3]) - (header[4] != "0"), diff
        elif line[0] == "+":
            made.append(line[1:])
        elif line != NO_END:
            assert content[at] == line[1:], diff
            at += 1
            made += [line[1:]] * (line[0] == " ")
    return made + content[at:]


@st.composite
def edits_of(draw: st.DrawFn, size: int) -> list[Edit]:
    """Some edits of a file of so many lines, in order and apart."""
    edits: list[Edit] = []
    at = draw(st.integers(0, 3))
    while at <= size and len(edits) < 5:
        old = draw(st.integers(0, min(3, size - at)))
        new = draw(st.lists(st.sampled_from("uvw"), min_size=not old, max_size=3))
        edits.append(Edit(at, old, tuple(new)))
        at += old + draw(st.integers(1, 12))
    return edits


@pytest.mark.slow
@given(st.data(), st.integers(0, 40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_combined_diff_makes_what_both_make_one_after_the_other(
    data: st.DataObject, size: int, ended: bool
) -> None:
    contents = [[f"line {n % 7}" for n in range(size)]]  # so that lines are not alone of their kind
    script = Script((), {})
    for _ in range(data.draw(st.integers(2, 4))):
        text = "".join(f"{line}\n" for line in contents[-1])
        lines = file_lines((text if ended else text[:-1]).encode())
        diff = diff_of_edits(lines, data.draw(edits_of(len(lines.texts))))
        contents.append(applied(lines.texts, diff))
        assume(contents[-1])
        step = script_of_hunks(diff)
        script = combined(script, step) if script.edits or script.around else step
    assert applied(contents[0], script.hunks()) == contents[-1]


def test_what_is_taken_back_is_in_no_diff() -> None:
    there = script_of_hunks("@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n")
    back = script_of_hunks("@@ -1,3 +1,3 @@\n a\n-c\n+b\n d\n")
    assert combined(there, back).hunks() == ""


def test_a_diff_that_does_not_show_enough_is_not_guessed_at() -> None:
    with pytest.raises(NotShown):
        script_of_hunks("what is this")


def update(diff: str, path: str = "/w/f", to: str | None = None) -> FileUpdate:
    return FileUpdate(path, ChangeKind("update", to), diff)


def whole(kind: str, text: str, path: str = "/w/f") -> FileUpdate:
    return FileUpdate(path, ChangeKind(kind), text)  # type: ignore[arg-type]


B_C = "@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n"
C_E = "@@ -1,3 +1,3 @@\n a\n-c\n+e\n d\n"
B_E = "@@ -1,3 +1,3 @@\n a\n-b\n+e\n d\n"


@pytest.mark.parametrize(
    ("changes", "whole_turn"),
    [
        ([update(B_C), update(C_E)], [update(B_E)]),
        ([update(B_C), update(C_E, "/w/g")], [update(B_C), update(C_E, "/w/g")]),
        ([whole("add", "a\nb\nd\n"), update(B_C)], [whole("add", "a\nc\nd\n")]),
        ([update(B_C), whole("delete", "a\nc\nd\n")], [whole("delete", "a\nb\nd\n")]),
        ([whole("add", "a\n"), whole("delete", "a\n")], []),
        (
            [whole("delete", "a\nb\nd\n"), whole("add", "a\nc\nd\n")],
            [update(B_C)],
        ),
        ([whole("delete", "a\n"), whole("add", "a\n")], []),
        ([update(B_C, to="/w/g"), update(C_E, "/w/g")], [update(B_E, to="/w/g")]),
        ([update(B_C), update("", to="/w/g")], [update(B_C, to="/w/g")]),
        ([update("", to="/w/g"), update("", "/w/g", to="/w/f")], []),
        (
            [whole("add", "a\n"), update("", to="/w/g")],
            [whole("add", "a\n", "/w/g")],
        ),
        (
            [update(B_C, to="/w/g"), whole("delete", "a\nc\nd\n", "/w/g")],
            [whole("delete", "a\nb\nd\n")],
        ),
        ([update(B_C), update(C_E), update("@@ -1,3 +1,3 @@\n a\n-e\n+b\n d\n")], []),
        # Nothing is made up where a text was shortened.
        (
            [update(B_C), whole("delete", "a\n… 9 characters more …\n")],
            [update(B_C), whole("delete", "a\n… 9 characters more …\n")],
        ),
        (
            [whole("delete", "a"), whole("add", "b\n")],
            [whole("delete", "a"), whole("add", "b\n")],
        ),
    ],
)
def test_each_file_of_a_turn_is_there_once(
    changes: list[FileUpdate], whole_turn: list[FileUpdate]
) -> None:
    one_by_one: list[FileUpdate] = []
    for change in changes:
        one_by_one = with_changes(one_by_one, [change])
    assert one_by_one == whole_turn
    assert with_changes([], changes) == whole_turn


def test_the_text_of_a_new_file_without_a_last_newline_stays_so() -> None:
    script = combined(
        script_of_whole("a\nb", is_new=True),
        script_of_hunks(f"@@ -1,2 +1,2 @@\n-a\n+c\n b\n{NO_END}\n"),
    )
    assert script.text(1) == "c\nb"
    assert diff_of_whole(None, b"c\nb") == "c\nb"
