"""The argv that confines a command with bubblewrap. Pure.

A shell goes first, for two things that bubblewrap cannot do: it opens the filter's file, and it has the signals ignored
that are for the command, since bubblewrap is in the command's session and process group and would die of them.
Source: bwrap(1); signal(7): what is ignored stays so across exec.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codexd.sandbox.roots import View

_SIGNALS: Final = "HUP,INT,QUIT,TERM"
_FILTER_FD: Final = "9"  # the last that every shell can redirect
_BEGIN: Final = (
    f'trap \'\' {_SIGNALS.replace(",", " ")}; exec {_FILTER_FD}<"$0" || exit 126; exec "$@"'
)


def bubblewrap_argv(
    argv: tuple[str, ...],
    view: View,
    *,
    program: str,
    filter_file: str,
    env_program: str | None,
    kernel_files: Sequence[str],
    variables: tuple[tuple[str, str], ...],
) -> tuple[str, ...]:
    """The argv that runs an argv in a view.

    Args:
        program: the path of bwrap.
        env_program: the path of an env(1) that gives signals their default again; None if there is none, and a signal
            to the session then ends the command without a moment to tidy up.
        kernel_files: of /proc, to be read-only.
        variables: to set in its environment.
    """
    options = ["--unshare-user", "--unshare-pid", "--unshare-ipc"]
    if not view.network:
        options.append("--unshare-net")
    options += ["--cap-drop", "ALL", "--die-with-parent", "--seccomp", _FILTER_FD]
    options += ["--bind" if view.everything_writable else "--ro-bind", "/", "/"]
    options += ["--dev", "/dev", "--proc", "/proc"]
    for path in kernel_files:
        options += ["--ro-bind", path, path]
    options += _mounts(view)
    for name, value in variables:
        options += ["--setenv", name, value]
    inner = argv
    # env(1) takes a name with `=` for a variable.
    if env_program is not None and "=" not in argv[0]:
        inner = (env_program, f"--default-signal={_SIGNALS}", *argv)
    before = (
        ("/bin/sh", "-c", _BEGIN, filter_file) if env_program is not None else _plain(filter_file)
    )
    return (*before, program, *options, "--", *inner)


def _plain(filter_file: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", _BEGIN.partition("; ")[2], filter_file)


def _mounts(view: View) -> list[str]:
    options: list[str] = []
    for mount in view.mounts:
        match mount.kind:
            case "write":
                options += ["--bind", mount.path, mount.path]
            case "read":
                options += ["--ro-bind", mount.path, mount.path]
            case "hide":
                options += ["--tmpfs", mount.path]
    for mount in view.mounts:
        if mount.kind == "hide":
            options += ["--remount-ro", mount.path]
    return options
