"""The context that the model's history has."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ContextAdded
from codexd.core.values.agents_md import SOME_INSTRUCTIONS
from codexd.core.values.environment import TurnEnvironment
from codexd.core.values.settings import Collaboration


class KnownContext(msgspec.Struct, frozen=True):
    """The context in the model's history, which need not be sent again."""

    environment: TurnEnvironment | None = None  # None: none, or unknown
    instructions: str | None = None  # the digest of the user instructions
    developer: bool = False  # the thread's developer instructions
    collaboration: Collaboration = Collaboration()  # the default needs no words

    def after(self, event: ContextAdded) -> KnownContext:
        match event.category:
            case "environment":
                return replace(self, environment=event.environment)
            case "user_instructions":
                return replace(self, instructions=event.digest or SOME_INSTRUCTIONS)
            case "developer" if event.collaboration is not None:
                return replace(self, collaboration=event.collaboration)
            case "developer":
                return replace(self, developer=True)
            case _:
                return self
