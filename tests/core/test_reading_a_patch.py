"""A patch is read as Codex's dialect has it, with what models write besides; a wrong line is named."""

from __future__ import annotations

import pytest

from codexd.core.patch.dialect import (
    PATCH_BYTES_MAX,
    AddFile,
    BadPatch,
    DeleteFile,
    Hunk,
    Line,
    UpdateFile,
    read_patch,
)

ADD = "*** Add File: a\n+x"


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def hunks(*lines: str) -> tuple[Hunk, ...]:
    (section,) = read_patch(patch("*** Update File: f", *lines))
    assert isinstance(section, UpdateFile)
    return section.hunks


def test_each_kind_of_section_is_read() -> None:
    text = patch(
        "*** Add File: new/a.txt",
        "+one",
        "+",
        "*** Delete File: old.txt",
        "*** Update File: b.txt",
        "*** Move to: c.txt",
        "@@ def f():",
        " stays",
        "-goes",
        "+comes",
        "*** End of File",
    )
    change = Hunk(
        (Line(" ", "stays"), Line("-", "goes"), Line("+", "comes")), ("def f():",), True, 8
    )
    assert read_patch(text) == (
        AddFile("new/a.txt", ("one", "")),
        DeleteFile("old.txt"),
        UpdateFile("b.txt", (change,), "c.txt"),
    )


@pytest.mark.parametrize(
    "text",
    [
        patch(ADD),
        f"\n\n  {patch(ADD)}  \n\n",
        patch(ADD).replace("\n", "\r\n"),
        f"<<'EOF'\n{patch(ADD)}\nEOF\n",
        f'<<"END"\n{patch(ADD)}\nEND',
        f"<<-EOF\n{patch(ADD)}\nEOF",
        f"apply_patch << EOF\n{patch(ADD)}\nEOF",
        patch("  *** Add File:   a  ", "+x", ""),
        patch("", ADD, ""),
    ],
)
def test_blanks_around_markers_and_a_here_document_change_nothing(text: str) -> None:
    assert read_patch(text) == (AddFile("a", ("x",)),)


def test_several_hunks_are_separated_by_their_headers() -> None:
    first, second = hunks("@@", "-a", "+b", "", "@@ class C", "@@ def f", " c", "+d")
    assert (first.lines, first.context) == ((Line("-", "a"), Line("+", "b")), ())
    assert (second.lines, second.context) == (
        (Line(" ", "c"), Line("+", "d")),
        ("class C", "def f"),
    )


def test_the_first_hunk_needs_no_header_and_an_empty_line_is_one_that_stays() -> None:
    (hunk,) = hunks("-a", "", "+b")
    assert hunk.lines == (Line("-", "a"), Line(" ", ""), Line("+", "b"))


def test_numbers_of_a_unified_diff_are_ignored_and_what_follows_them_is_context() -> None:
    first, second = hunks("@@ -1,2 +1,3 @@ def f():", "+a", "@@ -7 +8 @@", "+b")
    assert (first.context, second.context) == (("def f():",), ())


def test_the_indentation_of_a_context_line_is_kept() -> None:
    (hunk,) = hunks("@@     def f(self):", "+a")
    assert hunk.context == ("    def f(self):",)


def test_a_file_may_only_get_another_path() -> None:
    (section,) = read_patch(patch("*** Update File: a", "*** Move to: b"))
    assert section == UpdateFile("a", (), "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected `*** Begin Patch` as the first line, found ''"),
        ("hello", "expected `*** Begin Patch` as the first line, found 'hello'"),
        ("*** Begin Patch", "expected `*** End Patch` as the last line"),
        (f"*** Begin Patch\n{ADD}", "expected `*** End Patch` as the last line, found '+x'"),
        (patch(), "expected at least one file between *** Begin Patch and *** End Patch"),
        (patch("+x"), "line 2 of the patch: expected one of `*** Add File: path`"),
        (patch("*** Add File: "), "line 2: expected a path after `*** Add File:`"),
        (patch("*** Delete File: a\0b"), "line 2: expected a path"),
        (patch("*** Add File: a", "x"), "line 3 of the patch: expected a line of the new file"),
        (patch("*** Update File: a"), "line 2: expected a change of a, found none"),
        (patch("*** Update File: a", "*** Move to:", "+x"), "line 3: expected a path after"),
        (
            patch("*** Update File: a", "@@", "*** Add File: b"),
            "line 3: expected a hunk with lines",
        ),
        (patch("*** Update File: a", "@@", "+x", "y"), "line 5 of the patch: expected a line of"),
        (patch("*** Update File: a", "@@"), "line 3: expected a hunk with lines"),
        (patch("*** Add File: a", "+" + "x" * PATCH_BYTES_MAX), "make the change in parts"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadPatch) as bad:
        read_patch(text)
    assert said in str(bad.value)
    assert len(str(bad.value)) < 400
