"""How much is measured: all of it, or so little that it says nothing, and only shows that everything still runs."""

from __future__ import annotations

import os
from typing import Final

TINY: Final = "CODEXD_BENCH_TINY" in os.environ


def scaled(whole: int, tiny: int) -> int:
    """How many of something."""
    return tiny if TINY else whole
