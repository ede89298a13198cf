"""Writes config.toml: one writer at a time, and a reader finds the old file or the new one. I/O; it blocks.

Law: a file that others have changed meanwhile is read and edited again, so that no edit is lost, and a file that could not
be used afterwards is not written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd.config.editing.changed_text import changed_text
from codexd.config.editing.edits import Edit, NotWritten, edited
from codexd.config.file import InvalidConfig, ReadConfig, all_keys, convert
from codexd.config.layers.flags import nested
from codexd.config.layers.known_keys import nearest, unknown_keys, with_absolute_paths, wrong_values
from codexd.config.layers.layer import Layer, UserSource, renamed, setter_of, version_of
from codexd.config.layers.stack import read_layers, user_file, user_layer
from codexd.config.layers.toml_file import (
    CONFIG_BYTES_MAX,
    KeyPath,
    Table,
    dotted,
    parse_toml,
    refuse_unless_believed,
    value_at,
)
from codexd.config.live import LiveConfig
from codexd.config.whole_files import replace_file
from codexd.machine.foreign_files import read_file
from codexd.machine.owners import NotOurs
from codexd.machine.paths import make_folders

# An editor that saves at the same moment is waited for by editing what it saved; nobody saves so often in a row.
TRIES_MAX: Final = 8
# Of a new file, which may come to hold tokens; one that is there keeps its mode.
MODE: Final = 0o600


class Overridden(msgspec.Struct, frozen=True):
    """A higher layer decides the value that was written."""

    layer: Layer
    value: Any  # that is in force


class Written(msgspec.Struct, frozen=True):
    """The file as it is now."""

    file: str
    version: str
    overridden: Overridden | None = None  # of the first edit that has no effect
    warnings: tuple[str, ...] = ()
    copied_from: str | None = None  # codexd had no config.toml: it began as a copy of this file


class _Current(msgspec.Struct, frozen=True):
    """The bytes to be edited: of codexd's own file, or of that of Codex, where codexd has none."""

    file: Path
    content: bytes
    stamp: tuple[int, ...]


