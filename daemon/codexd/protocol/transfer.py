"""Methods that codexd has beside the original's: taking a thread along, and bringing threads in."""

from __future__ import annotations

from typing import Literal

import msgspec


class ThreadExportParams(msgspec.Struct, frozen=True, rename="camel"):
    """Write a thread, what it was forked from and its blobs into a file, which any `tar` can list."""

    thread_id: str
    path: str  # absolute
    force: bool = False  # whether a file that is there may be replaced


class ThreadExportResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What was written."""

    thread_id: str
    path: str
    size_bytes: int
    logs: int  # the thread's own, and those of what it was forked from
    blobs: int


class ThreadImportParams(msgspec.Struct, frozen=True, rename="camel"):
    """Bring in threads: packages that were exported, rollouts of the original, folders of either."""

    paths: tuple[str, ...]  # absolute
    dry_run: bool = False  # say what would come of it, and write nothing


class ImportProblem(msgspec.Struct, frozen=True):
    """Something of a file that was not taken over."""

    path: str
    line: int  # 0: the file as a whole
    message: str


class ImportedFile(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a file."""

    path: str
    kind: Literal["package", "rollout"]
    outcome: Literal["imported", "grown", "already_here", "refused"]
    thread_ids: tuple[str, ...] = ()
    events: int = 0  # that were recorded, or would be
    message: str | None = None  # why it was refused
    problems: tuple[ImportProblem, ...] = ()
    problems_in_all: int = 0  # the first of which are told


class ThreadImportResponse(msgspec.Struct, frozen=True):
    """What became of each file."""

    files: tuple[ImportedFile, ...]


class ThreadImportProgressNotification(msgspec.Struct, frozen=True, rename="camel"):
    """How far an import is; only who asked for it is told, where it reads with a cursor."""

    path: str
    read_bytes: int
    size_bytes: int
