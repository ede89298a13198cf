"""Begins the daemon again in its own process: the process id, the socket and all who wait there stay."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from codexd.machine.descriptors import give_descriptors_back
from codexd.machine.umask import restore_umask
from codexd.service.passed_sockets import NAME, OWN_NAME, PassedSocket

_SOCKET_FD = 3  # the first that sd_listen_fds(3) allows


def begin_again(
    command: Sequence[str], variables: Mapping[str, str], passed: PassedSocket
) -> NoReturn:
    """Become the program that is installed now, with the environment and the limits that this process was given.

    `variables`: those of the service manager. Raises: OSError, the program cannot be started.
    """
    environ = {
        **os.environ,
        **variables,
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": OWN_NAME if passed.is_own else NAME,
    }
    sys.stdout.flush()
    sys.stderr.flush()
    restore_umask()
    give_descriptors_back()
    if passed.sock.fileno() == _SOCKET_FD:
        os.set_inheritable(_SOCKET_FD, True)
    else:
        os.dup2(passed.sock.fileno(), _SOCKET_FD)
    os.execve(command[0], list(command), environ)  # noqa: S606  # the command of this process
