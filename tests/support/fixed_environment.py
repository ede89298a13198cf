"""The environment of commands as a test wants it, without a login shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio


class FixedEnvironment:
    """The same variables for each command."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    @property
    def look(self) -> tuple[str, Callable[[], object]]:
        return "nowhere", bool

    def known(self, turn_id: str) -> Mapping[str, str]:
        return self._variables

    async def variables(self, turn_id: str, looked: object = None) -> Mapping[str, str]:
        await trio.lowlevel.checkpoint()
        return self._variables
