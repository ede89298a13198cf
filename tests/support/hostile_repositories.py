"""Real repositories whose configuration names a program, each by another of git's ways, and plain ones.

repo = made(tmp_path)
external_diff(repo)      # `git diff` now starts `repo.program`, which leaves `repo.marker` behind
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

SIGNED = """tree {tree}
author a <a@example.com> 0 +0000
committer a <a@example.com> 0 +0000
gpgsig -----BEGIN {kind} SIGNATURE-----
 
 bm90IG9uZQ==
 -----END {kind} SIGNATURE-----

signed
"""


class Repo(msgspec.Struct, frozen=True):
    """A repository with one commit, the program that its configuration may name, and what that leaves behind."""

    root: Path
    folder: Path

    @property
    def marker(self) -> Path:
        return self.root / "it-ran"

    @property
    def program(self) -> str:
        return str(self.root / "program")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH",)}
        return kept | {
            "HOME": str(self.root / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
            "PAGER": "cat",
        }

    def git(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(
            ("git", *arguments),
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def set(self, *assignments: str) -> None:
        """Lines such as `core.fsmonitor=PROGRAM`, in the repository's own configuration."""
        for assignment in assignments:
            key, _, value = assignment.partition("=")
            self.git("config", key, value.replace("PROGRAM", self.program))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def make_stale(self, name: str = "a.txt") -> None:
        """As changed, as far as the index can tell without reading it."""
        os.utime(self.folder / name, (1_000_000_000, 1_000_000_000))


def made(root: Path, folder: str = "work") -> Repo:
    repo = Repo(root, root / folder)
    (root / "home").mkdir(exist_ok=True)
    (root / "home" / ".gitconfig").write_text(
        '[user]\n\tname = a\n\temail = a@example.com\n[protocol "file"]\n\tallow = always\n'
    )
    Path(repo.program).write_text(f"#!/bin/sh\necho ran >>'{repo.marker}'\nexit 1\n")
    Path(repo.program).chmod(0o755)
    repo.folder.mkdir()
    repo.git("init", "-q")
    repo.write("a.txt", "one\n")
    repo.commit("one")
    return repo


def with_submodule(repo: Repo) -> Repo:
    """A repository with another one in the folder `sub`; that one."""
    inner = made(repo.root, "inner")
    repo.git("submodule", "--quiet", "add", str(inner.folder), "sub")
    repo.git("commit", "-qm", "submodule")
    return Repo(repo.root, repo.folder / "sub")


def run_in_an_ordinary_shell(repo: Repo, line: str) -> None:
    subprocess.run(
        line,
        shell=True,
        cwd=repo.folder,
        env=repo.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
    )


# What each does to a repository so that the lines start its program.


def fsmonitor(repo: Repo) -> None:
    repo.set("core.fsmonitor=PROGRAM")


def index_hook(repo: Repo) -> None:
    hook = repo.folder / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.symlink_to(repo.program)
    repo.make_stale()


def hooks_path(repo: Repo) -> None:
    repo.write("hooks/post-index-change", f"#!/bin/sh\n{repo.program}\n")
    (repo.folder / "hooks" / "post-index-change").chmod(0o755)
    repo.set("core.hooksPath=hooks")
    repo.make_stale()


def clean_filter(repo: Repo) -> None:
    repo.write(".gitattributes", "*.txt filter=x\n")
    repo.set("filter.x.clean=PROGRAM")
    repo.make_stale()


def process_filter(repo: Repo) -> None:
    repo.write(".git/info/attributes", "*.txt filter=x\n")
    repo.set("filter.x.process=PROGRAM")
    repo.make_stale()


def textconv(repo: Repo) -> None:
    repo.write(".gitattributes", "*.txt diff=x\n")
    repo.write("a.txt", "two\n")
    repo.commit("two")
    repo.write("a.txt", "three\n")
    repo.set("diff.x.textconv=PROGRAM")


def diff_driver(repo: Repo) -> None:
    repo.write(".gitattributes", "*.txt diff=x\n")
    repo.write("a.txt", "two\n")
    repo.set("diff.x.command=PROGRAM")


def external_diff(repo: Repo) -> None:
    repo.write("a.txt", "two\n")
    repo.set("diff.external=PROGRAM")


def _signed(repo: Repo, kind: str) -> None:
    text = SIGNED.format(tree=repo.git("rev-parse", "HEAD^{tree}"), kind=kind)
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", text=text)
    repo.git("reset", "-q", "--soft", commit)


