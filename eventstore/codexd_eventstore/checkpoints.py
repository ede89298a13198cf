"""How far each consumer has come in each stream: one tiny file per pair, replaced by a rename.

Law: a checkpoint may be lost or old, and never ahead of what was set; whoever reads 0 starts again.
"""

from __future__ import annotations

from codexd_eventstore.files import FULL_ERRNOS, FileSystem
from codexd_eventstore.places import check_name, unlink_if_there
from codexd_eventstore.store import StoreFailed


class Checkpoints:
    """The checkpoints of one store. The calls are short and never sync, so they may run on the loop."""

    def __init__(self, fs: FileSystem, state: str) -> None:
        self._fs = fs
        self._folder = f"{state}/checkpoints"
        self._made: set[str] = set()

    def get(self, consumer: str, stream: str) -> int:
        """The last `seq` set; 0 for none, or one that cannot be read."""
        try:
            text = self._fs.read_range(self._path(consumer, stream), 0, 32)
            return max(0, int(text))
        except (OSError, ValueError):
            return 0

    def set(self, consumer: str, stream: str, seq: int) -> None:
        """Remember it."""
        path = self._path(consumer, stream)
        try:
            if consumer not in self._made:
                self._fs.make_folder(self._folder)
                self._fs.make_folder(f"{self._folder}/{consumer}")
                self._made.add(consumer)
            self._fs.replace(path, b"%d\n" % seq)
        except OSError as error:
            retry = error.errno in FULL_ERRNOS
            raise StoreFailed(f"checkpoint {path}: {error}", retry=retry) from error

    def drop(self, stream: str) -> None:
        """Forget a stream that was deleted."""
        for row in self._fs.entries(self._folder):
            if row.is_folder:
                unlink_if_there(self._fs, self._path(row.name, stream))

    def _path(self, consumer: str, stream: str) -> str:
        check_name(consumer, "consumer")
        check_name(stream, "stream")
        return f"{self._folder}/{consumer}/{stream}"
