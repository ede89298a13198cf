"""What a person should know and need not act on: said once in a thread, however often it comes up."""

from __future__ import annotations

from codexd.core.events.base import Fact

# So many are remembered as said; a thread that has more of them may say an old one again.
WARNED_KEPT_MAX = 64


class ThreadWarned(Fact, frozen=True):
    """The daemon noticed something that a person should know."""

    type = "thread.warned"
    about: str  # what it is about, in a word that stays the same
    message: str


def remembered(warned: tuple[str, ...], about: str) -> tuple[str, ...]:
    """What was said, with this."""
    return (*warned, about)[-WARNED_KEPT_MAX:]
