"""A daemon whose answers and pages may have a sixteenth of their bytes: the program of a child process.

What a bound does is then seen at a sixteenth of the cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

from codexd.__main__ import main
from codexd.server.reads import answer_size

PROGRAM = (str(Path(__file__)),)
ANSWER_BYTES_MAX = answer_size.ANSWER_BYTES_MAX // 16
PAGE_BYTES_MAX = answer_size.PAGE_BYTES_MAX // 16

if __name__ == "__main__":  # Who uses the bounds is imported once the daemon serves.
    answer_size.ENTRIES_BYTES_MAX = ANSWER_BYTES_MAX - answer_size.REST_BYTES_MAX // 16
    answer_size.ANSWER_BYTES_MAX = ANSWER_BYTES_MAX
    answer_size.PAGE_BYTES_MAX = PAGE_BYTES_MAX
    sys.exit(main())
