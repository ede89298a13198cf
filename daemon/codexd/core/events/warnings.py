"""Warnings for people, each recorded once in a thread."""

from __future__ import annotations

from codexd.core.events.base import Fact

# How many warnings are remembered; a thread with more may repeat an old one.
WARNED_KEPT_MAX = 64


class ThreadWarned(Fact, frozen=True):
    """A warning for the person."""

    type = "thread.warned"
    about: str  # a stable key of the warning
    message: str


def remembered(warned: tuple[str, ...], about: str) -> tuple[str, ...]:
    """The remembered warnings, with this one added."""
    return (*warned, about)[-WARNED_KEPT_MAX:]
