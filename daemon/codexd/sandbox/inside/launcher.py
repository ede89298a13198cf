"""Confines itself and becomes a command. I/O.

    launcher OPTIONS -- ARGV

    --filter FILE         the filter of system calls
    --write, --read, --hide PATH    a mount, each after those above it
    --writable-root       everything is writable but what is mounted otherwise
    --share-net           the machine's network
    --setenv NAME=VALUE   a variable for the command
    --landlock-only       no namespaces: nothing is writable, and `--hide` covers the content of files

Three processes: the first waits outside for the command's end and dies with who started it; the second is the first of
the new process namespace, whose end ends all in it; the third is the command.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of which signal makes an enumeration
import os

from . import kernel
from .landlock import all_but, restrict

# The module typing takes longer to import than the launcher to work, and so does signal.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final, NoReturn

# By which a listening socket is handed out to the relay of a proxy, if there is one.
HANDED_FD: Final = 8
_ALL_FDS: Final = 1 << 30
CANNOT_CONFINE: Final = 126  # the exit code; what went wrong is said on stderr
_NEW_USER, _NEW_MOUNTS, _NEW_PROCESSES = 0x10000000, 0x00020000, 0x20000000
_NEW_NETWORK, _NEW_IPC = 0x40000000, 0x08000000
_RECURSIVE, _SLAVE, _NO_SETUID, _NO_DEVICES, _NO_EXEC = 0x4000, 1 << 19, 2, 4, 8
_RESTRICTED = kernel.MOUNT_NO_SETUID | kernel.MOUNT_NO_DEVICES

_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_KERNEL_FILES: Final = ("sys", "sysrq-trigger", "irq", "bus", "fs", "mtrr")
# What landlock lets a command write apart from its folders.
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 (one of its own)
_ALWAYS_WRITABLE: Final = (
    "/proc",
    "/dev/pts",
    _SHARED_MEMORY,
    *[f"/dev/{name}" for name in _DEVICES],
)
_ALWAYS_WRITABLE_OUTSIDE: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
# A signal to the session is for the command, which may tidy up: those who wait for it stay.
_FOR_THE_COMMAND: Final = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
_IGNORED_BY_PYTHON: Final = (_signal.SIGPIPE, _signal.SIGXFSZ)


class Asked:
    """What the options say."""

    def __init__(
        self,
        argv: list[str],
        filter_program: bytes,
        mounts: Sequence[tuple[str, str]],
        variables: Mapping[str, str],
        flags: frozenset[str],
    ) -> None:
        self.argv, self.filter, self.mounts = argv, filter_program, mounts
        self.variables, self.flags = variables, flags


def main(arguments: list[str]) -> NoReturn:
    """Become the command. It ends with `CANNOT_CONFINE` where a fence can't be put up."""
    try:
        asked = _read(arguments)
        os.closerange(3, HANDED_FD)
        os.closerange(HANDED_FD + 1, _ALL_FDS)
        os.environ.update(asked.variables)
        kernel.no_new_privileges()
        if "--landlock-only" in asked.flags:
            hidden = [path for kind, path in asked.mounts if kind == "hide"]
            shown = [path for kind, path in asked.mounts if kind == "read"]
            restrict(_ALWAYS_WRITABLE_OUTSIDE, [*all_but(hidden), *shown], network=False)
            _become(asked)
        kernel.die_with_parent()
        _enter_namespaces(asked)
        _wait_outside(asked)
    except (OSError, ValueError) as error:
        _give_up(error)


def _give_up(error: Exception) -> NoReturn:
    os.write(2, f"codexd: the sandbox could not be set up: {error}\n".encode())
    os._exit(CANNOT_CONFINE)


def _read(arguments: list[str]) -> Asked:
    mounts: list[tuple[str, str]] = []
    filter_file = ""
    variables: dict[str, str] = {}
    flags: set[str] = set()
    left = iter(arguments)
    for option in left:
        if option == "--":
            break
        if option in ("--write", "--read", "--hide"):
            mounts.append((option[2:], next(left)))
        elif option == "--setenv":
            name, _, value = next(left).partition("=")
            variables[name] = value
        elif option == "--filter":
            filter_file = next(left)
        elif option in ("--writable-root", "--share-net", "--landlock-only"):
            flags.add(option)
        else:
            raise ValueError(f"the launcher has no option {option}")
    with open(filter_file, "rb") as file:
        program = file.read()
    return Asked(list(left), program, mounts, variables, frozenset(flags))


