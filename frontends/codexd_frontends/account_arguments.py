"""The arguments of `codexctl login`."""

from __future__ import annotations

import argparse

from codexd_frontends.cli.argument import Argument


def _refused(_: str) -> str:
    # The value is not repeated: it is a key.
    raise argparse.ArgumentTypeError(
        "a key on the command line can be read by every process of this machine, and stays in the shell's history: "
        "use `printenv OPENAI_API_KEY | codexctl login --with-api-key`; nothing was stored"
    )


LOGIN = (
    Argument(
        "--with-api-key",
        group="method",
        action="store_true",
        help="with an API key, read from stdin; in a terminal it is asked for, and not shown",
    ),
    Argument(
        "--device-auth",
        group="method",
        action="store_true",
        help="with ChatGPT, by a code that is typed in a browser of any machine",
    ),
    Argument("--api-key", group="method", type=_refused, help=argparse.SUPPRESS),
)
