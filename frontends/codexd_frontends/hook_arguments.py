"""The arguments of `codexctl on` and `codexctl hooks`."""

from __future__ import annotations

from codexd_frontends.cli.argument import Argument

HOOK = Argument("name", metavar="NAME", help="the hook's name")
SOME_HOOK = Argument("name", metavar="NAME", nargs="?", help="the hook's name (default: all hooks)")
NEW_HOOK = (
    Argument(
        "events",
        metavar="EVENT",
        nargs="+",
        help="types of events such as turn.completed, turn.*, or the words waiting (for an approval) and done",
    ),
    Argument("--name", metavar="NAME", help="its name (default: that of its program)"),
    Argument("--thread", metavar="THREAD", help="only for this thread (default: every thread)"),
    Argument(
        "--since",
        metavar="WHEN",
        help="also for past events since then: 2026-11-27, monday, 3h (default: from now on)",
    ),
    Argument(
        "--replay",
        action="store_true",
        help="run the hook NAME again for events since WHEN that it has run for",
    ),
    Argument(
        "--desktop", action="store_true", help="notify on the desktop, unless a client is attached"
    ),
    Argument(
        "--ntfy",
        metavar="URL",
        help="notify by ntfy, at this address with the topic, unless a client is attached",
    ),
    Argument(
        "--webhook", metavar="URL", help="post JSON to this address, unless a client is attached"
    ),
)
