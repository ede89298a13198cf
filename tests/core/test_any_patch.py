"""Any text as a patch, and patches of whole trees: an error or the change that was meant, and the inverse takes it back."""

from __future__ import annotations

import difflib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.patch.changes import changes_of, paths_of
from codexd.core.patch.dialect import BadPatch, read_patch

pytestmark = pytest.mark.slow

Tree = dict[str, tuple[str, ...]]
NAMES = ("a", "b.py", "d/c", "d/e f")

PIECES = st.sampled_from(
    [
        *("*** Begin Patch", "*** End Patch", "*** Add File: a", "*** Delete File: b"),
        *(
            "*** Update File: a",
            "*** Move to: c",
            "*** End of File",
            "@@",
            "@@ def x",
            "@@ -1 +1 @@",
        ),
        *(
            "+new",
            "-old",
            " same",
            "",
            "\\ No newline at end of file",
            "<<EOF",
            "EOF",
            "diff --git",
        ),
    ]
)
TEXTS = st.one_of(
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12).map("\n".join),
    st.lists(PIECES, max_size=10).map(
        lambda lines: "\n".join(["*** Begin Patch", *lines, "*** End Patch"])
    ),
)


@given(TEXTS, st.dictionaries(st.sampled_from("abc"), st.binary(max_size=30)))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_patch_or_a_bad_one_and_nothing_else(
    text: str, files: dict[str, bytes]
) -> None:
    try:
        sections = read_patch(text)
    except BadPatch:
        return
    before = {path: files.get(path.removeprefix("/w/")) for path in paths_of(sections, "/w")}
    with suppress(BadPatch):
        for change in changes_of(sections, "/w", before):
            assert before[change.path] == change.before


@st.composite
def trees(draw: st.DrawFn) -> tuple[Tree, Tree, dict[str, str]]:
    """A tree, another, and which files of the first are at another path in the second."""
    old: Tree = {}
    new: Tree = {}
    moved: dict[str, str] = {}
    for name in NAMES:
        # Each line is there once, so that it is clear which place is meant.
        lines = tuple(f"{name} {n}" for n in range(draw(st.integers(1, 25))))
        fate = draw(st.sampled_from(["stay", "change", "add", "delete", "move", "none"]))
        if fate not in ("add", "none"):
            old[name] = lines
        if fate == "add" or fate == "stay":
            new[name] = lines
        if fate in ("change", "move"):
            to = name if fate == "change" else f"moved/{name}"
            new[to] = changed_lines(draw, lines)
            moved[name] = to
    return old, new, moved


def changed_lines(draw: st.DrawFn, lines: tuple[str, ...]) -> tuple[str, ...]:
    made: list[str] = []
    for line in lines:
        match draw(st.sampled_from(["stay", "stay", "stay", "go", "change", "insert"])):
            case "go":
                pass
            case "change":
                made.append(f"{line}!")
            case "insert":
                made += [f"before {line}", line]
            case _:
                made.append(line)
    return tuple(made) or ("all is new",)


def sections(old: Tree, new: Tree, moved: dict[str, str]) -> list[str]:
    """The lines of a patch from one tree to the other."""
    patch: list[str] = []
    for path, lines in old.items():
        to = moved.get(path, path)
        if to not in new:
            patch.append(f"*** Delete File: {path}")
            continue
        hunks = [
            ("@@" if line.startswith("@@") else line)
            for line in difflib.unified_diff(lines, new[to], n=3, lineterm="")
        ][2:]
        if to != path or hunks:
            patch += [f"*** Update File: {path}", *([f"*** Move to: {to}"] * (to != path)), *hunks]
    for path in new.keys() - old.keys() - set(moved.values()):
        patch += [f"*** Add File: {path}", *(f"+{line}" for line in new[path])]
    return patch


def applied(tree: Tree, patch: list[str]) -> Tree:
    files = {path: "".join(f"{line}\n" for line in lines).encode() for path, lines in tree.items()}
    read = read_patch("\n".join(["*** Begin Patch", *patch, "*** End Patch"]))
    before = {path: files.get(path.removeprefix("/w/")) for path in paths_of(read, "/w")}
    for change in changes_of(read, "/w", before):
        name = change.path.removeprefix("/w/")
        files.pop(name, None)
        if change.after is not None:
            files[name] = change.after
    return {path: tuple(content.decode().splitlines()) for path, content in files.items()}


@given(trees())
@settings(max_examples=150, deadline=None)
def test_a_patch_makes_one_tree_of_another_and_its_inverse_takes_it_back(
    made: tuple[Tree, Tree, dict[str, str]],
) -> None:
    old, new, moved = made
    there = sections(old, new, moved)
    if not there:
        return
    assert applied(old, there) == new
    back = sections(new, old, {to: path for path, to in moved.items()})
    assert applied(new, back) == old
