"""The files of rules for commands: `rules/*.rules` of codexd's own, and those of Codex. I/O; it blocks.

The rules of both apply, so that no command is allowed which a rule forbids; codexd writes only to its own. A file
that cannot be used keeps the rules that it had when it could be read last, and everybody who asks is told.
Law: rules that others than the user may have written are not believed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from codexd.config.rules_text import (
    RULES_BYTES_MAX,
    FileRules,
    HostRules,
    InvalidRules,
    host_rule_line,
    read_rules,
    rule_line,
)
from codexd.core.rules.prefix_rules import NO_RULES, PrefixRules, RuleProblem, rules_of
from codexd.core.values.tool_actions import HostDecision, ReachHost
from codexd.machine.foreign_files import read_file
from codexd.machine.owners import NotOurs, make_own_folder, refuse_unless_ours
from codexd.machine.patience import NoAnswer, impatiently

# Files of a folder, by their names: more are not kept by hand.
FILES_MAX: Final = 64
DEFAULT_FILE: Final = "default.rules"

_Stamp = tuple[int, int, int, int]


class RulesNotWritten(OSError):
    """A rule could not be added to its file; says why."""


class _File(msgspec.Struct):
    stamp: _Stamp | None = None
    rules: FileRules = FileRules()
    problem: RuleProblem | None = None


class RuleFiles:
    """The files of the folders `rules` in these homes, codexd's own first."""

    def __init__(self, homes: Sequence[Path], home: Path) -> None:
        """`home` is the person's home folder, which `~/` stands for."""
        self._folders = [folder / "rules" for folder in homes]
        self._home = str(home)
        self._files: dict[Path, _File] = {}
        self._found = NO_RULES
        self._hosts: HostRules = ()
        self._adding = threading.Lock()

    @property
    def own_file(self) -> Path:
        """The file to which approvals add rules."""
        return self._folders[0] / DEFAULT_FILE

    def current(self) -> PrefixRules:
        """The rules in force; a file is read again when it has changed."""
        problems: list[RuleProblem] = []
        paths = [path for folder in self._folders for path in _listed(folder, problems)]
        changed = self._files.keys() != set(paths)
        self._files = {path: self._files.get(path) or _File() for path in paths}
        for path, file in self._files.items():
            changed |= self._refresh(path, file)
        problems += [file.problem for file in self._files.values() if file.problem is not None]
        if changed or tuple(problems) != self._found.problems:
            self._found = self._all_rules(problems)
        return self._found

    def hosts(self) -> HostRules:
        """The rules for hosts that are in force."""
        self.current()
        return self._hosts

    def add(self, prefix: tuple[str, ...]) -> bool:
        """Allow the commands that begin with these words; False if the file says so already. Raises: RulesNotWritten."""
        return self._add(rule_line(prefix))

    def add_host(self, action: ReachHost, decision: HostDecision) -> bool:
        """Allow or deny a host; False if the file says so already. Raises: RulesNotWritten."""
        return self._add(host_rule_line(action, decision))

    def _add(self, line: str) -> bool:
        with self._adding:
            try:
                return _append(Path(os.path.realpath(self.own_file)), line)
            except OSError as error:
                reason = error.strerror or error
                raise RulesNotWritten(
                    f"the rule `{line}` was not written to {self.own_file}: {reason}"
                ) from error

    def _all_rules(self, problems: Sequence[RuleProblem]) -> PrefixRules:
        found = [file.rules for file in self._files.values()]
        self._hosts = tuple(host for rules in found for host in rules.hosts)
        executables: dict[str, frozenset[str]] = {}
        for rules in reversed(found):  # What codexd's own files say of a program counts.
            executables.update(rules.executables)
        return rules_of((rule for rules in found for rule in rules.rules), executables, problems)

    def _refresh(self, path: Path, file: _File) -> bool:
        """Read a file again if it has changed; returns whether it has."""
        try:
            found = impatiently(path, path.stat)
            stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        except OSError as error:
            stamp = (0, 0, 0, error.errno or 0)
        if stamp == file.stamp:
            return False
        file.stamp = stamp
        try:
            file.rules = impatiently(path, partial(_read, path, self._home))
            file.problem = None
        except (InvalidRules, NoAnswer) as error:
            problem = (
                error if isinstance(error, InvalidRules) else InvalidRules(f"{error.strerror}")
            )
            kept = (
                "its rules from before stay in force"
                if file.rules.rules
                else "none of its rules is in force"
            )
            file.problem = RuleProblem(str(path), f"{problem.message}; {kept}", problem.line)
        return True


def _listed(folder: Path, problems: list[RuleProblem]) -> list[Path]:
    """The files of rules in a folder, in the order of their names."""
    try:
        found = impatiently(folder, partial(os.listdir, folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(RuleProblem(str(folder), f"it cannot be listed: {error.strerror}"))
        return []
    names = sorted(name for name in found if name.endswith(".rules"))
    if len(names) > FILES_MAX:
        message = (
            f"expected {FILES_MAX} files at most, found {len(names)}; the last by name are not read"
        )
        problems.append(RuleProblem(str(folder), message))
    return [folder / name for name in names[:FILES_MAX]]


def _read(path: Path, home: str) -> FileRules:
    try:
        refuse_unless_ours(Path(os.path.realpath(path)))
        text = read_file(path, RULES_BYTES_MAX + 1)
    except NotOurs as problem:
        raise InvalidRules(str(problem)) from problem
    except OSError as error:
        raise InvalidRules(f"it cannot be read: {error.strerror or error}") from error
    if len(text) > RULES_BYTES_MAX:
        raise InvalidRules(f"expected {RULES_BYTES_MAX} bytes at most, found more")
    try:
        return read_rules(text.decode(), str(path), home)
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise InvalidRules("expected UTF-8, found other bytes", line) from error


def _append(path: Path, line: str) -> bool:
    """Add a line to a file of ours, at once or not at all. Raises: OSError."""
    make_own_folder(path.parent)
    try:
        refuse_unless_ours(path)
        before = read_file(path, RULES_BYTES_MAX + 1).decode(errors="surrogateescape")
    except FileNotFoundError:
        before = ""
    if line in before.split("\n"):
        return False
    if before and not before.endswith("\n"):
        before += "\n"
    after = f"{before}{line}\n".encode(errors="surrogateescape")
    if len(after) > RULES_BYTES_MAX:
        raise OSError(f"it would be larger than {RULES_BYTES_MAX} bytes")
    _replace(path, after)
    return True


def _replace(path: Path, content: bytes) -> None:
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".rules-")  # with mode 0600
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
