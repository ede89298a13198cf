"""A patch is placed where its lines are, and what it does not touch stays byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.patch.changes import FileChange, changes_of, paths_of
from codexd.core.patch.dialect import BadPatch, read_patch


def changed(text: str, files: dict[str, bytes]) -> list[FileChange]:
    """The changes of a patch of files in /w."""
    sections = read_patch(f"*** Begin Patch\n{text}\n*** End Patch")
    before = {path: files.get(path.removeprefix("/w/")) for path in paths_of(sections, "/w")}
    return changes_of(sections, "/w", before)


def updated(content: bytes, *hunk: str) -> bytes | None:
    """What becomes of a file."""
    (change,) = changed("\n".join(["*** Update File: f", *hunk]), {"f": content})
    return change.after


def refused(content: bytes, *hunk: str) -> str:
    """What the model is told about a hunk that does not fit."""
    with pytest.raises(BadPatch) as bad:
        updated(content, *hunk)
    return str(bad.value)


@pytest.mark.parametrize(
    ("line", "content"),
    [
        ("-a b", b"a b\n"),
        ("-a b", b"a b  \t\n"),
        ("-  a b", b"    a b\n"),
        ('-say "x" - it\'s', "say \u201cx\u201d \u2013 it\u2019s\n".encode()),
        ("-a b", "\u00a0a\u00a0b\n".encode()),
    ],
)
def test_a_line_is_found_as_it_is_or_with_other_blanks_dashes_and_quotes(
    line: str, content: bytes
) -> None:
    assert updated(b"first\n" + content + b"last\n", line, "+new") == b"first\nnew\nlast\n"


def test_the_strictest_form_counts_wherever_it_is() -> None:
    assert updated(b"a \nx\na\n", "-a", "+b") == b"a \nx\nb\n"


def test_a_line_that_stays_keeps_the_form_that_it_has_in_the_file() -> None:
    assert updated(b"\tif x: \n\t\ty\n", " if x:", "-y", "+\t\tz") == b"\tif x: \n\t\tz\n"


def test_a_context_line_says_which_of_two_places_is_meant() -> None:
    content = b"class A:\n    x = 1\nclass B:\n    x = 1\n"
    assert updated(content, "@@ class B:", "-    x = 1", "+    x = 2") == (
        b"class A:\n    x = 1\nclass B:\n    x = 2\n"
    )


def test_hunks_come_in_the_order_of_the_file() -> None:
    content = b"a\nb\na\nb\n"
    assert updated(content, "@@", "-a", "+1", "@@", "-a", "+2") == b"1\nb\n2\nb\n"
    assert "after line 4," in refused(content, "@@", "-b", "@@", " a", "-b", "@@", "-a")


def test_lines_that_come_at_the_end_do_not_move_the_place_of_the_next_hunk() -> None:
    assert updated(b"a\nb\n", "@@", "+x", "@@", "-a", "+1", "@@", "+y") == b"1\nb\nx\ny\n"
    assert updated(b"a\nb", "@@", "+x", "@@", "-b", "@@", "+y") == b"a\nx\ny"


def test_a_hunk_of_lines_that_only_stay_says_where_the_next_one_lies() -> None:
    content = b"class A\n x\nclass B\n x\n"
    assert updated(content, "@@", " class B", "@@", "- x", "+ y") == (b"class A\n x\nclass B\n y\n")
    assert "does not fit" in refused(content, "@@", " class C", "@@", "- x", "+ y")


def test_a_line_of_the_file_may_begin_with_the_sign_of_a_hunk() -> None:
    content = b"class A\n  @@count = 0\n  @@limit = 1\n"
    assert updated(content, "@@", "   @@count = 0", "-  @@limit = 1", "+  @@limit = 2") == (
        b"class A\n  @@count = 0\n  @@limit = 2\n"
    )


def test_lines_that_only_come_go_after_their_context_or_to_the_end() -> None:
    assert updated(b"a\nb\n", "@@ a", "+x") == b"a\nx\nb\n"
    assert updated(b"a\nb\n", "+x") == b"a\nb\nx\n"
    assert updated(b"", "+x") == b"x\n"


def test_a_hunk_at_the_end_is_not_taken_for_an_earlier_place() -> None:
    assert updated(b"a\nb\na\n", "-a", "+x", "*** End of File") == b"a\nb\nx\n"
    assert "at its end" in refused(b"a\nb\n", "-a", "+x", "*** End of File")


def test_an_empty_last_line_that_the_file_does_not_have_is_forgiven() -> None:
    assert updated(b"a\nb\n", " a", "-b", "-", "+c") == b"a\nc\n"


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (b"a\r\nb\r\nc\r\n", b"a\r\nx\r\ny\r\nc\r\n"),
        (b"a\nb\nc", b"a\nx\ny\nc"),
        (b"a\r\nb\nc\r\n", b"a\r\nx\r\ny\r\nc\r\n"),
        (b"\xef\xbb\xbfa\nb\nc\n", b"\xef\xbb\xbfa\nx\ny\nc\n"),
        (b"a\nb\nc \xe9\xff\n", b"a\nx\ny\nc \xe9\xff\n"),
        (b"a\nb\n\0\n", b"a\nx\ny\n\0\n"),
        (b"a\nb\n\rc\r\n", b"a\nx\ny\n\rc\r\n"),
    ],
)
def test_ends_marks_and_bytes_of_other_lines_survive(content: bytes, after: bytes) -> None:
    assert updated(content, " a", "-b", "+x", "+y") == after


def test_a_missing_last_newline_stays_missing() -> None:
    assert updated(b"a\nb", "-b", "+c") == b"a\nc"
    assert updated(b"a\nb", " b", "+c") == b"a\nb\nc"
    assert updated(b"a\nb", " a", "-b") == b"a"


def test_a_hunk_that_does_not_fit_shows_what_the_file_has_there() -> None:
    told = refused(b"one\ndef f():\n    return 2\n", " def f():", "-    return 1", "+    return 3")
    assert told.splitlines() == [
        "f: the hunk at line 3 of the patch does not fit. Expected to find:",
        "  def f():",
        "      return 1",
        "The file has from line 2 on:",
        "  def f():",
        "      return 2",
    ]
    assert refused(b"a\n", "-zz").endswith("None of these lines is there; the file has 1 lines.")


def test_a_later_section_continues_what_an_earlier_one_did() -> None:
    text = "*** Add File: n\n+a\n*** Update File: n\n-a\n+b\n*** Update File: f\n-1\n+2\n*** Update File: f\n-2\n+3"
    made, change = changed(text, {"f": b"1\n"})
    assert (made.after, made.kind, change.after) == (b"b\n", "add", b"3\n")
    assert change.diff == "@@ -1,1 +1,1 @@\n-1\n+3\n"


def test_a_moved_file_is_gone_at_its_old_path_and_shown_as_changed_at_its_new_one() -> None:
    old, new = changed("*** Update File: a\n*** Move to: d/b\n-1\n+2", {"a": b"1\n0\n"})
    assert (old.path, old.after) == ("/w/a", None)
    assert (new.path, new.after, new.moved_from) == ("/w/d/b", b"2\n0\n", "/w/a")
    assert new.diff == "@@ -1,2 +1,2 @@\n-1\n+2\n 0\n"


def test_what_changes_nothing_is_left_out() -> None:
    assert changed("*** Add File: f\n+a", {"f": b"a\n"}) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*** Update File: f\n+x", "f: expected a file to update, found none"),
        ("*** Delete File: f", "f: expected a file to delete, found none"),
        ("*** Add File: f\n+x\n*** Delete File: f\n*** Delete File: f", "found none"),
    ],
)
def test_a_file_that_is_not_there_is_named(text: str, told: str) -> None:
    with pytest.raises(BadPatch, match=told):
        changed(text, {})


@pytest.mark.slow
def test_a_file_that_repeats_one_line_costs_a_bounded_number_of_comparisons() -> None:
    hunk = ["@@", *["-a"] * 20_000, "-b", "+c"]
    assert "takes too long" in refused(b"a\n" * 40_000, *hunk)


LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "d\t", "\u201ce\u201d"]), max_size=12)


@st.composite
def edits(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """A file's lines, those after a change, and the hunk that makes the change."""
    old = draw(LINES)
    new: list[str] = []
    hunk: list[str] = []
    for line in old:
        match draw(st.sampled_from(["stay", "stay", "go", "change", "insert"])):
            case "go":
                hunk.append("-" + line)
            case "change":
                hunk += ["-" + line, "+" + line + "!"]
                new.append(line + "!")
            case "insert":
                hunk += ["+new", " " + line]
                new += ["new", line]
            case _:
                hunk.append(" " + line)
                new.append(line)
    return old, new, [*hunk, "+last"]


