"""The params and results of lists of what a folder brings with it: hooks and skills. codexd reads neither."""

from __future__ import annotations

import msgspec


class HooksListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the hooks of folders."""

    cwds: tuple[str, ...] | None = (
        None  # null or empty: the thread's folder, else that of new threads
    )
    thread_id: str | None = None


class HooksListEntry(msgspec.Struct, frozen=True):
    """The hooks of a folder."""

    cwd: str
    hooks: tuple[msgspec.Raw, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[msgspec.Raw, ...] = ()


class HooksListResponse(msgspec.Struct, frozen=True):
    """An entry for each folder."""

    data: tuple[HooksListEntry, ...]


class SkillsListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the skills of folders."""

    cwds: tuple[str, ...] | None = None  # null or empty: that of new threads


class SkillsListEntry(msgspec.Struct, frozen=True):
    """The skills of a folder."""

    cwd: str
    skills: tuple[msgspec.Raw, ...] = ()
    errors: tuple[msgspec.Raw, ...] = ()


class SkillsListResponse(msgspec.Struct, frozen=True):
    """An entry for each folder."""

    data: tuple[SkillsListEntry, ...]