class ConfigWriter:
    """The only writer of codexd's own config.toml within the daemon."""

    def __init__(self, config: LiveConfig) -> None:
        self._config = config

    def write(self, edits: Sequence[Edit], expected_version: str | None = None) -> Written:
        """Change some keys: all of them, or none. Raises: NotWritten, OSError."""
        made: list[ReadConfig] = []

        def change(current: _Current) -> bytes:
            made.clear()
            read = parse_toml(current.content, str(current.file))
            absolute = with_absolute_paths(read.table, str(current.file.parent), all_keys())
            if expected_version not in (None, version_of(absolute)):
                raise NotWritten(
                    "configVersionConflict",
                    "Configuration was modified since last read. Fetch latest version and retry.",
                )
            after = edited(read.table, edits)
            text = changed_text(current.content.decode(), read.table, after)
            made.append(self._checked(after, text, edits))
            return text.encode()

        copied_from = self._change(change)
        read = made[0]
        warnings = tuple(_unknown(edits))
        overridden = _overridden(read, [edit.path for edit in edits])
        return Written(str(self._config.file), read.version, overridden, warnings, copied_from)

    def replace(self, text: str, expected: str | None) -> Written:
        """Write the whole text, if the file is still the expected one. Raises: NotWritten, OSError."""
        made: list[ReadConfig] = []

        def change(current: _Current) -> bytes:
            if expected is not None and current.content.decode(errors="replace") != expected:
                raise NotWritten(
                    "configVersionConflict",
                    "config.toml was changed meanwhile; nothing was written",
                )
            made[:] = [self._checked(parse_toml(text.encode(), str(self._config.file)).table, text)]
            return text.encode()

        copied_from = self._change(change)
        return Written(str(self._config.file), made[0].version, None, made[0].warnings, copied_from)

    def change(self, edit: Callable[[bytes, str], bytes]) -> None:
        """Change the bytes by a function of the bytes and the file's name. Raises: OSError, and what it raises."""
        self._change(lambda current: edit(current.content, str(self._config.file)))

    def refuse_another(self, file: str | None) -> None:
        """Refuse a file that is not the person's config.toml. Raises: NotWritten."""
        if file is not None and os.path.realpath(file) != os.path.realpath(self._config.file):
            raise NotWritten("configLayerReadonly", "Only writes to the user config are allowed")

    def content(self) -> tuple[str, str]:
        """The text that an edit would begin with, and the file that has it. Raises: NotWritten, OSError."""
        current = self._read()
        return current.content.decode(errors="replace"), str(current.file)

    def _change(self, make: Callable[[_Current], bytes]) -> str | None:
        own = self._config.file
        target = Path(os.path.realpath(own))
        make_folders(target.parent)
        with _locked(target.parent):
            for _ in range(TRIES_MAX):
                current = self._read()
                try:
                    content = make(current)
                except InvalidConfig as problem:
                    said = str(problem).removesuffix("; nothing of the file was used")
                    raise NotWritten(
                        "configValidationError",
                        f"Invalid configuration: {said}; nothing was written",
                    ) from problem
                if len(content) > CONFIG_BYTES_MAX:
                    raise NotWritten(
                        "configValidationError",
                        f"expected at most {CONFIG_BYTES_MAX} bytes in config.toml, found more; "
                        "nothing was written",
                    )
                if _stamp(current.file) != current.stamp:
                    continue
                if content != current.content or current.file != own:
                    replace_file(own, content, mode=_mode(own))
                copied = current.file != own and bool(current.content)
                return str(current.file) if copied else None
        raise NotWritten(
            "configVersionConflict", "config.toml is changed again and again; nothing was written"
        )

    def _read(self) -> _Current:
        file = user_file(self._config.file, self._config.sources)
        stamp = _stamp(file)
        try:
            content = read_file(file, CONFIG_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        try:
            refuse_unless_believed(file)
        except NotOurs as problem:
            raise NotWritten(
                "configValidationError", f"{problem}; nothing was written"
            ) from problem
        if file != self._config.file:
            content = _at_home_anywhere(content, file)
        return _Current(file, content, stamp)

    def _checked(self, table: Table, text: str, edits: Sequence[Edit] = ()) -> ReadConfig:
        """The settings that would be in force. Raises: InvalidConfig, NotWritten."""
        own, sources = self._config.file, self._config.sources
        for edit in edits:
            if edit.value is not None:
                for at, words in wrong_values(nested(edit.path, edit.value), all_keys()):
                    message = f"Invalid configuration: `{dotted(at)}`: expected {words}; nothing was written"
                    raise NotWritten("configValidationError", message)
        absolute = with_absolute_paths(table, str(own.parent), all_keys())
        new = Layer(UserSource(str(own)), absolute, str(own), text)
        unknown = next(_unknown(edits), None)
        if sources.strict and unknown is not None:
            raise NotWritten("configSchemaUnknownKey", f"{unknown}; nothing was written")
        layers = read_layers(own, sources, all_keys(), user=new)
        return convert(layers, strict=sources.strict)


def _at_home_anywhere(content: bytes, file: Path) -> bytes:
    """The file with absolute paths: relative ones would mean other files in another folder."""
    try:
        read = parse_toml(content, str(file))
        absolute = with_absolute_paths(read.table, str(file.parent), all_keys())
        return changed_text(content.decode(), read.table, absolute).encode()
    except (InvalidConfig, NotWritten):
        return content  # The change says what is wrong with it.


def _unknown(edits: Sequence[Edit]) -> Iterator[str]:
    """A sentence for each key that nobody knows."""
    for edit in edits:
        if edit.value is not None:
            for at, known in unknown_keys(nested(edit.path, edit.value), all_keys()):
                near = nearest(at[-1], known)
                hint = f"; did you mean `{near}`?" if near else ""
                yield f"`{dotted(at)}` is no key that codexd or Codex knows{hint}"


def _overridden(read: ReadConfig, paths: Sequence[KeyPath]) -> Overridden | None:
    user = user_layer(read.layers)
    for path in paths:
        own, value = value_at(renamed(user.table), path), value_at(read.table, path)
        layer = setter_of(read.layers, path)
        if own != value and layer is not None and layer is not user:
            return Overridden(layer, None if value is msgspec.UNSET else value)
    return None


def _mode(file: Path) -> int:
    try:
        return file.stat().st_mode & 0o777
    except OSError:
        return MODE


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone with the files of a folder, among the processes of codexd. No file is left behind: the folder is locked."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:  # Some network disks have no locks: then a change is noticed by its stamp alone.
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise
        yield
    finally:
        os.close(fd)
