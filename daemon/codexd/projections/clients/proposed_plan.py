"""A message of plan mode -> its words, and the plans in it: blocks between tags that stand on lines of their own.

Law: the parts of a text that grows only grow, so that a text may be shown as it comes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.ids import ItemId

OPENING: Final = "<proposed_plan>"
CLOSING: Final = "</proposed_plan>"
# A line that is not known to be a tag is held back; white space around a tag is no longer than this.
HELD_CHARACTERS_MAX: Final = 100

# Which part a piece of text belongs to: 0 is the message, n the nth plan in it.
Part = int


class PlanSplitter(msgspec.Struct):
    """Splits a text that comes in pieces."""

    blocks: int = 0  # that were opened
    inside: bool = False
    line: str = ""  # that may still become a tag
    plain: bool = False  # the rest of the line is text
    blank: str = (
        ""  # white space before the first word of a part, which is text only if a word follows
    )
    begun: frozenset[Part] = frozenset()  # the parts that have a word

    def copy(self) -> PlanSplitter:
        """A copy that does not change when this object does."""
        return msgspec.structs.replace(self)

    def feed(self, piece: str) -> list[tuple[Part, str]]:
        """More of the text: the pieces of the parts in it."""
        found: list[tuple[Part, str]] = []
        for part in _lines(piece):
            self._take(part, found)
        return found

    def finish(self) -> list[tuple[Part, str]]:
        """The text has ended: what was held back."""
        found: list[tuple[Part, str]] = []
        if self.line:
            self._end_line(found)
        return found

    def _take(self, part: str, found: list[tuple[Part, str]]) -> None:
        ends = part.endswith("\n")
        if self.plain:
            self._say(part, found)
            self.plain = not ends
            return
        self.line += part
        if ends:
            self._end_line(found)
        elif not self._may_be_tag():
            self._say(self.line, found)
            self.line, self.plain = "", True

    @property
    def _tag(self) -> str:
        return CLOSING if self.inside else OPENING

    def _may_be_tag(self) -> bool:
        text = self.line.strip()
        if len(self.line) > HELD_CHARACTERS_MAX:
            return False
        return text == self._tag or (self._tag.startswith(text) and self.line.endswith(text))

    def _end_line(self, found: list[tuple[Part, str]]) -> None:
        line, self.line = self.line, ""
        if line.strip() != self._tag or len(line) > HELD_CHARACTERS_MAX:
            self._say(line, found)
            return
        self.inside, self.blank = not self.inside, ""
        self.blocks += self.inside

    def _say(self, text: str, found: list[tuple[Part, str]]) -> None:
        part = self.blocks if self.inside else 0
        if part not in self.begun:
            text = self.blank + text
            words = text.lstrip()
            if not words:
                self.blank = text
                return
            # The first word keeps the indentation of its line.
            text = text[text.rfind("\n", 0, len(text) - len(words)) + 1 :]
            self.begun, self.blank = self.begun | {part}, ""
        found.append((part, text))


def _lines(piece: str) -> list[str]:
    """Lines by their newlines alone: other characters that end lines may stand in a text."""
    lines = piece.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def parts_of_text(text: str, *, ended: bool) -> dict[Part, str]:
    """The parts of a text that have words."""
    splitter, parts = PlanSplitter(), dict[Part, str]()
    for part, piece in [*splitter.feed(text), *(splitter.finish() if ended else [])]:
        parts[part] = parts.get(part, "") + piece
    return parts


def plan_id(item_id: ItemId, part: Part) -> ItemId:
    """The item of a plan, by that of its message."""
    return ItemId(f"{item_id}-plan" if part == 1 else f"{item_id}-plan-{part}")
