"""Which calls of a simulated file system fail, and how: the n-th of those that are counted, once or from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# The calls that a full disk can fail.
FILLING = frozenset({"create", "write", "make_folder", "rename", "sync", "sync_folder", "truncate"})
# The calls that a broken disk, or an interrupted one, can fail. Closing tells nothing that was not known.
ANY = FILLING | {"open", "read", "unlink", "remove_folder", "state", "fd_state", "entries"}


class Faults(Protocol):
    """What a simulated file system asks in front of each call."""

    def number_of(self, kind: str, path: str) -> int | None:
        """The errno to fail this call with; None to do it."""

    def part_written(self, size: int) -> int:
        """How many of a failed write's bytes get into the file all the same."""


class NoFaults:
    """All calls are done."""

    def number_of(self, kind: str, path: str) -> int | None:
        """None."""
        return None

    def part_written(self, size: int) -> int:
        """Nothing: see `Faults`."""
        return 0


class FaultAt:
    """The n-th call of these kinds fails, counted from when `start` was called; or all from there on."""

    def __init__(
        self,
        nth: int,
        number: int,
        *,
        kinds: frozenset[str] = ANY,
        goes_on: bool = False,
        writes_part: float = 0.0,
        concerns: Callable[[str], bool] = lambda path: True,
    ) -> None:
        self.calls = 0
        self.failed = 0
        self._nth = nth
        self._number = number
        self._kinds = kinds
        self._goes_on = goes_on
        self._writes_part = writes_part
        self._concerns = concerns
        self._counts = False

    def start(self) -> None:
        """Count from here."""
        self._counts = True

    def stop(self) -> None:
        """Fail nothing any more."""
        self._counts = False

    def number_of(self, kind: str, path: str) -> int | None:
        """See `Faults`."""
        if not self._counts or kind not in self._kinds or not self._concerns(path):
            return None
        self.calls += 1
        if self.calls == self._nth or (self._goes_on and self.calls > self._nth):
            self.failed += 1
            return self._number
        return None

    def part_written(self, size: int) -> int:
        """See `Faults`."""
        return int(size * self._writes_part)
