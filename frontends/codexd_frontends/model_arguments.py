"""The arguments of `codexctl model`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument

HIDDEN = Argument(
    "--all", action="store_true", help="also the models that pickers do not show", dest="hidden"
)
MODEL = Argument("model", metavar="MODEL", help="the model of new threads")
EFFORT = Argument(
    "--effort", metavar="E", group="effort", help="its reasoning effort, such as low or high"
)
NO_EFFORT = Argument(
    "--no-effort",
    action="store_true",
    group="effort",
    help="the model's own default effort; so it is without --effort, too",
)
