"""Programs that people use: they speak to the daemon over its socket and keep nothing but a position."""

import sys

# As a shell ends a command that Ctrl-C has ended: 128 and the number of the signal.
INTERRUPTED_EXIT = 130


def leave_on_interrupt() -> None:
    """Let Ctrl-C end this process without a traceback while it imports; `ctl.main` replaces that."""
    # Part of the interpreter; `signal` imports for some milliseconds.
    import _signal  # type: ignore[import-not-found]
    import os

    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(INTERRUPTED_EXIT))


# `python -m` puts the working directory first on the path, and has this name in argv until it has found the module.
if sys.argv[:1] == ["-m"]:
    if not sys.flags.safe_path:
        del sys.path[0]
    if "codexd_frontends.ctl" in sys.orig_argv:
        leave_on_interrupt()
