"""codexctl logout: forget the login, in all terminals."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.account import AccountLogoutResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Log out; that nobody was logged in is no error."""
    with connect(console) as daemon:
        answer = daemon.call("account/logout", {}, AccountLogoutResponse)
    was = answer.was_logged_in is True
    kept = None if answer.codex_keeps is msgspec.UNSET else answer.codex_keeps
    lines = ["logged out" if was else "nobody was logged in"]
    if kept is not None:
        lines.append(f"Codex stays logged in, by {one_line(kept)}; codexd does not use it any more")
    console.result({"wasLoggedIn": was, "codexKeeps": kept}, *lines)
    return DONE
