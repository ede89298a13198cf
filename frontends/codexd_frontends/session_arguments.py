"""The arguments of `kill` and `type`, of `queue`, and who only watches."""

from __future__ import annotations

from functools import partial

from codexd_frontends.cli.argument import Argument, count

_NUMBER = "the number that `codexctl ps` shows"

PLACE = Argument(
    "place",
    metavar="PLACE",
    type=partial(count, least=1),
    help="the prompt, by its place in `codexctl queue list`",
)
TO_PLACE = Argument(
    "to", metavar="TO", type=partial(count, least=1), help="the place that it is to have"
)
ENDED = (
    Argument("session", metavar="SESSION", nargs="?", help=_NUMBER),
    Argument("--all", action="store_true", help="all of the thread, or all"),
)
TYPED = (
    Argument("session", metavar="SESSION", help=_NUMBER),
    Argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="what to type, before the return key; - reads it from stdin",
    ),
    Argument("-n", "--no-return", action="store_true", help="do not type the return key"),
    Argument(
        "--secret",
        action="store_true",
        help="ask for the text without showing it; it is recorded nowhere",
    ),
    Argument("--interrupt", action="store_true", help="type Ctrl-C"),
    Argument("--end", action="store_true", help="type Ctrl-D"),
)
OBSERVE = Argument(
    "--observe",
    action="store_true",
    help="only watch: approvals are not asked for here, and the others see that",
)
ALLOW_APPROVALS = Argument(
    "--allow-approvals",
    action="store_true",
    help="let it answer questions in a person's place, with the tool answer_question",
)
