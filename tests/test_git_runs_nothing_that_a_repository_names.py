"""A repository's own configuration names programs; a git command that runs unasked starts none of them.

A test first sees that the shell tool does not start the program, because a person is asked or because it is
switched off where nobody is, and then an ordinary shell start it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from codexd.core.policy.approval import needs_approval, repository_in_question
from codexd.core.policy.looked_up import LookedUp
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand
from codexd.machine.repository import git_may_run
from codexd.tools.commits import why_no_commit
from codexd.tools.registry import CallContext
from codexd.tools.shell import Shell
from fixed_environment import FixedEnvironment
from hostile_repositories import BOTH, CASES, HOSTILE, Arrange, Repo, made, run_in_an_ordinary_shell
from kept import SHARED_KEEPER
from screen import Screen
from trio_test import trio_test

PLAIN: Mapping[str, tuple[str, ...]] = {
    "fresh": (),
    "with a remote": (
        "remote.origin.url=git@example.com:x/y.git",
        "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*",
        "branch.main.remote=origin",
        "branch.main.merge=refs/heads/main",
        "branch.main.vscode-merge-base=origin/main",
    ),
    "with the hooks of a package": ("core.hooksPath=.husky/_",),
    "with a key of its own": ("core.sshCommand=ssh -i key", "user.email=b@example.com"),
    "with git's own fsmonitor": ("core.fsmonitor=true", "core.untrackedCache=true"),
    "with signatures": ("commit.gpgSign=true", "user.signingKey=x", "gpg.format=ssh"),
    "with colors": ("color.ui=auto", "diff.colorMoved=zebra", "diff.algorithm=histogram"),
}


ODD: Mapping[str, Callable[[Repo], object]] = {
    "objects elsewhere": lambda repo: repo.write(".git/objects/info/alternates", "/elsewhere\n"),
    "a split index": lambda repo: repo.git("update-index", "--split-index"),
    "an index of rubbish": lambda repo: repo.write(".git/index", "DIRC" + "\x7f" * 400),
    "no index format": lambda repo: repo.write(".git/index", "rubbish"),
    "a work tree elsewhere": lambda repo: repo.set("core.worktree=/"),
    "a pipe for a configuration": lambda repo: _pipe(repo.folder / ".git" / "config"),
    "a pipe for .git": lambda repo: _no_repository(repo, os.mkfifo),
    "a link to nowhere for .git": lambda repo: _no_repository(repo, lambda p: os.symlink("x", p)),
    "a .git that says nothing": lambda repo: _no_repository(repo, Path.touch),
    "an alias": lambda repo: repo.set("alias.x=!ls"),
    "a hook by name": lambda repo: repo.set("hook.x.command=ls", "hook.x.event=post-index-change"),
    "a key of a later git": lambda repo: repo.set("core.later=ls"),
    "a section of a later git": lambda repo: repo.set("later.program=ls"),
    "letters that are none": lambda repo: (repo.folder / ".git" / "config").write_bytes(b"\xff\n"),
    "a byte-order mark": lambda repo: (repo.folder / ".git" / "config").write_bytes(
        b"\xef\xbb\xbf[core]\n"
    ),
    "a section with a dot": lambda repo: (repo.folder / ".git" / "config").write_text(
        "[diff.x]\n\ttextconv = ls\n"
    ),
    "a return in a line": lambda repo: (repo.folder / ".git" / "config").write_bytes(
        b"[user]\n\tname = a\r[diff]\n"
    ),
    "an endless line": lambda repo: (repo.folder / ".git" / "config").write_text(
        "[user]\n\tname =" + " " * (2 << 20)
    ),
}


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _no_repository(repo: Repo, make: Callable[[Path], object]) -> None:
    (repo.folder / ".git").rename(repo.root / "gone")
    make(repo.folder / ".git")


def reason_to_ask(folder: Path, line: str) -> str | None:
    """Why a person is asked about a line in a thread's folder."""
    settings = Settings(str(folder), "m", "p", "untrusted", "workspace-write")
    action = command(folder, line)
    asked = repository_in_question(settings, action, frozenset())
    found = {} if asked is None else {asked: git_may_run(asked)}
    return needs_approval(settings, action, frozenset(), LookedUp(found))


def command(folder: Path, line: str) -> RunCommand:
    return RunCommand(line, ("/bin/sh", "-c", line), str(folder), 20_000)


