"""The environment text for the model: as a whole once, then only changes.

Law: the event has the values beside the text, so that no code parses the text. The shell
is sent only with the whole text: a model keeps using the shell that it began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.values.enforced import Network, enforced_policy, enforced_sandbox, network_of
from codexd.core.values.settings import Settings


class Machine(msgspec.Struct, frozen=True):
    """The properties of this machine; None: unknown."""

    shell: str | None = None  # the name of the program that runs commands
    timezone: str | None = None  # as the IANA names it
    network: str | None = None  # whether commands without a sandbox may use it: enabled, restricted


class TurnEnvironment(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The environment of a turn, as it was sent to the model."""

    cwd: str
    approval_policy: str
    sandbox_mode: str
    shell: str | None = None
    network_access: str | None = None
    current_date: str | None = None
    timezone: str | None = None


# Of confined commands.
_NETWORKS: Final[Mapping[Network, str]] = {
    "off": "restricted",
    "domains": "restricted to a list of domains, through the proxy in HTTPS_PROXY; the user is asked about others",
}
# In the order of the text, with the names that models know.
_TOLD = tuple(
    "cwd shell current_date timezone approval_policy sandbox_mode network_access".split()  # noqa: SIM905
)


def environment_of(
    settings: Settings, today: str | None = None, machine: Machine | None = None
) -> TurnEnvironment:
    """The environment of a turn with these settings."""
    machine, network = machine or Machine(), network_of(settings)
    return TurnEnvironment(
        settings.cwd,
        enforced_policy(settings),
        enforced_sandbox(settings),
        machine.shell,
        machine.network if network == "on" else _NETWORKS[network],
        today,
        machine.timezone,
    )


def environment_text(now: TurnEnvironment, known: TurnEnvironment | None = None) -> str | None:
    """The text for the model: the whole, or the changes since `known`; None if there are none."""
    lines = [
        f"  <{name}>{value}</{name}>"
        for name in _TOLD
        if (value := getattr(now, name)) is not None
        and (known is None or (name != "shell" and value != getattr(known, name)))
    ]
    if not lines:
        return None
    return "\n".join(["<environment_context>", *lines, "</environment_context>"])


def environment_known(now: TurnEnvironment, known: TurnEnvironment | None) -> TurnEnvironment:
    """The environment that the model knows after the text: unknown values stay as they were."""
    if known is None:
        return now
    kept = {
        name: getattr(known, name)
        for name in _TOLD
        if name == "shell" or getattr(now, name) is None
    }
    return replace(now, **kept)
