"""`collaborationMode/list`: the modes that a client may choose."""

from __future__ import annotations

import msgspec

from codexd.core.values.settings import ModeKind


class CollaborationModeListParams(msgspec.Struct, frozen=True):
    """List the modes."""


class CollaborationModeMask(msgspec.Struct, frozen=True):
    """What choosing a mode changes; null: nothing. The names are not camelCase on the wire."""

    name: str
    mode: ModeKind
    model: str | None = None
    reasoning_effort: str | None = None


class CollaborationModeListResponse(msgspec.Struct, frozen=True):
    """The modes, as Codex lists them."""

    data: tuple[CollaborationModeMask, ...]
