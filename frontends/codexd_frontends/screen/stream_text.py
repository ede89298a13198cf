"""Text that arrives in pieces: which part of a piece is new, by its offset. Pure."""

from __future__ import annotations

from codexd_frontends.screen.drawn import GrowingProse


def unseen(delta: str, offset: int | None, have: int) -> tuple[str, int]:
    """The part of `delta` that is new, and how many bytes of the text are here with it.

    `offset` is the end of the delta, in bytes of the whole text; None: right after the text that is here. A delta
    after a gap is ignored: the whole text comes when the item completes.
    """
    encoded = delta.encode()
    if offset is None:
        return delta, have + len(encoded)
    start = offset - len(encoded)
    if start > have or offset <= have:
        return "", have
    return encoded[have - start :].decode(errors="replace"), offset


class GrowingText:
    """A text that is shown in part."""

    def __init__(self) -> None:
        self.shown = ""
        self.drawn = GrowingProse()
        self._have = 0  # bytes

    def grow(self, delta: str, offset: int | None) -> str:
        """The text that a delta adds."""
        new, self._have = unseen(delta, offset, self._have)
        self.shown += new
        return new

    def rest(self, whole: str) -> str | None:
        """The part of the whole that is still to be shown; None if the whole begins otherwise."""
        if not whole.startswith(self.shown):
            return None
        new = whole[len(self.shown) :]
        self.shown = whole
        self._have += len(new.encode())
        return new


# A terminal is not a pager: the first lines show what a command does, the last lines how it ended.
HEAD_LINES = 8
TAIL_LINES = 4
LINE_CHARS_MAX = 400


class GrowingOutput:
    """A command's output: its first lines are shown at once, and its last lines at the end.

    The lines do not depend on how the output is split into deltas.
    """

    def __init__(self) -> None:
        self._have = 0  # bytes
        self._partial = ""
        self._shown = 0  # lines

    def grow(self, delta: str, offset: int | None) -> list[str]:
        """The lines that a delta makes whole, as long as the first lines are not all there."""
        new, self._have = unseen(delta, offset, self._have)
        if self._shown >= HEAD_LINES:
            return []
        *whole, self._partial = (self._partial + new).split("\n")
        lines = whole[: HEAD_LINES - self._shown]
        self._shown += len(lines)
        return [_cut(line) for line in lines]

    def rest(self, output: str) -> list[str]:
        """The lines still to be shown, once the whole output is there."""
        lines = output.removesuffix("\n").split("\n") if output else []
        if len(lines) <= HEAD_LINES + TAIL_LINES:
            rest = lines[self._shown :]
        else:
            left_out = len(lines) - HEAD_LINES - TAIL_LINES
            between = f"… {left_out} more line{'s' if left_out > 1 else ''}"
            rest = [*lines[self._shown : HEAD_LINES], between, *lines[-TAIL_LINES:]]
        self._shown = max(self._shown, len(lines))
        return [_cut(line) for line in rest]


def _cut(line: str) -> str:
    line = line.removesuffix("\r")
    return line if len(line) <= LINE_CHARS_MAX else f"{line[:LINE_CHARS_MAX]}…"
