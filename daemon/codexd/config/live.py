"""config.toml as it is now: read again when the file has changed, and never half.

A file that cannot be used is an error to whoever needs the settings just then; what runs goes on with the
last one that could be.
"""

from __future__ import annotations

import os
from pathlib import Path

from codexd.config.file import InvalidConfig, ReadConfig, read_config
from codexd.config.keys import Config
from codexd.machine.owners import NotOurs


class LiveConfig:
    """The settings of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stamp: tuple[int, int, int, int] | None = None
        self._read = ReadConfig(Config(), str(file), "sha256:")
        self._problem: InvalidConfig | None = None

    def read(self) -> ReadConfig:
        """The settings in force. Raises: InvalidConfig."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp, self._problem = stamp, None
            try:
                self._read = read_config(self.file)
            except InvalidConfig as problem:
                self._problem = problem
                if isinstance(problem.__cause__, NotOurs):
                    self._stamp = (
                        None  # What mends it may be a folder's mode, and leave no trace here.
                    )
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # or each raise would add to it
        return self._read

    def last_good(self) -> Config:
        """The settings in force, or the last ones that could be read."""
        try:
            return self.read().config
        except InvalidConfig:
            return self._read.config

    def _stamp_now(self) -> tuple[int, int, int, int]:
        try:
            found = os.stat(self.file)
        except OSError as error:
            return (0, 0, 0, error.errno or 0)  # which reading it will say
        # With the time of the last change of its owner and mode.
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
