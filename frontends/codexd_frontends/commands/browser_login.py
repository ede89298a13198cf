"""A login that ends in a browser, at an account or at an MCP server."""

from __future__ import annotations

import time

import msgspec

from codexd_frontends.client.client import Daemon
from codexd_frontends.client.messages import Received
from codexd_frontends.screen.drawn import drawn_once

REASON_CHARACTERS_MAX = 400


class _Ended(Received, frozen=True, kw_only=True):
    """The notification that a login has ended, of any kind."""

    login_id: str | None = None
    success: bool
    error: str | None = None


def open_page(url: str) -> None:
    """Open a page in a browser, if there is one."""
    import webbrowser

    if url.startswith(("http://", "https://")):
        webbrowser.open(url)


def login_problem(
    daemon: Daemon, notification: str, login_id: str | None, seconds: float
) -> str | None:
    """Wait for the end of a login, which this notification tells; why it failed, if it did."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        message = daemon.receive(left)
        if message is None:
            break
        if message.method != notification:
            continue
        ended = msgspec.json.decode(message.params, type=_Ended)
        if ended.login_id == login_id:
            return None if ended.success else drawn_once(ended.error or "", REASON_CHARACTERS_MAX)
    return "the daemon did not say how it ended"
