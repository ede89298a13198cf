"""What the model was told of its surroundings and still knows: a fresh one means that it knows nothing of them."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ContextAdded
from codexd.core.values.agents_md import SOME_INSTRUCTIONS
from codexd.core.values.environment import TurnEnvironment


class KnownContext(msgspec.Struct, frozen=True):
    """What stands in the model's history and need not be said again."""

    environment: TurnEnvironment | None = None  # None: nothing, or nobody can say what
    instructions: str | None = None  # the digest of the user instructions
    developer: bool = False  # the thread's developer instructions

    def heard(self, event: ContextAdded) -> KnownContext:
        """The same after this was told."""
        match event.category:
            case "environment":
                return replace(self, environment=event.environment)
            case "user_instructions":
                return replace(self, instructions=event.digest or SOME_INSTRUCTIONS)
            case "developer":
                return replace(self, developer=True)
            case _:
                return self
