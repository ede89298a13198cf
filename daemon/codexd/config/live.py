"""The current configuration: read again as a whole when one of its files has changed.

If a file cannot be used, `read` raises. Running work continues with `last_good`.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from pathlib import Path
from typing import Final, Literal

from codexd.config.file import InvalidConfig, ReadConfig, read_config
from codexd.config.keys import Config
from codexd.config.layers.layer import version_of
from codexd.config.layers.projects import has_project_files
from codexd.config.layers.stack import ALONE, Sources, user_file
from codexd.machine.owners import NotOurs
from codexd.machine.patience import impatiently

# Folders whose projects have settings of their own: more are not worked in at once.
FOLDERS_MAX: Final = 256

_Stamp = tuple[int, int, int, int]


class LiveConfig:
    """The settings in force, of codexd's own config.toml and of the other layers."""

    def __init__(self, file: Path, sources: Sources = ALONE) -> None:
        self.file, self.sources = file, sources  # `file` is the one that is written
        self._own, self._beside = str(file), sources.profile
        self._system = None if sources.system is None else str(sources.system)
        self._stamps: tuple[_Stamp, ...] | None = None
        self._read = ReadConfig(Config(), str(file), version_of({}))
        self._problem: InvalidConfig | None = None
        self._in_folders: dict[str, Config] = {}

    def read(self) -> ReadConfig:
        """The settings in force. Raises: InvalidConfig."""
        stamps = self._stamps_now()
        if stamps != self._stamps:
            problem: InvalidConfig | None = None
            try:
                self._read = read_config(self.file, self.sources)
            except InvalidConfig as found:
                problem = found
            # The repair of a foreign file may be a folder's mode, which the stamps do not show.
            is_foreign = problem is not None and isinstance(problem.__cause__, NotOurs)
            self._problem, self._stamps = problem, None if is_foreign else stamps
        if self._problem is not None:
            # Otherwise each raise would extend the traceback.
            raise self._problem.with_traceback(None)
        return self._read

    def read_in(self, folder: str) -> ReadConfig:
        """The settings in force for a thread in this folder, with those of its project.

        It reads the folder's disk, so it is called in a thread. Raises: InvalidConfig.
        """
        read = self.read()
        if has_project_files(folder, read.config.project_root_markers):
            read = read_config(self.file, self.sources, folder)
            # Replaced as a whole: other threads read it.
            newest = list(self._in_folders.items())[1 - FOLDERS_MAX :]
            self._in_folders = {**dict(newest), folder: read.config}
        elif folder in self._in_folders:
            kept = self._in_folders.items()
            self._in_folders = {other: config for other, config in kept if other != folder}
        return read

    def in_folder(self, folder: str) -> Config:
        """The settings for a thread in this folder, as they were when they were read for it last."""
        return self._in_folders.get(folder) or self.last_good()

    def served_codex_home(self) -> Path | None:
        """The home of the Codex whose programs use this daemon; None: they are to find their own.

        A relative path is one from the folder of config.toml.
        """
        asked = self.last_good().codex_home
        if isinstance(asked, str):
            return self.file.parent / Path(asked).expanduser()
        return self.sources.codex_home if asked else None

    def changed(self) -> None:
        """The file was written: it is read again, whatever its stamp says."""
        self._stamps = None

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files: keys that nobody knows, or why one of them cannot be used."""
        try:
            return self.read().warnings
        except InvalidConfig as problem:
            return (f"{problem}; the last configuration that could be read is in force",)

    def unsandboxed(self) -> bool:
        """Whether commands run without a sandbox where none can be enforced."""
        return self.last_good().allow_unsandboxed

    def notify(self) -> tuple[str, ...]:
        """The command that runs after each turn; empty: none."""
        return self.last_good().notify

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

    def _stamps_now(self) -> tuple[_Stamp, ...]:
        # This is asked many times in a turn: the file of Codex is looked at only where there is no other.
        own = _stamp(self._own)
        if own == _MISSING or self._beside is not None:
            return (own, *map(_stamp, self.files()))
        return (own,) if self._system is None else (own, _stamp(self._system))

    def files(self) -> list[Path]:
        """The files that decide, the missing ones included."""
        sources, home = self.sources, self.sources.codex_home
        files = [self.file] if home is None else [self.file, home / "config.toml"]
        if sources.profile is not None:
            files.append(user_file(self.file, sources).with_name(f"{sources.profile}.config.toml"))
        return files if sources.system is None else [*files, sources.system]


_MISSING: Final[_Stamp] = (0, 0, 0, errno.ENOENT)


def _stamp(file: str | Path) -> _Stamp:
    try:
        found = os.lstat(file)
        if stat.S_ISLNK(found.st_mode):
            found = impatiently(file, partial(os.stat, file))
    except OSError as error:
        return (0, 0, 0, error.errno or 0)  # reading the file raises the same error
    # Includes ctime, which changes with owner and mode.
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
