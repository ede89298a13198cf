"""What a working tree has that no remote has, without a program that its repository names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codexd.tools.remote_diff import NEW_FILES_MAX, NoDiff, RemoteDiff, diff_to_remote
from trio_test import trio_test


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    found = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
    return found.stdout.decode().strip()


def commit(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    git(folder, "add", name)
    git(folder, "commit", "-qm", name)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    """A clone with one commit that its remote has."""
    git(tmp_path, "init", "-q", "there")
    commit(tmp_path / "there", "a", "one\n")
    git(tmp_path, "clone", "-q", "there", "here")
    return tmp_path / "here"


@trio_test
async def test_it_is_what_was_committed_changed_and_added_since(cloned: Path) -> None:
    pushed = git(cloned, "rev-parse", "HEAD")
    assert await diff_to_remote(str(cloned)) == RemoteDiff(pushed, "")
    commit(cloned, "b", "two\n")
    (cloned / "a").write_text("changed\n")
    (cloned / "sub").mkdir()
    (cloned / "sub" / "new file").write_text("three\n")
    found = await diff_to_remote(str(cloned / "sub"))
    assert found.sha == pushed
    assert all(
        line in found.diff for line in ("+two", "-one", "+changed", "+three", "+++ b/sub/new file")
    )


@trio_test
async def test_what_has_no_answer_says_why(cloned: Path, tmp_path: Path) -> None:
    with pytest.raises(NoDiff, match="expected a remote branch"):
        await diff_to_remote(str(tmp_path / "there"))
    (tmp_path / "plain").mkdir()
    with pytest.raises(NoDiff, match="git"):
        await diff_to_remote(str(tmp_path / "plain"))
    git(cloned, "checkout", "-q", "--orphan", "own")
    commit(cloned, "c", "own\n")
    with pytest.raises(NoDiff, match="expected a commit that a remote has"):
        await diff_to_remote(str(cloned))
    git(cloned, "checkout", "-q", "main")
    for n in range(NEW_FILES_MAX + 1):
        (cloned / f"n{n}").touch()
    with pytest.raises(NoDiff, match=f"expected at most {NEW_FILES_MAX} files"):
        await diff_to_remote(str(cloned))


@trio_test
async def test_no_program_of_the_repository_is_started(cloned: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (cloned / ".gitattributes").write_text("* diff=evil filter=evil\n")
    (cloned / "a").write_text("changed\n")
    git(cloned, "config", "core.pager", f"touch {ran}")
    assert "+changed" in (await diff_to_remote(str(cloned))).diff
    for key in ("diff.evil.textconv", "filter.evil.clean"):
        git(cloned, "config", key, f"touch {ran}; cat")
        with pytest.raises(NoDiff, match="git was not run, since its repository sets"):
            await diff_to_remote(str(cloned))
        git(cloned, "config", "--unset", key)
    assert not ran.exists()
