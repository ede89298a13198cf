"""The threads in the named files, and the other files that they need. I/O."""

from __future__ import annotations

import filecmp
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
from codexd.protocol.transfer import ImportedFile


def refused(path: Path, message: str) -> ImportedFile:
    """A file that cannot be imported."""
    return ImportedFile(str(path), "rollout", "refused", message=message)


class ImportPlan(msgspec.Struct):
    """The threads to import, and the refused files."""

    packages: list[Path] = []
    threads: dict[
        str, list[RolloutFile]
    ] = {}  # by the id in Codex; the files of each thread, the oldest first
    refused: list[ImportedFile] = []


def plan(paths: Sequence[str]) -> ImportPlan:
    """Read the heads of all files. Parents are searched for beside their forks."""
    planned, seen = ImportPlan(), set[Path]()
    for named in paths:
        found = files_under(Path(named))
        if not found:
            missing = f"{named}: expected rollouts or packages in this folder, found none"
            planned.refused.append(refused(Path(named), missing))
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
    for source_id, sources in planned.threads.items():
        sources.sort(key=lambda source: (text_of(source.meta.get("timestamp")), source.path.name))
        planned.threads[source_id] = _without_copies(planned, sources)
    return planned


def _without_copies(planned: ImportPlan, sources: list[RolloutFile]) -> list[RolloutFile]:
    """A thread's files: one from its beginning, the longest of several, and those that continue it."""
    whole = [source for source in sources if not source.is_segment]
    if len(whole) < 2:
        return sources
    kept = max(whole, key=lambda source: (source.path.suffix != ".zst", source.path.stat().st_size))
    for source in whole:
        if source is not kept and not filecmp.cmp(source.path, kept.path, shallow=False):
            message = (
                f"{source.path}: expected one file of thread {source.source_id}, found {kept.path} too, "
                f"which is longer and was imported: this file was not imported"
            )
            planned.refused.append(refused(source.path, message))
    return [source for source in sources if source is kept or source.is_segment]


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
        planned.refused.append(refused(path, str(problem)))
        return
    planned.threads.setdefault(source.source_id, []).append(source)
    if source.is_segment:  # A segment alone has no beginning.
        for other in _homes(path):
            for rollout in rollouts_of(other, source.source_id):
                _add(planned, rollout, seen)


def _needed(sources: list[RolloutFile]) -> list[str]:
    return [
        source.base_id for source in sources if source.base_id is not None and not source.is_segment
    ]


def _beside(planned: ImportPlan, beside: Path, source_id: str) -> list[Path]:
    paths = {source.path for sources in planned.threads.values() for source in sources} | {beside}
    homes = {home for path in paths for home in _homes(path)}
    return sorted({found for home in homes for found in rollouts_of(home, source_id)})


def _homes(path: Path) -> list[Path]:
    """The folders with the threads of the same home; for a file outside a home, its own folder."""
    for folder in path.parents:
        if folder.name in ("sessions", "archived_sessions"):
            beside = (folder.parent / "sessions", folder.parent / "archived_sessions")
            return [folder for folder in beside if folder.is_dir()]
    return [path.parent]
