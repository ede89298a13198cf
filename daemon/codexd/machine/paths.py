"""Where codexd keeps things on this machine, and where its socket is bound.

The law: nothing is created here but a socket's folder; `Paths` only says where. With `CODEXD_HOME` set
everything is under it; else each thing is where the platform wants its kind: precious things in the data
directory, rebuildable ones in the state directory, the socket in the runtime directory.
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


class UnusableSocketPath(Exception):
    """A socket cannot be bound where it was asked for; says why."""


class Paths(msgspec.Struct, frozen=True):
    """The places of one codexd; all absolute."""

    config_file: Path
    data_dir: Path  # threads/, archived/, blobs/, drafts/: the logs, which nothing can bring back
    state_dir: Path  # index, snapshots: may be deleted at any time
    runtime_dir: Path  # the socket and the lock: gone when the machine stops
    socket: Path  # where frontends look for the daemon

    @property
    def folders(self) -> tuple[Path, ...]:
        """All that codexd keeps is in one of these, or below it; a socket may lie elsewhere."""
        return (self.config_file.parent, self.data_dir, self.state_dir, self.runtime_dir)


def find_paths(environ: Mapping[str, str], *, sessions: Path = Path("/run/user")) -> Paths:
    """The places that an environment asks for; `sessions` has a folder for each user who is logged in."""
    if home := environ.get("CODEXD_HOME"):
        root = Path(home).expanduser().absolute()
        config, data, state, runtime = root / "config.toml", root, root / "state", root / "run"
    elif sys.platform == "linux":
        config, data, state, runtime = _linux(environ, sessions)
    else:
        config, data, state, runtime = _platform()
    asked = environ.get("CODEXD_SOCKET")
    socket = Path(asked).expanduser().absolute() if asked else runtime / "codexd.sock"
    return Paths(config, data, state, runtime, socket)


def default_paths() -> Paths:
    """The places that this process's environment asks for."""
    return find_paths(os.environ)


def home_folder(environ: Mapping[str, str]) -> Path:
    """The person's home folder: `$HOME`, or as the user database has it where that is no absolute path."""
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


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
    # Cron and some ssh sessions lack the variable, and must find the same socket as everybody else.
    # Where nobody is logged in there is no such folder; ours of the state is private as well.
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


class SocketAddress(msgspec.Struct, frozen=True):
    """Where to bind, and where to leave a symlink to that."""

    bind: Path
    link: Path | None = None  # None: the socket itself is where it was asked for


def socket_place(
    asked: Path, *, bytes_max: int = SOCKET_PATH_BYTES_MAX, short_root: Path = Path("/tmp")
) -> SocketAddress:
    """Where to bind a socket that is to be found at `asked`; makes the folders that are missing.

    A path that is too long for the system, or in a folder that others may look into, gets a short one in a
    private folder of ours, and a symlink.

    Raises:
        UnusableSocketPath: the private folder is somebody else's.
    """
    make_folders(asked.parent)
    # The folder may be asked for through a symlink; what counts is where it leads.
    if len(os.fsencode(asked)) <= bytes_max and _is_private(asked.parent.stat()):
        return SocketAddress(asked)
    import hashlib

    short = short_root / f"codexd-{os.getuid()}"
    make_folders(short)
    # In /tmp a symlink of our name could be somebody else's, and lead anywhere: so not followed here.
    if not _is_private(short.lstat()):
        raise UnusableSocketPath(
            f"expected {short} to be a folder of uid {os.getuid()} with mode 0700, "
            f"found {_described(short)}; no socket was bound for {asked}"
        )
    name = hashlib.sha256(os.fsencode(asked)).hexdigest()[:16]
    return SocketAddress(short / name, asked)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it that are missing, all of them for nobody else, whatever the umask.

    Source: the XDG Base Directory Specification, which has 0700 for what leads to its folders.
    """
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


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
