"""What a daemon tells of a thread beside its turns: what it does just now, and where its past comes from."""

from __future__ import annotations

import msgspec


class ImportedFrom(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Where the past of a thread comes from that its daemon did not write."""

    origin: str = ""
    path: str | None = None
    at: int | None = None  # None: it was not taken in yet
    dropped: tuple[str, ...] = ()

    def words(self) -> str:
        """The same in a line for people."""
        if self.origin == "log":
            place = "records that this daemon did not write"
        else:
            place = f"{self.origin} {self.path or ''}".rstrip()
        return "; ".join((place, *self.dropped))


class ThreadStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Whether a thread runs, and whether it waits for somebody."""

    type: str = "notLoaded"
    active_flags: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """One word for a list."""
        if "waitingOnApproval" in self.active_flags:
            return "approval"
        return {"notLoaded": "", "active": "running", "systemError": "error"}.get(
            self.type, self.type
        )
