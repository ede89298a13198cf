"""`make chaos`: kills the daemon at every call of a fixed piece of work and of a recovery, and crowds at random.

    python -m chaos                      a short run: some scenarios of each kind
    python -m chaos --scenarios 1000     a long run
    python -m chaos work/sync/3/after    one scenario again
    python -m chaos --write PAGE         write the figures into a page of the documentation

Ends with code 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trio

from chaos.run import Tally, run_all, run_some
from chaos.scenarios import named

BEGIN, END = "<!-- chaos: written by `make chaos` -->", "<!-- chaos: end -->"


def main() -> int:
    """Run, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios by name")
    parser.add_argument("--scenarios", type=int, default=24, help="how many (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default: 2)")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin none after so many"
    )
    parser.add_argument("--write", type=Path, help="the page to write the figures into")
    arguments = parser.parse_args()
    if arguments.names:
        tally = trio.run(run_some, [named(name) for name in arguments.names], arguments.jobs)
    else:
        tally = trio.run(
            run_all, arguments.scenarios, arguments.seed, arguments.jobs, arguments.minutes
        )
    print(tally.text())
    if arguments.write is not None:
        _write(arguments.write, tally)
    return 1 if tally.broken else 0


def _write(page: Path, tally: Tally) -> None:
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{tally.text()}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
