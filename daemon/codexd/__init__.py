"""codexd: a daemon that owns coding-agent conversations, each one an append-only event log."""

import sys

__version__ = "0.1.0"

# `python -m` puts the working directory first on the path, and has this name in argv until it has found the module.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]
