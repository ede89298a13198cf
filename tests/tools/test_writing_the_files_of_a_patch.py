"""The files of a patch are written all or none: also if the process is killed, or a person edits one meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import doomed_patch
from codexd.core.values.tool_actions import PatchedFile
from codexd.tools.patch_files import (
    CannotPatch,
    LedAway,
    content_of,
    finish_patch,
    missing_folders,
    print_of,
    write_patch,
)
from doomed_patch import TREES, killed_at


def wanted(path: Path, before: bytes | None, after: bytes | None) -> PatchedFile:
    return PatchedFile(str(path), print_of(before), print_of(after), "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kills_min"), [("texts", 100), ("kinds", 50)])
def test_a_kill_at_any_operation_leaves_each_file_old_or_new_and_finishing_makes_all_alike(
    tmp_path: Path, name: str, kills_min: int
) -> None:
    folder = tmp_path / "tree"
    old, new = TREES[name]
    run = [sys.executable, doomed_patch.__file__, str(folder), name]
    kills = subprocess.run(run, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(kills) > kills_min
    lefts = []
    for edited, left, came, has_folder in map(json.loads, kills):
        for path in {*old, *new}:
            assert left.get(path) in (old.get(path), new.get(path)), left
        ends = [old, new]
        if edited:
            ends = [{**end, "e": "640 a person's"} for end in ends]
        assert came in ends, (left, came)
        assert has_folder == any(path.startswith("x/") for path in came)
        lefts.append(left)
    # Each file has been the only one, of those that change, that was new, or was still old.
    changed = [path for path in {*old, *new} if old.get(path) != new.get(path)]
    states = {frozenset(p for p in changed if left.get(p) == new.get(p)) for left in lefts}
    assert {len(state) for state in states} >= set(range(len(changed) + 1))


def test_nothing_is_written_if_a_file_has_changed_since(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"edited")
    with pytest.raises(CannotPatch, match=r"changed since the patch was read: .*/b"):
        write_patch(
            [wanted(a, b"1", b"2"), wanted(b, b"1", b"2")], {str(a): b"2", str(b): b"2"}, [], "t"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert a.read_bytes() == b"1"


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    a = tmp_path / "a"
    a.write_bytes(b"1")
    new = Path("/proc/none/b")
    folders = missing_folders([str(tmp_path / "made" / "c"), str(new)])
    assert folders == [str(tmp_path / "made"), "/proc/none"]
    with pytest.raises(CannotPatch, match="/proc/none"):
        write_patch(
            [wanted(a, b"1", b"2"), wanted(new, None, b"3")],
            {str(a): b"2", str(new): b"3"},
            folders,
            "t",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert a.read_bytes() == b"1"


def test_what_was_never_begun_is_said_to_be_so(tmp_path: Path) -> None:
    a = tmp_path / "a"
    a.write_bytes(b"1")
    with pytest.raises(CannotPatch, match="interrupted before the first file was changed"):
        finish_patch([wanted(a, b"1", b"2")], [], "t")


def test_a_link_stays_a_link_and_the_mode_of_the_file_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"1")
    real.chmod(0o751)
    link.symlink_to("real")
    write_patch([wanted(link, b"1", b"2")], {str(link): b"2"}, [], "t")
    assert (os.readlink(link), real.read_bytes(), real.stat().st_mode & 0o777) == (
        "real",
        b"2",
        0o751,
    )
    write_patch([wanted(link, b"2", None)], {}, [], "t")
    assert (link.is_symlink(), real.read_bytes()) == (False, b"2")


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    for path, said in (
        ("pipe", "expected a file, found a pipe"),
        ("", "found a folder"),
        ("large", "expected a file of at most 8388608 bytes"),
        ("large/below", "Not a directory"),
    ):
        with pytest.raises(CannotPatch, match=said):
            content_of(str(tmp_path / path))
    assert content_of(str(tmp_path / "none")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="a folder is held by its descriptor on Linux")
@pytest.mark.parametrize("before", [None, b"whole"])
def test_a_folder_that_becomes_a_link_meanwhile_leads_no_file_elsewhere(
    tmp_path: Path, before: bytes | None
) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for place in (folder, elsewhere):
        place.mkdir()
        if before is not None:
            (place / "file").write_bytes(before)
    write = wanted(folder / "file", before, b"new")

    def swapped(path: str, real: str) -> bool:
        folder.rename(tmp_path / "moved")
        folder.symlink_to(elsewhere)
        return path == real

    write_patch([write], {write.path: b"new"}, [], "t", swapped)
    assert (tmp_path / "moved" / "file").read_bytes() == b"new"
    assert [path.read_bytes() for path in elsewhere.iterdir()] == (
        [] if before is None else [before]
    )
    # It is a link by now, and leads where it did not lead when the patch was read.
    with pytest.raises(CannotPatch, match="symbolic links on the way to it have changed"):
        write_patch(
            [wanted(folder / "other", None, b"x")],
            {str(folder / "other"): b"x"},
            [],
            "t",
            lambda path, real: path == real,
        )
    assert not (elsewhere / "other").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="a folder is held by its descriptor on Linux")
def test_a_folder_that_became_a_link_after_a_crash_leads_no_file_elsewhere(tmp_path: Path) -> None:
    one, two, elsewhere = (tmp_path / name for name in ("one", "two", "elsewhere"))
    writes = [wanted(one / "a", b"1", b"2"), wanted(two / "b", b"1", b"2")]
    for folder, name in ((one, "a"), (two, "b")):
        folder.mkdir()
        (folder / name).write_bytes(b"1")

    def write() -> None:
        write_patch(writes, {write.path: b"2" for write in writes}, [], "t")

    def half_done() -> bool:
        return ((one / "a").read_bytes(), (two / "b").read_bytes()) == (b"2", b"1")

    # Killed before the first file is changed, it leaves what the next run replaces.
    assert any(killed_at(at, tmp_path, write) and half_done() for at in range(1, 40))
    two.rename(elsewhere)
    two.symlink_to(elsewhere)
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    with pytest.raises(LedAway, match=r"/two/b$"):
        finish_patch(writes, [], "t", lambda path, real: path == real)
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {"a": b"1"}


def test_a_folder_that_is_gone_after_a_crash_takes_the_patch_back(tmp_path: Path) -> None:
    writes = [wanted(tmp_path / "a", b"1", b"2"), wanted(tmp_path / "x" / "b", None, b"2")]
    (tmp_path / "a").write_bytes(b"2")
    (tmp_path / ".a.t.old").write_bytes(b"1")
    with pytest.raises(CannotPatch, match=r"changed since the patch was read: .*/x/b"):
        finish_patch(writes, [], "t")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1"}
