"""Methods that only codexd has: export and import of threads."""

from __future__ import annotations

from typing import Final, Literal

import msgspec


class ThreadExportParams(msgspec.Struct, frozen=True, rename="camel"):
    """Write a thread, its ancestors and its blobs into a tar file."""

    thread_id: str
    path: str  # absolute
    force: bool = False  # whether an existing file may be replaced


class ThreadExportResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The file that was written."""

    thread_id: str
    path: str
    size_bytes: int
    logs: int  # the thread's own, and those of its ancestors
    blobs: int


class ThreadImportParams(msgspec.Struct, frozen=True, rename="camel"):
    """Import threads: exported packages, rollouts of Codex, folders of either."""

    paths: tuple[str, ...]  # absolute
    dry_run: bool = False  # report what would be imported, and write nothing


class ImportProblem(msgspec.Struct, frozen=True):
    """A part of a file that was not imported."""

    path: str
    line: int  # 0: the file as a whole
    message: str


class ImportedFile(msgspec.Struct, frozen=True, rename="camel"):
    """The result for a file."""

    path: str
    kind: Literal["package", "rollout"]
    outcome: Literal["imported", "grown", "already_here", "refused"]
    thread_ids: tuple[str, ...] = ()
    events: int = 0  # events that were recorded, or would be
    message: str | None = None  # why it was refused
    problems: tuple[ImportProblem, ...] = ()
    problems_in_all: int = 0  # of which `problems` has the first


class ThreadImportResponse(msgspec.Struct, frozen=True):
    """The result for each file."""

    files: tuple[ImportedFile, ...]


IMPORT_PROGRESS: Final = "thread/import/progress"


class ThreadImportProgressNotification(msgspec.Struct, frozen=True, rename="camel"):
    """The progress of an import; sent only to the client that asked, if it uses cursors."""

    path: str
    read_bytes: int
    size_bytes: int
