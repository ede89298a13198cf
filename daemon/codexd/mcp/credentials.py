"""What logins at MCP servers gave: one file for each server, 0600, in a folder of the home. I/O.

A file belongs to a server's name and address: a server with another address gets no token of an earlier one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from codexd.config.whole_files import replace_file
from codexd.machine.foreign_files import NotAFile, read_file
from codexd.machine.owners import make_own_folder

# Tokens have some kilobytes.
FILE_BYTES_MAX: Final = 1024 * 1024


# "Not there", for a member that holds JSON.
NOTHING: Final = msgspec.Raw(b"")


class Login(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A login at one server. The members in JSON are the SDK's own, as it wants them back."""

    name: str
    url: str
    tokens: msgspec.Raw = NOTHING
    expires_at: float | None = None  # of the access token, in seconds since 1970
    client: msgspec.Raw = NOTHING  # what this client is at the authorization server
    metadata: msgspec.Raw = NOTHING  # of the authorization server
    issuer: str | None = None  # the authorization server


class Logins:
    """The logins of a home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, url: str) -> Login | None:
        """The login at a server; None where there is none, or its file cannot be read."""
        try:
            content = read_file(self._path(name, url), FILE_BYTES_MAX, follow=False)
            login = msgspec.json.decode(content, type=Login)
        except (OSError, NotAFile, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return login if (login.name, login.url) == (name, url) else None

    def write(self, login: Login) -> None:
        """Keep a login. Raises: OSError, NotOurs."""
        make_own_folder(self._folder)
        replace_file(self._path(login.name, login.url), msgspec.json.encode(login))

    def forget(self, name: str, url: str) -> bool:
        """Delete a login; whether there was one. Raises: OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name, url))
            return True
        return False

    def _path(self, name: str, url: str) -> Path:
        digest = hashlib.sha256(f"{name}\0{url}".encode(errors="surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.json"
