"""Prints the branch coverage of each room from what `make coverage` has measured: `python tests/coverage_of_rooms.py`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import PurePath

from checkout import CHECKOUT

MEASURED = CHECKOUT / ".venv" / "coverage.json"


def rooms(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Counter[str]]:
    """Room -> the sums of coverage.py's figures for its files; a package's own line sums those of its rooms."""
    sums: dict[str, Counter[str]] = {}
    for name, measured in sorted(files.items()):
        parts = PurePath(name).parts[1:-1]
        top = 1 if parts[0] == "codexd_eventstore" else 2
        for room in {parts[:top], parts}:
            sums.setdefault("/".join(room), Counter()).update(
                {
                    key: measured["summary"][key]
                    for key in (
                        "num_branches",
                        "covered_branches",
                        "num_statements",
                        "covered_lines",
                    )
                }
            )
    return dict(sorted(sums.items()))


def main() -> None:
    """One line for each room: the share of its branches and of its lines that a test takes."""
    print("branches  lines  (coverage of the quick tests)")
    for room, count in rooms(json.loads(MEASURED.read_bytes())["files"]).items():
        branches = count["covered_branches"] / max(count["num_branches"], 1)
        lines = count["covered_lines"] / max(count["num_statements"], 1)
        print(f"{branches:8.1%} {lines:6.1%}  {room}")


if __name__ == "__main__":
    main()
