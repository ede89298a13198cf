"""Where a program is that a command names, before anything is started. I/O."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Final

from codexd.exec.ports import NoFolder
from codexd.machine.patience import NoAnswer, patiently

# As the C library has it, for an environment without PATH.
PATH_DEFAULT: Final = "/bin:/usr/bin"


def check_folder(cwd: str) -> None:
    """That a command can start in a folder. It may hang: call it in a thread. Raises: NoFolder."""
    if not os.path.isdir(cwd):
        raise NoFolder("does not exist (any more)")
    if not os.access(cwd, os.X_OK):
        raise NoFolder("may not be entered")


async def look_at(cwd: str) -> None:
    """As `check_folder`, before the keeper waits for the folder, and all its processes with it. Raises: NoFolder."""
    try:
        await patiently(cwd, partial(check_folder, cwd))
    except NoAnswer as error:
        raise NoFolder("does not answer") from error


async def why_not_found(program: str, cwd: str, env: Mapping[str, str]) -> str | None:
    """Why a program is not found by its name in an environment, or at its path from a folder; None if it is there."""
    try:
        return await patiently(cwd, partial(_why_not_found, program, cwd, env.get("PATH")))
    except NoAnswer:
        return None  # Whoever starts it will see.


def _why_not_found(program: str, cwd: str, path: str | None) -> str | None:
    if "/" in program:
        place = os.path.join(cwd, program)
        if _may_run(place):
            return None
        found = os.path.exists(place)
        return f"{program} is {'not an executable file' if found else 'not there'}"
    path = PATH_DEFAULT if path is None else path
    # An empty part of PATH is the working folder of the command, as a relative part starts there.
    if any(_may_run(os.path.join(cwd, folder, program)) for folder in path.split(":")):
        return None
    return f"{program} is in no folder of PATH ({path})"


def _may_run(place: str) -> bool:
    return os.path.isfile(place) and os.access(place, os.X_OK)
