"""The way from a sandbox to its proxy: a port on the sandbox's own loopback, relayed to the proxy's socket. I/O.

Within a sandbox there is no network, and no Unix socket can be connected to. So a first program begins outside:
it leaves a child that relays, and becomes the sandbox. A second begins inside: it opens the port in the sandbox's
network, hands the listening socket out, and becomes the command. The command keeps its process, terminal, signals
and exit code. Programs of their own: standard library only, and of that what is written in C, since a command waits
until both have loaded.

    forwarder.py outside SOCKET PROGRAM [ARGUMENT ...]
    forwarder.py inside PORT PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import _socket
import os
import sys

# The module typing takes longer to load than both programs work.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

# Codex's proxy listens there. In a network of its own no other program is in the way.
PORT: Final = 3128
LOOPBACK: Final = "127.0.0.1"
# By which the second program hands the listening socket to the first. A sandbox must let it through.
HANDED_FD: Final = 8
DESCRIPTOR_BYTES: Final = 4  # of a C int
BACKLOG: Final = 64
FAILED_EXIT_CODE: Final = 126  # as a shell's, for a program that could not be run
# Programs that run in the sandbox reach each other without the proxy.
_DIRECT: Final = ("localhost", LOOPBACK, "::1")


def listening_inside(argv: Sequence[str], port: int = PORT) -> tuple[str, ...]:
    """The argv for a sandbox that opens the port there, and becomes `argv`."""
    return (*_program("inside"), str(port), *argv)


def relayed_outside(confined: Sequence[str], socket_path: str) -> tuple[str, ...]:
    """The argv that becomes `confined`, a sandbox around `listening_inside`, with a relay to the proxy's socket."""
    return (*_program("outside"), socket_path, *confined)


def _program(which: str) -> tuple[str, ...]:
    # -I and -S: nothing of the person's, and none of our libraries.
    return (sys.executable, "-I", "-S", os.path.abspath(__file__), which)


def proxy_variables(
    port: int = PORT, listed: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, str]:
    """The variables by which programs find the proxy.

    Args:
        listed: hosts of the list of domains. A loopback address among them is one of the machine's own services,
            and is reached through the proxy.
    """
    http, socks = f"http://{LOOPBACK}:{port}", f"socks5h://{LOOPBACK}:{port}"
    direct = ",".join(host for host in _DIRECT if host not in listed)
    variables = {
        "HTTP_PROXY": http,
        "HTTPS_PROXY": http,
        "WS_PROXY": http,
        "WSS_PROXY": http,
        "ALL_PROXY": socks,
        "NO_PROXY": direct,
    }
    lower = {name.lower(): value for name, value in variables.items()}
    # Node.js reads the variables only when this one says so.
    return {**variables, **lower, "NODE_USE_ENV_PROXY": "1"}


def main(arguments: Sequence[str]) -> int:
    """Be one of the two programs; the exit code where it could not become what follows."""
    which, place, *argv = arguments
    try:
        if which == "outside":
            _leave_relay(place)
        else:
            _hand_out_listener(int(place))
        os.execvp(argv[0], argv)  # noqa: S606  # it is the command's argv
    except OSError as error:
        sys.stderr.write(f"codexd: {argv[0]} could not be started: {error}\n")
        return FAILED_EXIT_CODE


def _hand_out_listener(port: int) -> None:
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(BACKLOG)
    handed = listener.fileno().to_bytes(DESCRIPTOR_BYTES, sys.byteorder)
    outside = _socket.socket(fileno=HANDED_FD)
    outside.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
    outside.close()
    listener.close()


def _leave_relay(socket_path: str) -> None:
    mine, handed = _socket.socketpair()
    command = os.getpid()
    if os.fork() == 0:
        try:
            handed.close()
            sys.path.append(os.path.dirname(os.path.abspath(__file__)))
            # By its name in this folder, since codexd is not on the path; and not as a program of its own, which
            # would take as long again to begin.
            __import__("relay").relay(mine, socket_path, command)
        finally:
            os._exit(FAILED_EXIT_CODE)
    mine.close()
    os.dup2(handed.fileno(), HANDED_FD)  # It is inherited; the other number is not.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