def shown_signature(repo: Repo) -> None:
    _signed(repo, "PGP")
    repo.set("log.showSignature=true", "gpg.program=PROGRAM")


def shown_x509_signature(repo: Repo) -> None:
    text = SIGNED.format(tree=repo.git("rev-parse", "HEAD^{tree}"), kind="PGP")
    text = text.replace("BEGIN PGP SIGNATURE", "BEGIN SIGNED MESSAGE")
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", text=text)
    repo.git("reset", "-q", "--soft", commit)
    repo.set("log.showSignature=true", "gpg.x509.program=PROGRAM")


def shown_ssh_signature(repo: Repo) -> None:
    _signed(repo, "SSH")
    repo.write("signers", "")
    repo.set("log.showSignature=true", "gpg.ssh.program=PROGRAM")
    repo.set(f"gpg.ssh.allowedSignersFile={repo.folder / 'signers'}")


def signature_in_the_usual_format(repo: Repo) -> None:
    _signed(repo, "PGP")
    repo.set("format.pretty=mine", "pretty.mine=%h %+G?", "gpg.program=PROGRAM")


def _side_branches(repo: Repo) -> None:
    repo.git("checkout", "-qb", "side")
    repo.write("a.txt", "side\n")
    repo.commit("side")
    repo.git("checkout", "-q", "-")
    repo.write("a.txt", "main\n")
    repo.commit("main")
    repo.git("merge", "-q", "-s", "ours", "-m", "merged", "side")


def merge_driver(repo: Repo) -> None:
    _side_branches(repo)
    repo.write(".git/info/attributes", "*.txt merge=x\n")
    repo.set("log.diffMerges=remerge", "merge.x.driver=PROGRAM")


def included(repo: Repo) -> None:
    repo.write(
        "more", f"[core]\n\tfsmonitor = {repo.program}\n[diff]\n\texternal = {repo.program}\n"
    )
    repo.set("include.path=../more")
    repo.write("a.txt", "two\n")


def included_if(repo: Repo) -> None:
    repo.write("more", f"[diff]\n\texternal = {repo.program}\n")
    repo.set("includeIf.gitdir:**.path=../more")
    repo.write("a.txt", "two\n")


def worktree_config(repo: Repo) -> None:
    repo.set("extensions.worktreeConfig=true")
    repo.write(".git/config.worktree", f"[diff]\n\texternal = {repo.program}\n")
    repo.write("a.txt", "two\n")


def _lacking(repo: Repo, *assignments: str) -> None:
    """A partial clone that lacks an older text of a file."""
    repo.write("a.txt", "two\n")
    repo.commit("two")
    gone = repo.git("rev-parse", "HEAD~1:a.txt")
    (repo.folder / ".git" / "objects" / gone[:2] / gone[2:]).unlink()
    repo.set("core.repositoryFormatVersion=1", "extensions.partialClone=origin")
    repo.set(
        "remote.origin.promisor=true", "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*"
    )
    repo.set(*assignments)


def ssh_of_a_partial_clone(repo: Repo) -> None:
    _lacking(repo, "remote.origin.url=ssh://example.com/x", "core.sshCommand=PROGRAM")


def server_of_a_partial_clone(repo: Repo) -> None:
    _lacking(repo, f"remote.origin.url={repo.folder}", "remote.origin.uploadpack=PROGRAM")


def external_protocol_of_a_partial_clone(repo: Repo) -> None:
    _lacking(repo, "remote.origin.url=ext::PROGRAM", "protocol.ext.allow=always")


def proxy_of_a_partial_clone(repo: Repo) -> None:
    _lacking(repo, "remote.origin.url=git://example.com/x", "core.gitProxy=PROGRAM")


def fsmonitor_of_a_submodule(repo: Repo) -> None:
    with_submodule(repo).set("core.fsmonitor=PROGRAM")


def filter_of_a_submodule(repo: Repo) -> None:
    inner = with_submodule(repo)
    inner.write(".gitattributes", "*.txt filter=x\n")
    inner.set("filter.x.clean=PROGRAM")
    inner.make_stale()


def textconv_of_a_submodule(repo: Repo) -> None:
    inner = with_submodule(repo)
    inner.write(".gitattributes", "*.txt diff=x\n")
    inner.set("diff.x.textconv=PROGRAM")
    inner.write("a.txt", "other\n")
    repo.set("diff.submodule=diff")


