"""The argv that confines a command with the launcher in `inside`. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from codexd.sandbox.roots import View

# The launcher is a package of its own here: importing codexd would take longer than all of its work.
_BEGIN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from inside.launcher import main; main(sys.argv[2:])"
)


def launcher_argv(
    argv: tuple[str, ...],
    view: View,
    *,
    filter_file: str,
    variables: tuple[tuple[str, str], ...],
    namespaces: bool,
    python: str,
) -> tuple[str, ...]:
    """The argv that runs an argv in a view.

    Args:
        variables: to set in its environment.
        python: the interpreter of the launcher.
        namespaces: whether the machine allows them; without, nothing is writable.
    """
    options = ["--filter", filter_file]
    for mount in view.mounts:
        options += [f"--{mount.kind}", mount.path]
    for name, value in variables:
        options += ["--setenv", f"{name}={value}"]
    if not namespaces:
        options.append("--landlock-only")
    if view.everything_writable:
        options.append("--writable-root")
    if view.network:
        options.append("--share-net")
    here = str(Path(__file__).parent)
    return (python, "-I", "-S", "-c", _BEGIN, here, *options, "--", *argv)
