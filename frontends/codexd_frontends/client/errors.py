"""The errors of frontends: each is a sentence for the person, and has an exit code.

CommandError
├── UsageError       the command line makes no sense                  2
├── Unreachable      no daemon answers                               69
│   └── NotListening one runs, and does not answer
├── ConnectionCut    the daemon went away in the middle              75
├── Forbidden        the socket belongs to another user              77
├── BadConfig        the daemon did not start for its config.toml    78
├── ThreadDeleted    the followed thread is gone                      1
└── RequestRefused   the daemon answered with an error     2, 75, 78, 1
"""

from __future__ import annotations

from codexd.protocol.wire.rpc import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, OVERLOADED
from codexd_frontends.client import exits

_REFUSED_EXITS = {
    INVALID_REQUEST: exits.USAGE,
    METHOD_NOT_FOUND: exits.USAGE,
    INVALID_PARAMS: exits.USAGE,
    OVERLOADED: exits.TRY_AGAIN,
}

# Errors where the daemon's reason says more than its number.
_REASON_EXITS = {
    "invalid_config": exits.BAD_CONFIG,
    "disk_full": exits.TRY_AGAIN,
    "storage_busy": exits.TRY_AGAIN,
}


class CommandError(Exception):
    """An error that is shown to the person, and that ends the command."""

    exit: exits.Exit = exits.FAILED


class UsageError(CommandError):
    """The command line makes no sense."""

    exit = exits.USAGE


class Unreachable(CommandError):
    """No daemon answers at the socket."""

    exit = exits.UNREACHABLE


class NotListening(Unreachable):
    """A daemon runs, and does not answer at its socket."""

    def __init__(self, pid: int, socket_path: str) -> None:
        super().__init__(
            f"process {pid} is the daemon, and does not answer at {socket_path}: the socket was removed or replaced, "
            "or the process hangs; `codexctl stop` ends it"
        )
        self.pid = pid


class ConnectionCut(CommandError):
    """The daemon closed the connection, or fell silent, while something was asked of it."""

    exit = exits.TRY_AGAIN


class Forbidden(CommandError):
    """The socket is not ours to use."""

    exit = exits.FORBIDDEN


class ThreadDeleted(CommandError):
    """The thread that is followed was deleted."""


class BadConfig(CommandError):
    """The daemon did not start because its configuration cannot be read."""

    exit = exits.BAD_CONFIG


class RequestRefused(CommandError):
    """The daemon answered a request with an error."""

    def __init__(self, code: int, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code  # of JSON-RPC
        self.reason = reason  # the daemon's stable word for it
        self.exit = _REASON_EXITS.get(reason or "") or _REFUSED_EXITS.get(code, exits.FAILED)
