"""How another Python process of ours is started: deaf to the working directory and to PYTHON* variables.

They stay in the environment of the daemon: the commands that it runs are the person's, and so are they.
"""

from __future__ import annotations

import os
import site
import sys
from typing import Final

# What a process needs that works on files for the daemon: where programs, files and words are. No keys.
_PLAIN: Final = frozenset({"CODEXD_HOME", "HOME", "LANG", "PATH", "TMPDIR", "TZ"})


def plain_environment() -> dict[str, str]:
    """The environment of a child that needs nothing of the person's: everybody of this user can read it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PLAIN or name.startswith("LC_")
    }


def python_command(module: str) -> tuple[str, ...]:
    """The beginning of a command that runs a module of ours."""
    # What is installed for one user alone is not found with -I (site.USER_SITE); in a .venv that is off.
    deaf = ("-E", "-P") if site.ENABLE_USER_SITE else ("-I",)
    return (sys.executable, *deaf, "-m", module)
