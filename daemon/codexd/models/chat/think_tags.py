"""A text that begins with reasoning in tags, cut into the two as it streams; sans-IO.

Models with open weights write `<think>…</think>` and then the answer, and not every server takes the tags
out. Only the beginning of a text counts: later such tags are text.
"""

from __future__ import annotations

from typing import Final, Literal

OPENING: Final = "<think>"
CLOSING: Final = "</think>"

Side = Literal["reasoning", "text"]


class ThinkTags:
    """Follows one text, in pieces of any size."""

    def __init__(self) -> None:
        self._state: Literal["beginning", "within", "behind", "text"] = "beginning"
        self._held = ""  # what may be a part of a tag
        self._blank: list[str] = []  # white space that nothing has followed yet

    def feed(self, piece: str) -> list[tuple[Side, str]]:
        """The text that is certain after this piece."""
        if self._state == "text":
            return [("text", piece)]
        if not self._held and self._state != "within" and not piece.strip():
            self._blank.append(piece)
            return []
        self._held = "".join([*self._blank, self._held, piece])
        self._blank.clear()
        found: list[tuple[Side, str]] = []
        if self._state == "beginning":
            self._begin(found)
        if self._state == "within":
            self._think(found)
        if self._state == "behind" and (text := self._held.lstrip()):
            self._state, self._held = "text", ""
            found.append(("text", text))
        return found

    def end(self) -> list[tuple[Side, str]]:
        """The text that was held back, at the end."""
        held, self._held = self._held, ""
        if not held.strip():
            return []
        return [("reasoning" if self._state == "within" else "text", held)]

    def _begin(self, found: list[tuple[Side, str]]) -> None:
        begun = self._held.lstrip()
        if begun.startswith(OPENING):
            self._state, self._held = "within", begun.removeprefix(OPENING).lstrip("\n")
        elif not OPENING.startswith(begun):
            found.append(("text", self._held))
            self._state, self._held = "text", ""

    def _think(self, found: list[tuple[Side, str]]) -> None:
        thought, closing, rest = self._held.partition(CLOSING)
        if closing:
            self._state, self._held = "behind", rest
        else:
            kept = _beginning_of(CLOSING, thought)
            thought, self._held = thought[: len(thought) - kept], thought[len(thought) - kept :]
        if thought:
            found.append(("reasoning", thought))


def _beginning_of(tag: str, text: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
