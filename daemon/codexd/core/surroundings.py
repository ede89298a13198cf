"""What a decision may ask of the world beside the thread's own past: looked up by whoever calls `decide`.

Law: the answers that matter later are written into the events, so that nothing is asked again at a replay.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from codexd.core.limits import Limits
from codexd.core.settings import Settings


def _unknown(_: Settings) -> Limits:
    return Limits()


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The world as it is while something is decided."""

    limits: Callable[[Settings], Limits] = _unknown


NOWHERE = Surroundings()