def repository_that_nobody_calls_a_submodule(repo: Repo) -> None:
    inner = Repo(repo.root, repo.folder / "sub")
    inner.folder.mkdir()
    inner.git("init", "-q")
    inner.write("a.txt", "one\n")
    inner.commit("one")
    repo.git("-c", "advice.addEmbeddedRepo=false", "add", "sub")
    repo.git("commit", "-qm", "sub")
    inner.set("core.fsmonitor=PROGRAM")


def bare_repository_around(repo: Repo) -> None:
    """The folder has no .git, and is one."""
    shown_signature(repo)
    for path in list((repo.folder / ".git").iterdir()):
        path.rename(repo.folder / path.name)
    (repo.folder / ".git").rmdir()


def broken_repository_inside_of_another(repo: Repo) -> None:
    """A `.git` that is none sends git on to what stands around it."""
    bare_repository_around(repo)
    (repo.folder / ".git").mkdir()


def repository_by_a_file(repo: Repo) -> None:
    external_diff(repo)
    (repo.folder / ".git").rename(repo.folder / "data")
    repo.write(".git", "gitdir: data\n")


def upper_case_and_in_one_line(repo: Repo) -> None:
    repo.write("a.txt", "two\n")
    config = repo.folder / ".git" / "config"
    config.write_text(f"{config.read_text()}[DIFF] External = {repo.program}\n")


def behind_a_continued_line(repo: Repo) -> None:
    repo.write("a.txt", "two\n")
    config = repo.folder / ".git" / "config"
    config.write_text(
        f"{config.read_text()}[user]\n\tname = a\\\n\\\n\n[diff]\n# \\\n\texternal = {repo.program}\n"
    )


Arrange = Callable[[Repo], None]
# The lines that start the program in an ordinary shell, and whether a person is asked about them here.
HOSTILE: Mapping[Arrange, tuple[tuple[str, ...], bool]] = {
    fsmonitor: (("git status", "git diff", "git ls-files -m"), False),
    index_hook: (("git status",), False),
    hooks_path: (("git status",), False),
    clean_filter: (("git status", "git diff", "git ls-files -m"), True),
    process_filter: (("git status",), True),
    textconv: (("git log -p", "git show", "git diff", "git blame a.txt"), True),
    diff_driver: (("git diff",), True),
    external_diff: (("git diff", "git --no-pager diff --stat -p"), True),
    shown_signature: (
        ("git log", "git show", "git log --oneline", "git stash list; git log"),
        True,
    ),
    shown_x509_signature: (("git log",), True),
    shown_ssh_signature: (("git log",), True),
    signature_in_the_usual_format: (("git log", "git show"), True),
    merge_driver: (("git log -m -p", "git show -m"), True),
    included: (("git diff", "git status"), True),
    included_if: (("git diff",), True),
    worktree_config: (("git diff",), True),
    ssh_of_a_partial_clone: (("git log -p", "git show HEAD~1", "git blame a.txt"), True),
    server_of_a_partial_clone: (("git log -p", "git show HEAD~1:a.txt"), True),
    external_protocol_of_a_partial_clone: (("git log -p",), True),
    proxy_of_a_partial_clone: (("git log -p",), True),
    fsmonitor_of_a_submodule: (("git status", "git diff"), True),
    filter_of_a_submodule: (("git status",), True),
    textconv_of_a_submodule: (("git diff",), True),
    repository_that_nobody_calls_a_submodule: (("git status",), True),
    bare_repository_around: (("git log", "git show"), True),
    broken_repository_inside_of_another: (("git log",), True),
    repository_by_a_file: (("git diff",), True),
    upper_case_and_in_one_line: (("git diff",), True),
    behind_a_continued_line: (("git diff",), True),
}
CASES = [(arrange, line) for arrange, (lines, _) in HOSTILE.items() for line in lines]
# With these a program is started by keys that the environment overrides; the rest of them is why a person is
# asked. They are run as if nobody were, so that each protection holds alone.
BOTH = {
    arrange
    for arrange in HOSTILE
    if arrange.__name__.startswith(("shown_", "fsmonitor", "repository_that", "signature"))
    or arrange.__name__.endswith("_partial_clone")
    or arrange in (merge_driver, textconv_of_a_submodule, index_hook, hooks_path)
}