async def run_unasked(folder: Path, line: str, variables: Mapping[str, str]) -> None:
    """As the shell tool runs what nobody is asked about."""
    shell = Shell(FixedEnvironment(variables), "/bin/sh", SHARED_KEEPER)
    context = CallContext(str(folder), "t", "c", guarded=True)
    await shell.perform(command(folder, line), context, Screen())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arrange", "line"), CASES, ids=[f"{arrange.__name__}-{line}" for arrange, line in CASES]
)
@trio_test
async def test_programs_that_a_repository_names_are_not_started_unasked(
    arrange: Arrange, line: str, tmp_path: Path
) -> None:
    _, asked = HOSTILE[arrange]
    repo = made(tmp_path)
    arrange(repo)
    repo.marker.unlink(missing_ok=True)
    for name in ("HEAD", "1" * 40):  # A partial clone lacks the second one.
        await why_no_commit(str(repo.folder), name)
        assert not repo.marker.exists()
    reason = reason_to_ask(repo.folder, line)
    assert (reason is not None) is asked, reason
    if not asked or arrange in BOTH:
        await run_unasked(repo.folder, line, repo.environment)
        assert not repo.marker.exists()
    run_in_an_ordinary_shell(repo, line)
    if not repo.marker.exists():
        pytest.skip("this git does not start it in any case")


def test_the_table_of_hostile_repositories_states_its_count() -> None:
    assert (len(HOSTILE), len(CASES)) == (29, 48)


@pytest.mark.slow
@trio_test
async def test_a_program_of_the_folders_own_is_not_taken_for_a_reader(tmp_path: Path) -> None:
    """Where a profile has put `.` or nothing into $PATH."""
    repo = made(tmp_path)
    for name in ("ls", "git", "cat"):
        (repo.folder / name).symlink_to(repo.program)
    for start in (".:", ":", "./bin:", ""):
        variables = repo.environment
        variables["PATH"] = f"{start}{variables['PATH']}"
        await run_unasked(repo.folder, "ls; cat a.txt; git status", variables)
        assert not repo.marker.exists()
    variables["PATH"] = "."
    await run_unasked(repo.folder, "ls; cat a.txt; git status", variables)
    assert not repo.marker.exists()
    run_in_an_ordinary_shell(repo, "PATH=.:$PATH; ls")
    assert repo.marker.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLAIN)
def test_reading_in_a_plain_repository_is_not_asked_about(kind: str, tmp_path: Path) -> None:
    repo = made(tmp_path)
    repo.set(*PLAIN[kind])
    for line in ("git status", "git log -p", "git diff HEAD", "git blame a.txt", "git branch -vv"):
        assert reason_to_ask(repo.folder, line) is None


@pytest.mark.slow
def test_nor_in_its_worktrees_its_folders_and_repositories_of_other_formats(tmp_path: Path) -> None:
    repo = made(tmp_path)
    repo.git("worktree", "add", "-q", "../other")
    assert git_may_run(str(tmp_path / "other")) is None
    (repo.folder / "a" / "b").mkdir(parents=True)
    assert git_may_run(str(repo.folder / "a" / "b")) is None
    assert git_may_run(str(tmp_path)) is None  # in none at all
    for version in ("3", "4"):
        repo.git("update-index", "--index-version", version)
        repo.write("a.txt", f"{version}\n")
        assert git_may_run(str(repo.folder)) is None
    sha256 = Repo(tmp_path, tmp_path / "sha256")
    sha256.folder.mkdir()
    sha256.git("init", "-q", "--object-format=sha256")
    sha256.write("a.txt", "one\n")
    sha256.write("b" * 200, "two\n")
    sha256.commit("one")
    assert git_may_run(str(sha256.folder)) is None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("objects", ["sha1", "sha256"])
def test_a_submodule_is_found_in_an_index_of_any_format(
    version: str, objects: str, tmp_path: Path
) -> None:
    repo = Repo(tmp_path, tmp_path / "work")
    made(tmp_path, "unused")
    repo.folder.mkdir()
    repo.git("init", "-q", f"--object-format={objects}")
    for number in range(300):
        repo.write(f"{'d' * (number % 90)}/{number}", "x" * 57344 if number == 7 else "x")
    repo.git("add", "-A")
    repo.git("update-index", "--index-version", version)
    assert git_may_run(str(repo.folder)) is None
    link = "1" * (40 if objects == "sha1" else 64)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{link},zzz")
    assert git_may_run(str(repo.folder)) == "has submodules, whose own configuration git obeys"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_a_repository_of_another_shape_is_asked_about(kind: str, tmp_path: Path) -> None:
    repo = made(tmp_path)
    ODD[kind](repo)
    reason = git_may_run(str(repo.folder))
    assert reason is not None
    assert reason.isprintable()
    assert len(reason) < 120


def test_a_repositorys_odd_key_names_are_not_drawn(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".git"
    for name in ("objects", "refs"):
        (folder / name).mkdir(parents=True)
    (folder / "HEAD").touch()
    (folder / "config").write_text(f"[x{'y' * 300}]\nz = 1\n")
    assert git_may_run(str(tmp_path)) == "sets a key, which could start a program"
    (folder / "config").write_text('[filter "\u202e evil \u200b"]\nclean = x\n')
    assert git_may_run(str(tmp_path)) == "sets filter.clean, which could start a program"
