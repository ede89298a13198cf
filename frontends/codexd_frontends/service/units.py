"""The texts of the units: those of the package, with the paths of this installation and of this home."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codexd import __version__
from codexd.machine.paths import SOCKET_PATH_BYTES_MAX, default_paths
from codexd.machine.python_child import python_command
from codexd_frontends.client.errors import UsageError

SERVICE: Final = "codexd.service"
SOCKET: Final = "codexd.socket"
LABEL: Final = "dev.codexd.codexd"
PROPERTY_LIST: Final = f"{LABEL}.plist"
# Files that begin so are ours to replace and to remove.
MARK: Final = "Written by `codexctl service install`"
_UNITS: Final = Path(__file__).parent / "unit_files"
# What decides where a home is. A manager gives its services none of them, or its own.
_HOME_VARIABLES: Final = (
    "CODEXD_HOME",
    "CODEXD_SOCKET",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)
_DEFAULT_COMMAND: Final = "%h/.local/bin/codexd"
_DEFAULT_SOCKET: Final = "%t/codexd/codexd.sock"
# The first version of systemd that waits for the end of a reload (systemd.service(5), `Type=notify-reload`).
NOTIFY_RELOAD: Final = 253


def daemon_command() -> Sequence[str]:
    """The command of the daemon that is installed beside this program."""
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sys.executable).parent):
        path = folder / "codexd"
        if path.is_file() and os.access(path, os.X_OK):
            return (str(path),)
    return python_command("codexd")


def home_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a service needs to find the home of this environment; paths are absolute."""
    found = {name: environ[name] for name in _HOME_VARIABLES if environ.get(name)}
    paths = default_paths()
    if "CODEXD_HOME" in found:
        found["CODEXD_HOME"] = str(paths.data_dir)
    if "CODEXD_SOCKET" in found:
        found["CODEXD_SOCKET"] = str(paths.socket)
    return found


def systemd_units(
    command: Sequence[str],
    socket_path: Path,
    runtime: Path,
    variables: Mapping[str, str],
    *,
    version: int,
) -> dict[str, str]:
    """The units by their names. `runtime` is the manager's runtime folder, `version` that of systemd."""
    program, *arguments = command
    # Variables are expanded in arguments, and not in the path of the program.
    words = [unit_word(program, variables=False), *map(unit_word, arguments)]
    service = _text(SERVICE).replace(_DEFAULT_COMMAND, " ".join(words))
    lines = "".join(
        f"Environment={unit_word(f'{name}={value}', variables=False)}\n"
        for name, value in variables.items()
    )
    service = service.replace("[Service]\n", f"[Service]\n{lines}")
    if version >= NOTIFY_RELOAD:
        service = service.replace("Type=notify\n", "Type=notify-reload\n")
        service = service.replace("ExecReload=/bin/kill -HUP $MAINPID\n", "")
    socket = _text(SOCKET)
    if socket_path != runtime / "codexd" / "codexd.sock":
        socket = socket.replace(_DEFAULT_SOCKET, str(checked(socket_path)).replace("%", "%%"))
    mark = f"# {MARK} of codexd {__version__}; the next one replaces it.\n"
    edit = "# Changes go beside it: `systemctl --user edit codexd`.\n"
    return {SERVICE: mark + edit + service, SOCKET: mark + socket}


def unit_word(word: str, *, variables: bool = True) -> str:
    """A word as a unit file has it: quoted, its specifiers (and `variables`) escaped. Source: systemd.syntax(7)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if "\n" in escaped:
        raise UsageError(f"expected a path without a line break, found {word!r}; nothing was done")
    if variables:
        escaped = escaped.replace("$", "$$")
    return escaped if escaped.replace("/", "").replace(".", "").isalnum() else f'"{escaped}"'


def property_list(
    command: Sequence[str], socket_path: Path, log: Path, variables: Mapping[str, str], *, path: str
) -> bytes:
    """The launch agent; `path` is the PATH of its commands."""
    import plistlib  # an XML parser, for launchd alone

    plist: dict[str, Any] = plistlib.loads(_text(PROPERTY_LIST).encode())
    words = {"@LOG@": str(log), "@PATH@": path, "@SOCKET@": str(checked(socket_path))}
    plist = _filled(plist, words)
    plist["ProgramArguments"][:1] = command
    plist["EnvironmentVariables"] |= variables
    text = plistlib.dumps(plist, sort_keys=False).decode()
    comment = f"<!-- {MARK} of codexd {__version__}. -->\n<plist "
    return text.replace("<plist ", comment, 1).encode()


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {name: _filled(member, words) for name, member in value.items()}
        case list():
            return [_filled(member, words) for member in value]
        case str():
            return words.get(value, value)
        case _:
            return value


def checked(socket_path: Path) -> Path:
    """A path that a manager can bind a socket at. Raises: UsageError."""
    if len(os.fsencode(socket_path)) > SOCKET_PATH_BYTES_MAX or "\n" in str(socket_path):
        raise UsageError(
            f"expected a path of at most {SOCKET_PATH_BYTES_MAX} bytes for the socket of a service, found "
            f"{socket_path}: set CODEXD_SOCKET to a shorter one; nothing was done"
        )
    return socket_path


def is_ours(path: Path) -> bool:
    """Whether a file was written by `codexctl service install`."""
    try:
        return MARK in path.read_text(encoding="utf-8", errors="replace")[:1000]
    except OSError:
        return False


def _text(name: str) -> str:
    return (_UNITS / name).read_text(encoding="utf-8")
