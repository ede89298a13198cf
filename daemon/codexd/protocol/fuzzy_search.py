"""The params and results of `fuzzyFileSearch` and its sessions: files by some letters of their paths."""

from __future__ import annotations

from typing import Literal

import msgspec


class FuzzyFileSearchParams(msgspec.Struct, frozen=True, rename="camel"):
    """Search the folders for files and folders whose paths have the letters of a query, in their order."""

    query: str
    roots: tuple[str, ...]  # absolute folders; one that cannot be read has no files
    cancellation_token: str | None = None  # a search ends an earlier one with the same token


class FuzzyFileSearchResult(msgspec.Struct, frozen=True, rename={"kind": "match_type"}):
    """A file or folder that was found."""

    root: str
    path: str  # from the root
    kind: Literal["file", "directory"]
    file_name: str
    score: int  # higher is better
    indices: tuple[int, ...] | None = None  # of the characters of `path` that matched, ascending


class FuzzyFileSearchResponse(msgspec.Struct, frozen=True):
    """The best, the best first; nothing for an empty query, and for a search that a later one has ended."""

    files: tuple[FuzzyFileSearchResult, ...]


class FuzzyFileSearchSessionStartParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the folders once, for several queries."""

    session_id: str  # the client's own name for it; a session of the same name is replaced
    roots: tuple[str, ...]


class FuzzyFileSearchSessionStartResponse(msgspec.Struct, frozen=True):
    """It was begun."""


class FuzzyFileSearchSessionUpdateParams(msgspec.Struct, frozen=True, rename="camel"):
    """Search what was listed; a query that comes before the last is answered takes its place."""

    session_id: str
    query: str


class FuzzyFileSearchSessionUpdateResponse(msgspec.Struct, frozen=True):
    """It will be searched for."""


class FuzzyFileSearchSessionStopParams(msgspec.Struct, frozen=True, rename="camel"):
    """End a session."""

    session_id: str


class FuzzyFileSearchSessionStopResponse(msgspec.Struct, frozen=True):
    """It has ended, or there was none."""


class FuzzyFileSearchSessionUpdatedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """What a query of a session has found."""

    session_id: str
    query: str
    files: tuple[FuzzyFileSearchResult, ...]


class FuzzyFileSearchSessionCompletedNotification(msgspec.Struct, frozen=True, rename="camel"):
    """All was searched for the last query."""

    session_id: str
