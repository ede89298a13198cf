"""The process at the other end of a connection, as the kernel reports it, and what it may do.

Every process of the daemon's own user may connect, and may decide for a person. A confined command cannot connect: it
has no Unix sockets, and does not see the daemon's folders. A command that runs without a sandbox can, and could do
itself what it would approve; `may_decide` is the one place to check more, a cgroup of `pid` or a token that only a
person's frontends have. A change that loosens a policy is a decision too.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

import msgspec

# <sys/un.h> of macOS, which Python does not name.
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2
_XUCRED_BYTES = 76


class Peer(msgspec.Struct, frozen=True):
    """The process that connected; another may hold its socket by now."""

    uid: int
    pid: int  # 0: it is of a namespace that is not seen from here


def peer_of(sock: socket.socket) -> Peer:
    """The process that connected (unix(7) SO_PEERCRED; on macOS LOCAL_PEERCRED, `struct xucred`, and LOCAL_PEERPID)."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack(
            "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        return Peer(int(uid), int(pid))
    credentials = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)
    return Peer(
        int(struct.unpack_from("=II", credentials)[1]), sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    )


def may_connect(peer: Peer) -> bool:
    """Whether it may send requests."""
    return peer.uid == os.getuid()


def may_decide(peer: Peer) -> bool:
    """Whether its answer to a question counts as a person's."""
    return may_connect(peer)
