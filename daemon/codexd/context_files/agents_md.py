"""AGENTS.md: instructions for the model, read from the home folder and the folders of the project. I/O.

Law: nothing here may hang or fail a turn. A file that cannot be read is skipped with a warning, at most
the allowed bytes are read, and nothing but a regular file is read.

In each folder the first non-empty file counts: `AGENTS.override.md`, `AGENTS.md`, then the fallbacks.
Order: the home folder, then from the project's root down to the working directory, so that nearer files
come later. Source: the Codex documentation, "Custom instructions with AGENTS.md".
"""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from codexd.config.keys import Config
from codexd.core.values.agents_md import InstructionFile, UserInstructions
from codexd.core.values.settings import Notice
from codexd.machine.foreign_files import NotAFile, open_file, read_up_to
from codexd.machine.owners import foreign_owner
from codexd.machine.paths import Paths, codex_home

NAMES = ("AGENTS.override.md", "AGENTS.md")
# Folders between a project's root and the working directory: more is a loop of links.
FOLDERS_MAX = 256


class Rules(msgspec.Struct, frozen=True):
    """Which files are read, and how many bytes."""

    homes: tuple[Path, ...] = ()  # the first that has instructions counts
    markers: tuple[str, ...] = (".git",)
    fallbacks: tuple[str, ...] = ()
    bytes_max: int = 32_768


# The bound for all files together, which the config cannot raise: more than a context window holds. The text is built
# and scanned in one step of the event loop, which takes some 15 ms for this size.
INSTRUCTIONS_BYTES_MAX: Final = 1024 * 1024


def instruction_homes(paths: Paths, env: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of the person's own instructions: codexd's, then that of Codex."""
    return (paths.config_file.parent, codex_home(env))


def rules_of(config: Config, homes: Sequence[Path]) -> Rules:
    """The rules in the config."""
    return Rules(
        tuple(homes),
        config.project_root_markers,
        config.project_doc_fallback_filenames,
        min(config.project_doc_max_bytes, INSTRUCTIONS_BYTES_MAX),
    )


def read_user_instructions(cwd: str, rules: Rules) -> UserInstructions:
    """The instructions that apply in a folder."""
    if not rules.bytes_max:
        return UserInstructions(cwd)
    reading = _Reading(rules)
    folders = project_folders(Path(cwd), rules.markers, reading.pass_over)
    for home in rules.homes:
        if reading.take_from(home):
            break
    for folder in folders:
        reading.take_from(folder)
    return reading.instructions(str(folders[0]))


def project_folders(
    cwd: Path, markers: Sequence[str], pass_over: Callable[[Path, int], None]
) -> list[Path]:
    """The folders from the project's root to `cwd`; only `cwd` if no root is marked.

    `pass_over` is called for a marker that belongs to another user, which does not count.
    """
    above = [cwd, *cwd.parents][:FOLDERS_MAX]
    for at, folder in enumerate(above):
        if any(_marks(folder / marker, pass_over) for marker in markers):
            return above[at::-1]
    return [cwd]


def _marks(marker: Path, pass_over: Callable[[Path, int], None]) -> bool:
    try:
        owner = foreign_owner(marker)
    except OSError:
        return os.path.lexists(marker)
    if owner is not None:
        pass_over(marker, owner)
    return owner is None


class _Taken(msgspec.Struct, frozen=True):
    text: str
    source: InstructionFile


class _Reading:
    """One reading of all files."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._left = rules.bytes_max
        self._taken: list[_Taken] = []
        self._complaints: list[Notice] = []
        self._seen: set[tuple[int, int]] = set()  # files, whatever their names

    def pass_over(self, path: Path, owner: int) -> None:
        """Warn that another user's file or folder does not count."""
        self._complain(
            path,
            f"belongs to uid {owner}, expected uid {os.getuid()} or root: it was passed over",
        )

    def take_from(self, folder: Path) -> bool:
        """Read a folder's instructions; returns whether it has any."""
        for name in (*NAMES, *self._rules.fallbacks):
            if name != os.path.basename(name):
                self._complain(
                    name, "expected the name of a file, found a path; it was passed over"
                )
            elif self._take(folder / name):
                return True
        return False

    def instructions(self, directory: str) -> UserInstructions:
        """All instructions, each with its path unless there is only the directory's own file."""
        plain = [os.path.dirname(taken.source.path) for taken in self._taken] == [directory]
        texts = [
            taken.text if plain else f"<!-- {taken.source.path} -->\n{taken.text}"
            for taken in self._taken
        ]
        sources = tuple(taken.source for taken in self._taken)
        return UserInstructions(directory, "\n\n".join(texts), sources, tuple(self._complaints))

    def _take(self, path: Path) -> bool:
        try:
            with open_file(path) as file:
                status = os.fstat(file.fileno())
                owner = foreign_owner(path, status)
                content = read_up_to(file, self._left + 1) if self._left and owner is None else b""
        except NotAFile as error:
            self._complain(path, f"is no file, but {error.kind}: it was passed over")
            return False
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError) or path.is_symlink():
                self._complain(path, f"cannot be read ({error.strerror}), and was passed over")
            return False
        if owner is not None:
            self.pass_over(path, owner)
            return False
        if status.st_size == 0 or (self._left and not content.strip()):
            return False  # An empty file: the next name is tried.
        if (status.st_dev, status.st_ino) not in self._seen:
            self._seen.add((status.st_dev, status.st_ino))
            self._take_in(path, content, status.st_size)
        return True

    def _take_in(self, path: Path, content: bytes, size_bytes: int) -> None:
        cut = len(content) > self._left or not content
        if cut:
            # Without an incomplete character at its end.
            _, whole_bytes = codecs.utf_8_decode(content[: self._left], "replace", False)
            content = content[:whole_bytes]
            most = self._rules.bytes_max
            who = "project_doc_max_bytes" if most < INSTRUCTIONS_BYTES_MAX else "codexd"
            allowed = f"{who} allows {most} bytes in all"
            self._complain(
                path,
                f"has {size_bytes} bytes, of which the model is given {len(content)}: {allowed}",
            )
        if not content:
            return
        self._left -= len(content)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode(errors="replace")
            self._complain(path, "is not UTF-8: invalid bytes were replaced by � for the model")
        text = text.removeprefix("\ufeff").strip("\n")
        if cut:
            text += f"\n\n[The rest of {path} was left out: {allowed}.]"
        digest = hashlib.sha256(content).hexdigest()
        self._taken.append(_Taken(text, InstructionFile(str(path), len(content), digest, cut)))

    def _complain(self, path: Path | str, problem: str) -> None:
        kind = problem.split(maxsplit=1)[0]
        self._complaints.append(Notice(f"instructions:{kind}:{path}", f"{path} {problem}."))
