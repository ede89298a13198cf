"""Starts Python child processes that ignore the working directory and PYTHON* variables.

The daemon's own environment keeps these variables, since it is the environment of the person's commands.
"""

from __future__ import annotations

import os
import site
import sys
from typing import Final

# The variables that a child process for work on files needs: paths and locale. No keys.
_PLAIN: Final = frozenset({"CODEXD_HOME", "HOME", "LANG", "PATH", "TMPDIR", "TZ"})


def plain_environment() -> dict[str, str]:
    """A minimal environment for a child process; every process of this user can read it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PLAIN or name.startswith("LC_")
    }


def python_command(module: str) -> tuple[str, ...]:
    """The beginning of a command that runs a module of ours."""
    # With -I, packages of the user (site.USER_SITE) are not found; in a .venv that is off anyway.
    deaf = ("-E", "-P") if site.ENABLE_USER_SITE else ("-I",)
    return (sys.executable, *deaf, "-m", module)
