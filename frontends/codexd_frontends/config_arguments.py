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

SETTING = Argument(
    "-c",
    "--config",
    metavar="KEY=VALUE",
    dest="settings",
    action="append",
    default=[],
    help="a setting of this thread before those of config.toml, e.g. -c features.shell_tool=false; may be repeated",
)

# As clients start an app server of Codex; some write the settings before the word `app-server`.
CONFIG_SWITCHES = ("--strict-config",)
CONFIG_OPTIONS = ("-c", "--config", "-p", "--profile", "--enable", "--disable", *CONFIG_SWITCHES)
APP_SERVER = (
    Argument(
        "-c",
        "--config",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting of this client's threads, e.g. -c model_reasoning_effort=low; may be repeated",
    ),
    Argument("--enable", metavar="FEATURE", action="append", default=[], help="-c features.X=true"),
    Argument(
        "--disable", metavar="FEATURE", action="append", default=[], help="-c features.X=false"
    ),
    Argument("-p", "--profile", metavar="NAME", help="ignored: a profile is the daemon's"),
    Argument("--strict-config", action="store_true", help="ignored: it is the daemon's"),
    Argument("--listen", metavar="URL", help="where to answer: stdio://"),
)
