"""A socket between a frontend and the daemon, to be cut when a test says so."""

from __future__ import annotations

import select
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

READ_BYTES = 1 << 16


class Relay:
    """Passes on what comes, both ways; listens again after each cut."""

    def __init__(self, path: Path, daemon: Path) -> None:
        self.path = str(path)
        self._daemon = str(daemon)
        self._cut_after: bytes | None = None  # what the last words before a cut hold
        self._for_good = False
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._cue, self._cued = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def cut(self) -> None:
        """Close the connection that is open."""
        self._cue.send(b"c")

    def cut_after(self, words: str, *, for_good: bool = False) -> None:
        """Close the connection as soon as the frontend has sent this, and the daemon has taken it."""
        self._for_good = for_good
        self._cut_after = words.encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cue.close()
        self._thread.join()
        self._cued.close()
        Path(self.path).unlink()

    def _serve(self) -> None:
        with self._listener as listener:
            while select.select([listener, self._cued], [], [])[0] == [listener]:
                with listener.accept()[0] as ours, socket.socket(socket.AF_UNIX) as theirs:
                    theirs.connect(self._daemon)
                    while self._pass(ours, theirs):
                        pass
                if self._for_good and self._cut_after is None:
                    return

    def _pass(self, ours: socket.socket, theirs: socket.socket) -> bool:
        """Pass on what has come; False when it was cut, or an end hung up."""
        (ready, *_), _, _ = select.select([ours, theirs, self._cued], [], [])
        if ready is self._cued:
            self._cued.recv(1)
            return False
        try:
            words = ready.recv(READ_BYTES)
            (theirs if ready is ours else ours).sendall(words)
        except ConnectionError:
            return False  # An end that closes with something unread resets its connection.
        if self._cut_after is not None and self._cut_after in words and ready is ours:
            self._cut_after = None
            theirs.recv(READ_BYTES)  # the answer, which nobody hears
            return False
        return bool(words)
