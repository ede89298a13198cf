"""Which threads the named files hold, and which other files those need. I/O."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from codexd.importing.rollout.lines import text_of
from codexd.importing.sources import (
    RolloutFile,
    UnreadableSource,
    files_under,
    kind_of,
    peek,
    rollouts_of,
)


class Refusal(msgspec.Struct, frozen=True):
    """A file that cannot be imported."""

    path: Path
    message: str


class ImportPlan(msgspec.Struct):
    """What is to be imported."""

    packages: list[Path] = []
    threads: dict[
        str, list[RolloutFile]
    ] = {}  # by the id there; the files of each, the oldest first
    refused: list[Refusal] = []


def plan(paths: Sequence[str]) -> ImportPlan:
    """Look at the heads of all files. Parents are found beside their forks, or found missing."""
    planned, seen = ImportPlan(), set[Path]()
    for named in paths:
        found = files_under(Path(named))
        if not found:
            missing = f"{named}: expected rollouts or packages in this folder, found none"
            planned.refused.append(Refusal(Path(named), missing))
        for path in found:
            _add(planned, path, seen)
    wanted = [id_ for sources in planned.threads.values() for id_ in _needed(sources)]
    while wanted:
        needed = wanted.pop()
        if needed in planned.threads:
            continue
        beside = next(iter(planned.threads.values()))[0].path
        for path in _beside(planned, beside, needed):
            _add(planned, path, seen)
        wanted += _needed(planned.threads.get(needed, []))
    for sources in planned.threads.values():
        sources.sort(key=lambda source: (text_of(source.meta.get("timestamp")), source.path.name))
    return planned


def _add(planned: ImportPlan, path: Path, seen: set[Path]) -> None:
    if path in seen:
        return
    seen.add(path)
    try:
        if kind_of(path) == "package":
            planned.packages.append(path)
            return
        source = peek(path)
    except UnreadableSource as problem:
        planned.refused.append(Refusal(path, str(problem)))
        return
    planned.threads.setdefault(source.source_id, []).append(source)
    if source.is_segment:  # Taken alone, it has no beginning.
        for other in _homes(path):
            for one in rollouts_of(other, source.source_id):
                _add(planned, one, seen)


def _needed(sources: list[RolloutFile]) -> list[str]:
    return [
        source.base_id for source in sources if source.base_id is not None and not source.is_segment
    ]


def _beside(planned: ImportPlan, beside: Path, source_id: str) -> list[Path]:
    paths = {source.path for sources in planned.threads.values() for source in sources} | {beside}
    homes = {home for path in paths for home in _homes(path)}
    return sorted({found for home in homes for found in rollouts_of(home, source_id)})


def _homes(path: Path) -> list[Path]:
    """The folders in which the threads of the same home lie; for a stray file its own."""
    for folder in path.parents:
        if folder.name in ("sessions", "archived_sessions"):
            beside = (folder.parent / "sessions", folder.parent / "archived_sessions")
            return [one for one in beside if one.is_dir()]
    return [path.parent]
