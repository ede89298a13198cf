"""What the model is told of where it works: whole once, then only what has become another.

Law: the facts stand beside the text in the event, so that nobody reads them out of a text again. The shell
is told with the whole and never again: a model that has begun with one goes on with it.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.values.enforced import enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings


class Machine(msgspec.Struct, frozen=True):
    """What is so for every thread on this machine; None: nobody knows."""

    shell: str | None = None  # the name of the program that runs commands
    timezone: str | None = None  # as the IANA names it
    network: str | None = None  # whether commands may use it: enabled, restricted


class TurnEnvironment(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the model works, as it was told."""

    cwd: str
    approval_policy: str
    sandbox_mode: str
    shell: str | None = None
    network_access: str | None = None
    current_date: str | None = None
    timezone: str | None = None


# In the order in which they are told, under the names that models know.
_TOLD = tuple(
    "cwd shell current_date timezone approval_policy sandbox_mode network_access".split()  # noqa: SIM905
)


def environment_of(
    settings: Settings, today: str | None = None, place: Machine | None = None
) -> TurnEnvironment:
    """Where a turn with these settings works."""
    place = place or Machine()
    return TurnEnvironment(
        settings.cwd,
        enforced_policy(settings),
        enforced_sandbox(settings.sandbox),
        place.shell,
        place.network,
        today,
        place.timezone,
    )


def environment_text(now: TurnEnvironment, told: TurnEnvironment | None = None) -> str | None:
    """The block to tell: all of it, or what differs from what was told; None where nothing does."""
    lines = [
        f"  <{name}>{value}</{name}>"
        for name in _TOLD
        if (value := getattr(now, name)) is not None
        and (told is None or (name != "shell" and value != getattr(told, name)))
    ]
    if not lines:
        return None
    return "\n".join(["<environment_context>", *lines, "</environment_context>"])


def environment_known(now: TurnEnvironment, told: TurnEnvironment | None) -> TurnEnvironment:
    """What the model knows once it was told: what nobody can say any more stays as it was."""
    if told is None:
        return now
    kept = {
        name: getattr(told, name) for name in _TOLD if name == "shell" or getattr(now, name) is None
    }
    return replace(now, **kept)
