"""Asks git whether a name means a commit, before a model is asked to look at that commit. I/O, processes."""

from __future__ import annotations

from functools import partial
from typing import Final

from codexd.machine.patience import PATIENCE_SECONDS, NoAnswer, patiently
from codexd.machine.python_child import plain_environment
from codexd.tools.guarded import guarded

# What git says of a repository that it does not read is a line.
REASON_CHARACTERS_MAX: Final = 200


async def why_no_commit(cwd: str, name: str) -> str | None:
    """Why a name is of no commit of the repository that a folder is in; None if it is, or git is not installed."""
    try:
        return await patiently(cwd, partial(_why_no_commit, cwd, name), 2 * PATIENCE_SECONDS)
    except NoAnswer as error:
        return str(error.strerror)


def _why_no_commit(cwd: str, name: str) -> str | None:
    import subprocess  # 20 ms, for reviews alone

    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        asked = subprocess.run(
            words,
            check=False,
            cwd=cwd,
            env=environment_of_git(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )
    except FileNotFoundError as error:
        return None if error.filename == "git" else str(error)
    except subprocess.TimeoutExpired:
        return f"git did not answer within {PATIENCE_SECONDS:g} s"
    except (OSError, ValueError) as error:  # ValueError: the name has a zero.
        return str(error)
    if asked.returncode == 0:
        return None
    return what_git_says(asked.stderr) or "git knows no such commit"


def environment_of_git() -> dict[str, str]:
    """It keeps git from starting what a repository names, and has it speak English."""
    return {**guarded(plain_environment()), "LC_ALL": "C"}


def what_git_says(errors: bytes) -> str:
    """Why git has failed; empty if it does not say."""
    line = errors.decode(errors="replace").strip().partition("\n")[0]
    return line.removeprefix("fatal: ")[:REASON_CHARACTERS_MAX]
