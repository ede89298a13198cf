"""The current config.toml: read again as a whole when the file has changed.

If the file cannot be used, `read` raises. Running work continues with `last_good`.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Literal

from codexd.config.file import InvalidConfig, ReadConfig, read_config
from codexd.config.keys import Config
from codexd.machine.owners import NotOurs
from codexd.machine.patience import impatiently


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
                    # The repair may be a folder's mode, which the stamp does not show.
                    self._stamp = None
        if self._problem is not None:
            # Otherwise each raise would extend the traceback.
            raise self._problem.with_traceback(None)
        return self._read

    def unsandboxed(self) -> bool:
        """Whether commands run without a sandbox where none can be enforced."""
        return self.last_good().allow_unsandboxed

    def lists_domains(self) -> bool:
        """Whether the network of commands is a list of domains, where they have one."""
        return self.last_good().features.proxy.enabled

    def network(self) -> Literal["off", "domains", "on"]:
        """What commands in workspace-write reach by the network."""
        if not self.last_good().sandbox_workspace_write.network_access:
            return "off"
        return "domains" if self.lists_domains() else "on"

    def last_good(self) -> Config:
        """The settings in force, or the last that could be read."""
        try:
            return self.read().config
        except InvalidConfig:
            return self._read.config

    def _stamp_now(self) -> tuple[int, int, int, int]:
        try:
            found = impatiently(self.file, partial(os.stat, self.file))
        except OSError as error:
            return (0, 0, 0, error.errno or 0)  # reading the file raises the same error
        # Includes ctime, which changes with owner and mode.
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
