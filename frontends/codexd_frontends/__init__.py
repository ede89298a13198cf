"""Programs that people use: they speak to the daemon over its socket and keep nothing but a position."""

import sys

# `python -m` puts the working directory first on the path, and has this name in argv until it has found the module.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]
