"""The title of a thread without a name, made from its preview: the same in every frontend."""

from __future__ import annotations

from codexd.core.events.title import TITLE_CHARACTERS_MAX, title_of

__all__ = ["TITLE_CHARACTERS_MAX", "title_of"]