def _enter_namespaces(asked: Asked) -> None:
    user, group, folder = os.geteuid(), os.getegid(), os.getcwd()
    new = _NEW_USER | _NEW_MOUNTS | _NEW_PROCESSES | _NEW_IPC
    shares_network = "--share-net" in asked.flags
    kernel.unshare(new if shares_network else new | _NEW_NETWORK)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    if not shares_network:
        kernel.raise_loopback()
    kernel.mount("none", "/", None, _RECURSIVE | _SLAVE)
    # Before everything becomes read-only: the copies keep the rights that the mounts have now.
    copies = {path: kernel.tree_at(path) for kind, path in asked.mounts if kind != "hide"}
    there = [name for name in _DEVICES if os.path.exists(f"/dev/{name}")]
    devices = {name: kernel.tree_at(f"/dev/{name}") for name in there}
    read_only = 0 if "--writable-root" in asked.flags else kernel.MOUNT_READ_ONLY
    kernel.restrict_mounts("/", _RESTRICTED | read_only)
    _make_devices(devices)
    for kind, path in asked.mounts:
        if not os.path.lexists(path):  # within a hidden folder
            os.makedirs(path)
        if kind == "hide":
            kernel.mount("tmpfs", path, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=755")
            continue
        read_only = kernel.MOUNT_READ_ONLY if kind == "read" else 0
        kernel.restrict_mounts(copies[path], _RESTRICTED | read_only)
        kernel.attach(copies[path], path)
    for kind, path in asked.mounts:
        if kind == "hide":
            _freeze(path)
    os.chdir(folder)  # as it is now: the folder before is that of a mount below


def _freeze(path: str) -> None:
    """Make a cover read-only, and not what is mounted in it."""
    remount, bind, read_only = 32, 4096, 1
    kernel.mount("none", path, None, remount | bind | read_only | _NO_SETUID | _NO_DEVICES)


def _make_devices(devices: Mapping[str, int]) -> None:
    """A /dev with nothing of the machine's but devices that are the same everywhere."""
    kernel.mount("tmpfs", "/dev", "tmpfs", _NO_SETUID, "mode=755")
    for name, tree in devices.items():
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        kernel.attach(tree, f"/dev/{name}")
    for name, leads_to in _DEVICE_LINKS.items():
        os.symlink(leads_to, f"/dev/{name}")
    os.mkdir("/dev/pts")
    options = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", "/dev/pts", "devpts", _NO_SETUID | _NO_EXEC, options)
    os.mkdir(_SHARED_MEMORY)
    kernel.mount("tmpfs", _SHARED_MEMORY, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=1777")


def _wait_outside(asked: Asked) -> NoReturn:
    child = os.fork()
    if child == 0:
        try:
            kernel.die_with_parent()
            _be_first(asked)
        except OSError as error:
            _give_up(error)
    _stay()
    kernel.drop_capabilities()
    os.closerange(0, _ALL_FDS)  # the pipes are the command's: whoever reads them sees their end
    os._exit(_exit_code(os.waitpid(child, 0)[1]))


def _be_first(asked: Asked) -> NoReturn:
    """The first process of the namespace: it waits for the command, and buries what others leave."""
    flags = _NO_SETUID | _NO_DEVICES | _NO_EXEC
    kernel.mount("proc", "/proc", "proc", flags)
    for name in _KERNEL_FILES:
        if os.path.exists(f"/proc/{name}"):
            tree = kernel.tree_at(f"/proc/{name}")
            kernel.restrict_mounts(tree, kernel.MOUNT_READ_ONLY)
            kernel.attach(tree, f"/proc/{name}")
    child = os.fork()
    if child == 0:
        try:
            writable = [path for kind, path in asked.mounts if kind == "write"]
            root = ["/"] if "--writable-root" in asked.flags else []
            restrict((*_ALWAYS_WRITABLE, *writable, *root), None, network=True)
            _become(asked)
        except OSError as error:
            _give_up(error)
    _stay()
    kernel.drop_capabilities()
    kernel.set_filter(asked.filter)
    os.closerange(0, _ALL_FDS)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(_exit_code(status))


def _become(asked: Asked) -> NoReturn:
    """Give up what is left of rights, and execute the command."""
    for number in _IGNORED_BY_PYTHON:
        _signal.signal(number, _signal.SIG_DFL)
    if "--landlock-only" not in asked.flags or os.geteuid() == 0:
        kernel.drop_capabilities()
    kernel.set_filter(asked.filter)
    program = asked.argv[0]
    try:
        os.execvp(program, asked.argv)  # noqa: S606 (that is its purpose)
    except OSError as error:
        os.write(2, f"codexd: {program} could not be started: {error.strerror}\n".encode())
        os._exit(127)


def _stay() -> None:
    """Don't end by a signal that is for the command."""
    for number in _FOR_THE_COMMAND:
        _signal.signal(number, _signal.SIG_IGN)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