def inverse(hunk: list[str]) -> list[str]:
    return [line.translate({ord("+"): "-", ord("-"): "+"})[:1] + line[1:] for line in hunk]


@given(edits(), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150)
def test_a_patch_makes_what_it_says_and_its_inverse_brings_the_file_back(
    edit: tuple[list[str], list[str], list[str]], end: str
) -> None:
    old, new, hunk = edit
    content = "".join(line + end for line in old).encode()
    after = "".join(line + (end if old else "\n") for line in [*new, "last"]).encode()
    assert updated(content, "@@", *hunk) == after
    assert updated(after, "@@", *inverse(hunk)) == content


@pytest.mark.slow
@given(edits(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_diff_that_is_shown_is_one_that_patch_1_applies(
    tmp_path_factory: pytest.TempPathFactory,
    edit: tuple[list[str], list[str], list[str]],
    finished: bool,
) -> None:
    old, _, hunk = edit
    content = "\n".join([*old, "z"]) + "\n" * finished
    (change,) = changed(
        "\n".join(["*** Update File: f", *hunk[:-1], " z", hunk[-1]]), {"f": content.encode()}
    )
    folder: Path = tmp_path_factory.mktemp("diff")
    (folder / "f").write_bytes(content.encode())
    diff = f"--- f\n+++ f\n{change.diff}".encode()
    subprocess.run(["git", "apply", "-p0"], input=diff, cwd=folder, check=True)
    assert (folder / "f").read_bytes() == change.after
