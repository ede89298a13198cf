"""`make bench`: what the store costs, each figure beside what it is measured against in the same run.

Every figure is a ratio or an added time, because disks differ a hundredfold; nothing here is asserted. The
folder must lie on the disk that is meant, which a temporary folder often does not: `python -m bench FOLDER`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import trio

from bench import committing, following, indexing, opening, reading
from bench.table import Table
from codexd_eventstore.log.committer import SWITCH_SECONDS
from codexd_eventstore.operations.jsonl import open_jsonl_store

PARTS = {
    "committing": committing.run,
    "reading": reading.run,
    "following": following.run,
    "indexing": indexing.run,
    "opening": opening.run,
}


async def measure(folder: Path, parts: list[str]) -> Table:
    """The parts named, in a store of their own."""
    table = Table()
    async with open_jsonl_store(folder / "home", state_dir=folder / "state") as store:
        for part in parts:
            await PARTS[part](table, store, folder)
    return table


def main() -> None:
    """Measure, and print the table for the page of figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("folder", nargs="?", default=".", help="where to write (default: here)")
    parser.add_argument("--only", default=",".join(PARTS), help="the parts to run, with commas")
    arguments = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)  # as the daemon does
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        table = trio.run(measure, Path(made), arguments.only.split(","))
    print()
    print(table.markdown())


if __name__ == "__main__":
    main()
