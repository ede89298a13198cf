"""The paths of codexd's files and folders, and of its socket.

Law: nothing is created here except a socket's folder. With `CODEXD_HOME` set, everything is under it; else
each folder follows the platform's convention: the logs in the data directory, rebuildable files in the
state directory, the socket in the runtime directory.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

# unix(7): `sun_path` has 108 bytes on Linux and 104 on macOS and the BSDs, the closing zero included.
SOCKET_PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
PRIVATE_FOLDER = 0o700


class UnusablePath(Exception):
    """A path cannot be codexd's; says why."""


class UnusableSocketPath(UnusablePath):
    """A socket cannot be bound at the requested path; says why."""


class Paths(msgspec.Struct, frozen=True):
    """The paths of one home; all absolute."""

    config_file: Path
    data_dir: Path  # threads/, archived/, blobs/, drafts/: the logs, which cannot be rebuilt
    state_dir: Path  # index, snapshots: may be deleted at any time
    runtime_dir: Path  # the socket and the lock: gone after a reboot
    socket: Path  # where frontends connect to the daemon

    @property
    def stopped_mark(self) -> Path:
        """A file that is there while a person has stopped the daemon: terminals that wait do not start it again."""
        return self.state_dir / "stopped"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that hold all of codexd's files; a socket that was asked for may be elsewhere."""
        own = (self.config_file.parent, self.data_dir, self.state_dir, self.runtime_dir)
        return (*own, short_folder())


def find_paths(environ: Mapping[str, str], *, sessions: Path = Path("/run/user")) -> Paths:
    """The paths for an environment; `sessions` has a folder for each user who is logged in.

    Raises:
        UnusablePath: a path is not UTF-8, so no message can have it, or names the home folder of nobody.
    """
    if home := environ.get("CODEXD_HOME"):
        root = _absolute("CODEXD_HOME", home)
        config, data, state, runtime = root / "config.toml", root, root / "state", root / "run"
    elif sys.platform == "linux":
        config, data, state, runtime = _linux(environ, sessions)
    else:
        config, data, state, runtime = _platform()
    asked = environ.get("CODEXD_SOCKET")
    socket = _absolute("CODEXD_SOCKET", asked) if asked else runtime / "codexd.sock"
    for path in (config, data, state, runtime, socket):
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise UnusablePath(
                f"expected the paths of codexd's folders in UTF-8, found {os.fsencode(path)!r}; nothing was done"
            ) from error
    return Paths(config, data, state, runtime, socket)


def _absolute(variable: str, path: str) -> Path:
    try:
        absolute = Path(path).expanduser().absolute()
        # The folder that `..` leaves may be removed later.
        return Path(os.path.realpath(absolute)) if ".." in absolute.parts else absolute
    except RuntimeError as error:
        raise UnusablePath(
            f"{variable}: expected a path, found {path!r}, and no such user has a home folder; nothing was done"
        ) from error


def default_paths() -> Paths:
    """The paths for this process's environment."""
    return find_paths(os.environ)


def home_folder(environ: Mapping[str, str]) -> Path:
    """The person's home folder: `$HOME` if it is absolute, else that of the user database."""
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def codex_home(environ: Mapping[str, str]) -> Path:
    """The folder of Codex's own files, which codexd may read: `$CODEX_HOME`, else ~/.codex."""
    given = environ.get("CODEX_HOME", "")
    # The daemon's working directory is /, so a relative path means nothing.
    return Path(given) if given.startswith("/") else home_folder(environ) / ".codex"


def _linux(environ: Mapping[str, str], sessions: Path) -> tuple[Path, Path, Path, Path]:
    # By hand, because importing platformdirs takes 30 ms, a third of what a frontend needs to start.
    home = home_folder(environ)

    def base(variable: str, otherwise: Path) -> Path:
        # XDG Base Directory 0.8: a relative path in these variables is to be ignored.
        given = environ.get(variable, "")
        return Path(given) / "codexd" if given.startswith("/") else otherwise

    config = base("XDG_CONFIG_HOME", home / ".config" / "codexd") / "config.toml"
    data = base("XDG_DATA_HOME", home / ".local" / "share" / "codexd")
    state = base("XDG_STATE_HOME", home / ".local" / "state" / "codexd")
    # Cron and some ssh sessions lack the variable, and must find the same socket as other processes.
    # If no user is logged in, there is no such folder; our state folder is private as well.
    session = sessions / str(os.getuid())
    runtime = base("XDG_RUNTIME_DIR", session / "codexd" if session.is_dir() else state / "run")
    return config, data, state, runtime


def _platform() -> tuple[Path, Path, Path, Path]:
    import platformdirs

    # On macOS the first three are one folder, so the names in them must not collide.
    dirs = platformdirs.PlatformDirs("codexd", appauthor=False)
    config, state = dirs.user_config_path / "config.toml", dirs.user_state_path / "state"
    return config, dirs.user_data_path, state, dirs.user_runtime_path


def parse_socket_url(text: str, default: Path) -> Path:
    """The path in `unix://PATH`; `unix://` alone is the default one. Raises: UnusableSocketPath."""
    if not text.startswith("unix://"):
        raise UnusableSocketPath(
            f"expected unix://PATH or unix://, found {text!r}; nothing was opened"
        )
    path = text.removeprefix("unix://")
    return Path(path).expanduser().absolute() if path else default


def short_folder(root: Path = Path("/tmp")) -> Path:  # noqa: S108  # it is made with mode 0700
    """Where sockets are whose own paths would be too long."""
    return root / f"codexd-{os.getuid()}"


class SocketAddress(msgspec.Struct, frozen=True):
    """Where to bind a socket, and where to put a symlink to it."""

    bind: Path
    link: Path | None = None  # None: the socket itself is at the requested path


def socket_address(
    asked: Path,
    *,
    bytes_max: int = SOCKET_PATH_BYTES_MAX,
    short_root: Path = Path("/tmp"),  # noqa: S108  # the folder that is made in it is 0700
) -> SocketAddress:
    """Where to bind the socket for the path `asked`; makes missing folders.

    If the path is too long for the system, or in a folder that other users may read, the socket gets a short path
    in a private folder of ours, and `asked` becomes a symlink.

    Raises:
        UnusableSocketPath: the private folder belongs to another user.
    """
    make_folders(asked.parent)
    # The requested folder may be a symlink; its target counts.
    if len(os.fsencode(asked)) <= bytes_max and _is_private(asked.parent.stat()):
        return SocketAddress(asked)
    import hashlib

    short = short_folder(short_root)
    make_folders(short)
    # In /tmp a symlink of our name could belong to another user, and lead anywhere, so it is not followed.
    if not _is_private(short.lstat()):
        raise UnusableSocketPath(
            f"expected {short} to be a folder of uid {os.getuid()} with mode 0700, "
            f"found {_described(short)}; no socket was bound for {asked}"
        )
    name = hashlib.sha256(os.fsencode(asked)).hexdigest()[:16]
    return SocketAddress(short / name, asked)


def make_folders(folder: Path) -> None:
    """Make a folder and missing folders above it, all with mode 0700, with any umask.

    Source: the XDG Base Directory Specification, which asks for 0700.
    """
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for missing_folder in reversed(missing):
        missing_folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def _is_private(found: os.stat_result) -> bool:
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and stat.S_IMODE(found.st_mode) & 0o077 == 0
    )


def _described(folder: Path) -> str:
    found = folder.lstat()
    kind = "a folder" if stat.S_ISDIR(found.st_mode) else "something else"
    return f"{kind} of uid {found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}"
