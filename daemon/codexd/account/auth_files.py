"""auth.json: codexd's own, and that of Codex, which is read where codexd has none and is never written. I/O.

A login goes to codexd's own file, 0600, replaced as a whole. An own file without a login means "logged out", also
where Codex is logged in.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from codexd.account.login import Login, Members, Unusable, read_login
from codexd.config.whole_files import replace_file
from codexd.machine.foreign_files import NotAFile, read_file
from codexd.machine.owners import NotOurs, foreign_owner, make_own_folder, refuse_unless_ours
from codexd.machine.patience import impatiently

NAME: Final = "auth.json"
# Tokens have some kilobytes.
FILE_BYTES_MAX: Final = 1024 * 1024

Stamp = tuple[tuple[int, ...], ...]


class Found(msgspec.Struct, frozen=True):
    """What the files hold."""

    login: Login | None = None
    members: Members = {}
    file: Path | None = None  # None: neither file is there
    is_codexs: bool = False
    problem: str | None = None  # why what is there is not used


class AuthFiles:
    """The two files."""

    def __init__(self, own: Path, codexs: Path) -> None:
        """The folders of codexd's configuration and of Codex's."""
        self.own, self.codexs = own / NAME, codexs / NAME
        self._beside = own / f"{NAME}.bak"

    def stamp(self) -> Stamp:
        """Another one when a file has changed."""
        return tuple(_stamp(path) for path in (self.own, self.codexs))

    def read(self) -> Found:
        """The login of codexd, else that of Codex."""
        if os.path.lexists(self.own) or self.own == self.codexs:
            return _read(self.own, is_codexs=False)
        return _read(self.codexs, is_codexs=True)

    def write(self, members: Members) -> None:
        """Replace codexd's own; one that held something else than a login stays beside it. Raises: OSError."""
        make_own_folder(self.own.parent)
        if os.path.lexists(self.own) and _read(self.own, is_codexs=False).problem is not None:
            with contextlib.suppress(OSError):
                os.replace(self.own, self._beside)
                os.chmod(self._beside, 0o600)
        content = msgspec.json.format(msgspec.json.encode(members), indent=2)
        replace_file(self.own, content)

    def forget(self) -> Path | None:
        """Be logged out from now on; returns Codex's file if Codex is still logged in there. Raises: OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._beside)
        codexs = None if self.own == self.codexs else _read(self.codexs, is_codexs=True)
        if codexs is not None and codexs.file is not None:
            self.write({"OPENAI_API_KEY": None})
            return codexs.file if codexs.login is not None else None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.own)
        return None


def _read(path: Path, *, is_codexs: bool) -> Found:
    def unusable(reason: str) -> Found:
        return Found(None, {}, path, is_codexs, f"{path} is not used: {reason}")

    try:
        content = impatiently(path, partial(read_file, path, FILE_BYTES_MAX))
        if is_codexs:
            if (uid := foreign_owner(path)) is not None:
                return unusable(f"it belongs to uid {uid}")
        else:
            refuse_unless_ours(path)
        members = msgspec.json.decode(content, type=dict[str, object])
        return Found(read_login(members), members, path, is_codexs)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    except NotOurs as error:
        return unusable(str(error))
    except NotAFile as error:
        return unusable(str(error.strerror))
    except OSError as error:
        return unusable(f"it cannot be read: {error.strerror}")
    except Unusable as error:
        return unusable(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unusable("expected a table in JSON, found something else")


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = impatiently(path, partial(os.stat, path))
    except OSError as error:
        return (0, error.errno or 0)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
