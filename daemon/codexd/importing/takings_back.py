"""Turns that were taken back in a rollout by a line that says how many: which lines do not count. Pure."""

from __future__ import annotations

from codexd.importing.kinds import user_parts
from codexd.importing.lines import Line, text_of


class TakenBack:
    """The fold over all lines of a rollout in which turns were taken back."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self._turns: list[int] = []  # the first lines of the turns that stand
        self._begun: int | None = None  # where a turn was said to begin, before its words

    def apply(self, line: Line) -> None:
        """Take the next line in."""
        kind = text_of(line.payload.get("type"))
        if line.type == "event_msg" and kind in ("task_started", "turn_started"):
            self._begun = line.number
        elif line.type == "event_msg" and kind == "thread_rolled_back":
            self._take_back(line)
        elif line.type == "response_item" and _by_person(line):
            self._turns.append(self._begun or line.number)
            self._begun = None

    def _take_back(self, line: Line) -> None:
        count = line.payload.get("num_turns")
        gone = self._turns[-count:] if isinstance(count, int) and count > 0 else []
        if gone:
            del self._turns[-len(gone) :]
            self.spans.append((gone[0], line.number))


def _by_person(line: Line) -> bool:
    item = line.payload
    return item.get("role") == "user" and any(p.whose == "person" for p in user_parts(item))
