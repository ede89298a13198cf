"""What a thread is called where nobody named it: the same line for every frontend, made of its preview."""

from __future__ import annotations

from codexd.core.events.title import TITLE_CHARACTERS_MAX, title_of

__all__ = ["TITLE_CHARACTERS_MAX", "title_of"]
