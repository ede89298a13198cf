"""What a repository has that no remote has: the newest commit that one has, and the difference to it. I/O, processes.

Git runs in an environment in which it starts no program that the repository names; a repository for which that cannot
be promised is not looked at.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from codexd.machine.patience import NoAnswer, patiently
from codexd.machine.repository import git_may_run
from codexd.tools.commits import REASON_CHARACTERS_MAX, environment_of_git, what_git_says

# A day's work is a part of that; an answer of this size fits a message.
DIFF_BYTES_MAX: Final = 4 * 1024 * 1024
# New files, each of which takes a process.
NEW_FILES_MAX: Final = 256
# A large repository takes some seconds.
SECONDS_MAX: Final = 30.0
_DIFF: Final = ("diff", "--no-textconv", "--no-ext-diff", "--no-color")


class NoDiff(Exception):
    """There is no such difference. The message says why."""


class RemoteDiff(msgspec.Struct, frozen=True):
    """The difference of a working tree to a commit that a remote has."""

    sha: str
    diff: str


async def diff_to_remote(folder: str) -> RemoteDiff:
    """The difference of the working tree that a folder is in, new files included. Raises: NoDiff."""
    try:
        return await patiently(folder, partial(_diff_to_remote, folder), SECONDS_MAX)
    except NoAnswer as error:
        raise NoDiff(str(error.strerror)) from error


def _diff_to_remote(folder: str) -> RemoteDiff:
    why = git_may_run(folder)
    if why is not None:
        raise NoDiff(f"git was not run, since its repository {why}")
    root = _git(folder, "rev-parse", "--show-toplevel").removesuffix("\n")
    sha = _newest_of_a_remote(root)
    pieces = [_git(root, *_DIFF, sha, "--")]
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")[:-1]
    if len(new) > NEW_FILES_MAX:
        raise NoDiff(
            f"expected at most {NEW_FILES_MAX} files that git does not track, found {len(new)}"
        )
    left = DIFF_BYTES_MAX - len(pieces[0].encode())
    for name in new:
        # It says with 1 that there is a difference.
        pieces.append(
            _git(root, *_DIFF, "--binary", "--no-index", "--", "/dev/null", name, ok=(0, 1))
        )
        left -= len(pieces[-1].encode())
        if left < 0:
            raise _too_large()
    return RemoteDiff(sha, "".join(pieces))


def _newest_of_a_remote(root: str) -> str:
    """The newest commit of HEAD's past that a remote has, as far as the repository knows."""
    if not _git(root, "for-each-ref", "--count=1", "refs/remotes"):
        raise NoDiff("expected a remote branch in the repository, found none")
    past = ("rev-list", "--first-parent", "--boundary", "HEAD", "--not", "--remotes")
    lines = _git(root, *past).splitlines()
    if not lines:
        return _git(root, "rev-parse", "HEAD").strip()
    known = next((line[1:] for line in lines if line.startswith("-")), None)
    if known is None:
        raise NoDiff("expected a commit that a remote has in the past of HEAD, found none")
    return known


def _git(folder: str, *words: str, ok: tuple[int, ...] = (0,)) -> str:
    """What git prints. Raises: NoDiff."""
    import subprocess  # 20 ms, for this method alone
    import tempfile

    try:
        with (
            tempfile.TemporaryFile() as problems,
            subprocess.Popen(
                ["git", *words],
                cwd=folder,
                env=environment_of_git(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=problems,
            ) as process,
        ):
            assert process.stdout is not None
            said = process.stdout.read(DIFF_BYTES_MAX + 1)
            if len(said) > DIFF_BYTES_MAX:
                process.kill()
                raise _too_large()
            code = process.wait()
            problems.seek(0)
            problem = problems.read(REASON_CHARACTERS_MAX)
    except FileNotFoundError as error:
        raise NoDiff("git is not installed") from error
    except OSError as error:
        raise NoDiff(f"git was not run: {error.strerror}") from error
    if code not in ok:
        raise NoDiff(what_git_says(problem) or f"git ended with exit code {code}")
    return said.decode(errors="replace")


def _too_large() -> NoDiff:
    return NoDiff(f"expected a difference of at most {DIFF_BYTES_MAX} bytes, found more")
