"""Clients get a commit, a branch and a URL, for any text in the files of a repository or in a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.core.events.events import GitHead
from codexd.protocol.threads import GitInfo
from codexd.server.reads.git import git_head, git_info
from trio_test import trio_test

SHA = "0123456789abcdef0123456789abcdef01234567"
EVIL = (
    "root:x:0:0:root:/root:/bin/sh",
    f"{SHA} and more",
    f"{SHA}\x1b[31m",
    SHA[:-1],
    SHA + "0",
    SHA.upper(),
    "\u202e" + SHA[1:],
    SHA.replace("0", "\u0660"),
    "-----BEGIN MADE UP KEY-----\nAAAA\n-----END MADE UP KEY-----",
)
NO_REFS = (
    "refs/heads/a\x1b[31mb",
    "refs/heads/a b",
    "refs/heads/../../../etc/passwd",
    "refs/heads/\u202eniam",
    "refs/heads/a\u200bb",
    "refs/heads/.lock",
    "refs/heads/a.lock",
    "/etc/passwd",
    "HEAD",
    "refs/heads/",
    f"refs/heads/{'a' * 5000}",
)


def repository(folder: Path, head: str, *, ref: str | None = None, packed: str = "") -> None:
    git = folder / ".git"
    (git / "refs/heads").mkdir(parents=True)
    git.joinpath("HEAD").write_text(head)
    git.joinpath("config").write_text('[remote "origin"]\n\turl = https://example.com/a.git\n')
    if ref is not None:
        git.joinpath("refs/heads/main").write_text(ref)
    git.joinpath("packed-refs").write_text(packed)


@pytest.mark.parametrize("text", EVIL)
@trio_test
async def test_no_text_of_a_file_is_reported_as_the_commit(tmp_path: Path, text: str) -> None:
    for number, made in enumerate(
        (
            {"head": text},
            {"head": "ref: refs/heads/main\n", "ref": text},
            {"head": "ref: refs/heads/main\n", "packed": f"{text} refs/heads/main\n"},
        )
    ):
        folder = tmp_path / str(number)
        repository(folder, **made)
        found = await git_head(str(folder))
        assert found is None or found.sha is None, found


@pytest.mark.parametrize("ref", NO_REFS)
@trio_test
async def test_an_invalid_branch_name_is_reported_as_none(tmp_path: Path, ref: str) -> None:
    repository(tmp_path, f"ref: {ref}\n")
    found = await git_head(str(tmp_path))
    assert found is None or (found.sha, found.branch) == (None, None), found


@trio_test
async def test_a_head_that_is_a_link_out_of_the_repository_is_ignored(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SHA)
    repository(tmp_path / "w", "")
    head = tmp_path / "w/.git/HEAD"
    for target in (
        secret,
        Path("../../secret"),
        tmp_path / "none",
        Path("refs/heads/../../../../secret"),
    ):
        head.unlink()
        head.symlink_to(target)
        found = await git_head(str(tmp_path / "w"))
        assert found is None or (found.sha, found.branch) == (None, None), (target, found)


@pytest.mark.parametrize("sha", [SHA, SHA + "0" * 24])
@trio_test
async def test_a_commit_and_its_branch_are_reported(tmp_path: Path, sha: str) -> None:
    repository(tmp_path, "ref: refs/heads/main\n", ref=f"{sha}\n")
    found = await git_head(str(tmp_path))
    assert found == GitHead(sha, "main", "https://example.com/a.git")
    assert git_info(found) == GitInfo(sha, "main", "https://example.com/a.git")


@pytest.mark.parametrize("text", EVIL)
def test_no_text_of_a_log_is_reported_as_a_commit_or_a_branch(text: str) -> None:
    told = git_info(GitHead(text, f"{text}\x07", f"{text}\x07"))
    assert told == GitInfo(None, None, None)


@pytest.mark.parametrize("branch", ["main", "feature/änderung", "refs/remotes/origin/x", "v1.0"])
def test_a_branch_of_a_log_is_reported(branch: str) -> None:
    assert git_info(GitHead(SHA, branch)) == GitInfo(SHA, branch, None)
