"""How another Python process of ours is started: deaf to the working directory and to PYTHON* variables.

The variables stay in its environment: the commands that the daemon runs are the person's, and so are they.
"""

from __future__ import annotations

import site
import sys


def python_command(module: str) -> tuple[str, ...]:
    """The beginning of a command that runs a module of ours."""
    # What is installed for one user alone is not found with -I (site.USER_SITE); in a .venv that is off.
    deaf = ("-E", "-P") if site.ENABLE_USER_SITE else ("-I",)
    return (sys.executable, *deaf, "-m", module)
