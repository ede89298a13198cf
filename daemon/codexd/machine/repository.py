"""Checks whether git, in a command that only reads, could start a program that a repository names. I/O.

Law: a key or shape that is not known to be safe is refused. A repository is plain if each line of its
configuration sets a key of the table below, and it has no submodules, no objects elsewhere and only the shape
that `git init`, `git clone` and `git worktree add` make. The person's own configuration is not checked:
the person chose its programs.

A key is in the table because git reads only facts from it, or because `tools/guarded.py` overrides it in the
environment of every command that runs unasked. Sources: git-config(1), gitrepository-layout(5), index-format(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from codexd.machine.foreign_files import read_file

CONFIG_BYTES_MAX: Final = 1 << 20  # as for other files of a repository; a large one has some KB
# An entry needs at least 70 bytes: half a million files. Checking more would take longer than a person waits.
INDEX_BYTES_MAX: Final = 64 << 20
_NAME_BYTES_MAX: Final = 4096  # of the folder that a `.git` file names
FOLDERS_MAX: Final = 256  # between a folder and the root: more is a loop of links


class _MayRun(Exception):
    """Git could start a program; the message is the rest of a sentence that begins with "its repository"."""


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANY: Final = _keys("*")
# By section, in lower case; `remote *` is any `[remote "NAME"]`.
_PLAIN: Final[Mapping[str, frozenset[str]]] = {
    "advice": _ANY,
    "author": _ANY,
    "branch": _keys("autosetupmerge autosetuprebase"),
    "branch *": _ANY,
    "color": _ANY,
    "color *": _ANY,
    "column": _ANY,
    "commit": _ANY,
    "committer": _ANY,
    "core": _keys(
        "abbrev autocrlf bare bigfilethreshold checkstat commentchar commitgraph compression editor eol "
        "filemode fsmonitor hookspath ignorecase logallrefupdates longpaths looseccompression "
        "multipackindex packedgitlimit packedgitwindowsize pager precomposeunicode preloadindex protecthfs "
        "protectntfs quotepath repositoryformatversion safecrlf sharedrepository sshcommand symlinks "
        "trustctime untrackedcache whitespace"
    ),  # not worktree, excludesfile, attributesfile, gitproxy, alternaterefscommand
    "diff": _keys(
        "algorithm autorefreshindex colormoved colormovedws context guitool ignoresubmodules "
        "indentheuristic interhunkcontext mnemonicprefix noprefix relative renamelimit renames "
        "statgraphwidth submodule suppressblankempty tool wserrorhighlight"
    ),  # not external, nor textconv and command of a driver
    "extensions": _keys(
        "compatobjectformat noop objectformat preciousobjects refstorage relativeworktrees worktreeconfig"
    ),  # not partialclone: git asks the remote's program for a missing object
    "feature": _ANY,
    "fetch": _ANY,
    "gc": _ANY,
    "gpg": _keys("format"),
    "grep": _keys("column extendedregexp fullname linenumber patterntype"),
    "gui": _ANY,
    "http": _ANY,
    "http *": _ANY,
    "i18n": _ANY,
    "index": _ANY,
    "init": _ANY,
    "lfs": _keys("repositoryformatversion"),
    "lfs *": _keys("access locksverify"),
    "log": _keys(
        "abbrevcommit date decorate diffmerges excludedecoration follow mailmap showroot showsignature"
    ),
    "maintenance": _ANY,
    "merge": _keys("conflictstyle ff log renamelimit renames stat tool verifysignatures"),
    "pack": _ANY,
    "pull": _ANY,
    "push": _ANY,
    "rebase": _ANY,
    "receive": _ANY,
    "remote": _keys("pushdefault"),
    "remote *": _keys(
        "fetch gh-resolved mirror prune prunetags push pushurl skipfetchall tagopt url"
    ),
    "rerere": _ANY,
    "status": _keys(
        "aheadbehind branch relativepaths renames short showstash showuntrackedfiles submodulesummary"
    ),
    "submodule": _keys("active recurse"),
    "submodule *": _keys("active branch fetchrecursesubmodules ignore shallow url"),
    "tag": _keys("forcesignannotated gpgsign"),
    "transfer": _ANY,
    "url *": _keys("insteadof pushinsteadof"),
    "user": _ANY,
}

# One line of a configuration as git writes it: no continuation, no second key in a section's line, no `.` in a
# section's name. Any other line is refused.
_SECTION: Final = re.compile(r'\[([A-Za-z0-9-]+)(?:[ \t]+"((?:[^"\\\n]|\\["\\])*)")?\][ \t]*')
_KEY: Final = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9-]*)[ \t]*")
_NOTHING: Final = re.compile(r"[ \t]*(?:[#;].*)?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TOLD: Final = re.compile(r"[a-z0-9.-]{1,40}")


def git_may_run(cwd: str) -> str | None:
    """Why git could start a program in a folder, as the rest of "its repository …"; None if it cannot."""
    try:
        git = _git_folder(Path(os.path.realpath(cwd)))
        if git is not None:
            _examine(git)
    except _MayRun as reason:
        return str(reason)
    except (OSError, ValueError):
        return "cannot be read"
    return None


def _git_folder(cwd: Path) -> Path | None:
    """The folder that git uses as the repository; None if it finds none. Raises: _MayRun, OSError."""
    for folder in (cwd, *cwd.parents)[:FOLDERS_MAX]:
        git = folder / ".git"
        if os.path.lexists(git):
            if git.is_file():
                named = read_file(git, _NAME_BYTES_MAX).decode().removeprefix("gitdir:").strip()
                git = folder / named
            if not _is_git_folder(git):
                # Git would continue: with this folder as a bare repository, then with the folders above.
                raise _MayRun("is not one that git makes")
            return git
        if _is_git_folder(folder):
            raise _MayRun("is the folder itself")
    return None


def _is_git_folder(folder: Path) -> bool:
    """Whether git takes a folder for a repository; `commondir` may name the folder of `objects` and `refs`."""
    if not os.path.lexists(folder / "HEAD"):
        return False
    return all((folder / name).is_dir() for name in ("objects", "refs")) or os.path.lexists(
        folder / "commondir"
    )


def _examine(git: Path) -> None:
    """Raises: _MayRun, OSError, ValueError."""
    common = git
    if os.path.lexists(git / "commondir"):
        common = git / read_file(git / "commondir", _NAME_BYTES_MAX).decode().strip()
    sha256 = False
    for config in (common / "config", git / "config.worktree"):
        if os.path.lexists(config):
            for name, value in _settings(read_file(config, CONFIG_BYTES_MAX + 1)):
                sha256 = sha256 or (name == "extensions.objectformat" and "256" in value)
    if os.path.lexists(common / "objects" / "info" / "alternates"):
        raise _MayRun("keeps objects elsewhere")
    if os.path.lexists(git / "index"):
        _examine_index(read_file(git / "index", INDEX_BYTES_MAX + 1), 32 if sha256 else 20)


def _settings(config: bytes) -> Iterator[tuple[str, str]]:
    """The keys of a configuration with their values, all harmless. Raises: _MayRun, ValueError."""
    if len(config) > CONFIG_BYTES_MAX:
        raise _MayRun("has a configuration that is too long to look through")
    section = ""
    for line in config.decode().replace("\r\n", "\n").split("\n"):
        if _NOTHING.fullmatch(line):
            continue
        if (begun := _SECTION.fullmatch(line)) is not None:
            section = begun[1].lower() + ("" if begun[2] is None else " *")
            continue
        named, _, value = line.partition("=")
        assigned = _KEY.fullmatch(named)
        if assigned is None or line.endswith("\\") or _CONTROL.search(line):
            raise _MayRun("has a configuration that is not understood")
        key = assigned[1].lower()
        known = _PLAIN.get(section, frozenset())
        if known is not _ANY and key not in known:
            raise _MayRun(f"sets {_named_key(section, key)}, which could start a program")
        yield f"{section}.{key}", value


def _named_key(section: str, key: str) -> str:
    """The name of a key for a message, if it is valid in git."""
    name = f"{section.removesuffix(' *')}.{key}"
    return name if _TOLD.fullmatch(name) else "a key"


# Offsets in an entry of the index: the mode after six numbers, the flags after ten and the object's name.
_MODE_AT, _OBJECT_AT = 24, 40
_GITLINK: Final = b"\0\0\xe0\0"  # the mode of a submodule
_EXTENDED, _NAME_MASK = 0x4000, 0xFFF
_UNREAD: Final = "has an index that is not understood"
# Extensions: a part of the index is in another file; an entry is for a whole folder.
_INDEX_ELSEWHERE: Final = frozenset({b"link", b"sdir"})


def _examine_index(index: bytes, object_bytes: int) -> None:
    """Raises: _MayRun, if a folder of the work tree may be another repository."""
    if len(index) > INDEX_BYTES_MAX:
        raise _MayRun("has an index that is too long to look through")
    version, entries = int.from_bytes(index[4:8]), int.from_bytes(index[8:12])
    if index[:4] != b"DIRC" or version not in (2, 3, 4):
        raise _MayRun(_UNREAD)
    at, flags_at = 12, _OBJECT_AT + object_bytes
    for _ in range(entries):
        if index[at + _MODE_AT : at + _MODE_AT + 4] == _GITLINK:
            raise _MayRun("has submodules, whose own configuration git obeys")
        flags = int.from_bytes(index[at + flags_at : at + flags_at + 2])
        name_at = at + flags_at + (4 if flags & _EXTENDED else 2)
        if version == 4 or flags & _NAME_MASK == _NAME_MASK:
            end = index.find(b"\0", _behind_number(index, name_at) if version == 4 else name_at)
        else:
            end = name_at + (flags & _NAME_MASK)
        if not name_at <= end < len(index):
            raise _MayRun(_UNREAD)
        at = end + 1 if version == 4 else at + ((end - at + 8) & ~7)
    while at < len(index) - object_bytes:
        if index[at : at + 4] in _INDEX_ELSEWHERE:
            raise _MayRun("has an index that is not all in one file")
        at += 8 + int.from_bytes(index[at + 4 : at + 8])


def _behind_number(index: bytes, at: int) -> int:
    """Where a number of variable length ends (the count of bytes to drop from the name before)."""
    while at < len(index) and index[at] & 0x80:
        at += 1
    return at + 1
