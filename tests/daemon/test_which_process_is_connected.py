"""The daemon knows which process is connected, and one function says what that allows."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from codexd.server.connection.peers import Peer, may_connect, may_decide, peer_of


def test_the_kernel_says_which_process_connected(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(path)
        listening.listen()
        client.connect(path)
        server, _ = listening.accept()
        with server:
            assert peer_of(server) == Peer(os.getuid(), os.getpid())


def test_a_process_of_another_user_may_neither_connect_nor_decide() -> None:
    ours, anothers = Peer(os.getuid(), 1), Peer(os.getuid() + 1, 1)
    assert (may_connect(ours), may_decide(ours)) == (True, True)
    assert (may_connect(anothers), may_decide(anothers)) == (False, False)
