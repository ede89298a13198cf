"""The arguments of `codexctl config`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument

_WORDS = 'a key of config.toml, dotted: model, tui.theme, projects."/folder".trust_level'
KEY = Argument("key", metavar="KEY", help=_WORDS)
KEY_OR_ALL = Argument(
    "key", metavar="KEY", nargs="?", help=f"{_WORDS}; without one, all keys that are set"
)
VALUE = Argument(
    "value", metavar="VALUE", help='TOML, or else a text: high, true, 5, ["a", "b"], { x = 1 }'
)
HERE = Argument(
    "-C",
    "--cd",
    dest="cwd",
    metavar="DIR",
    help="as for a thread in this folder, with the settings of its project (default: here)",
)
