"""Which machines a person must allow a running command to reach, and what "allow it for the session" allows."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import NetworkProtocol, ReachHost

NOT_LISTED: Final = "A command connects to this host, which is not in the list of domains."
# A host's name is the same in all of these.
_SCHEMES: Final[dict[NetworkProtocol, str]] = {
    "http": "http",
    "https": "https",
    "socks5Tcp": "socks5",
}


def host_line(action: ReachHost) -> str:
    """The place, as Codex shows it."""
    host = f"[{action.host}]" if ":" in action.host else action.host
    return f"{_SCHEMES[action.protocol]}://{host}:{action.port}"


def host_reason(_: Settings, __: ReachHost, ___: object) -> str | None:
    """Why a person must allow it: only hosts that no list names are asked about."""
    return NOT_LISTED


def host_key(action: ReachHost) -> str:
    """The session key: this host and port, by any protocol."""
    return msgspec.json.encode(["network", action.host, action.port]).decode()
