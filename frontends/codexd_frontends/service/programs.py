"""Runs the control programs of service managers, and writes their files. Processes, I/O."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.client.exits import UNREACHABLE

# A service that stops lets answers of models come to their ends, which its unit bounds by less than this.
SECONDS_MAX = 120.0


class NoManager(CommandError):
    """There is no service manager that could be asked."""

    exit = UNREACHABLE


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    complaint: str


def run(words: Sequence[str], extra: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end. Raises: NoManager, it is not there or does not end."""
    if shutil.which(words[0]) is None:
        raise NoManager(f"expected the program {words[0]}, found none; nothing was done")
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS_MAX,
            env={**os.environ, **(extra or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoManager(
            f"`{' '.join(words)}` has not ended within {SECONDS_MAX:g} s; whether it was done is not known"
        ) from error
    out, complaint = (text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
    return Done(done.returncode, out, complaint)


def write_unit(path: Path, content: bytes) -> None:
    """Write a file of a manager as a whole, for its user alone. Raises: UsageError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); nothing was started"
        ) from error
