"""Every line that runs unasked is run, in each shell of this machine that commands may run in: no file changes.

The folder is full of files whose names are options, separators and patterns.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from codexd.core.shell.read_only_commands import is_read_only
from codexd.tools.guarded import guarded
from hostile_repositories import Repo, made

LINES = (Path(__file__).parent / "core" / "tricky_lines" / "reads.txt").read_text().splitlines()
SHELLS = {
    "sh": ("sh", "-c"),
    "bash": ("bash", "-c"),
    "dash": ("dash", "-c"),
    "zsh": ("zsh", "-f", "-c"),
    "ksh": ("ksh", "-c"),
    "mksh": ("mksh", "-c"),
    "busybox": ("busybox", "sh", "-c"),
}
NAMES = ("-oout", "--pre=x", "--output=x", "-exec", ";", "+", "a -delete", "-file", "a file", "b")


def full_of_traps(root: Path) -> Repo:
    repo = made(root)
    for name in (*NAMES, "README.md", "image.png", "package.json", "src/a.py", "src/dev/notes"):
        repo.write(name, "{}\n")
    repo.commit("traps")
    repo.make_stale()
    return repo


def everything_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """Each file with its kind, which file it is, and the time of the last change to it, which no program can set."""
    found: dict[str, tuple[int, ...]] = {}
    for path, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(f"{path}/{name}")
            found[f"{path}/{name}"] = (status.st_mode, status.st_ino, status.st_ctime_ns)
        found[path] = (os.lstat(path).st_mode,)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_no_line_of_the_table_changes_a_file_in_any_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"there is no {shell} here")
    repo = full_of_traps(tmp_path)
    before = everything_in(tmp_path)
    for line in LINES:
        assert is_read_only(line)
        subprocess.run(
            (*SHELLS[shell], line),
            cwd=repo.folder,
            env=guarded(repo.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert everything_in(tmp_path) == before, line
