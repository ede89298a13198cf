"""codexctl limits: how much of the account's rate limits is used, how old that figure is, and when they reset."""

from __future__ import annotations

import argparse
import time
from typing import Final

import msgspec

from codexd.protocol.account import AccountRateLimitsReadResponse, RateLimits
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.errors import RequestRefused
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.account import limit_lines

_NOTHING: Final = (
    "no rate limits are known: a provider reports them with its answers, if the account has any"
)


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Say what is known; that nothing is known is an answer, too."""
    with connect(console) as daemon:
        try:
            read = daemon.call("account/rateLimits/read", {}, AccountRateLimitsReadResponse)
        except RequestRefused as refused:
            if refused.reason != "needs_chatgpt_login":
                raise
            read = AccountRateLimitsReadResponse(RateLimits())
    families = read.rate_limits_by_limit_id or {}
    observed = read.codexd.observed_at_ms if read.codexd is not None else {}
    now = time.time()
    rows = [
        {**msgspec.to_builtins(limits), "observedAtMs": observed.get(name)}
        for name, limits in families.items()
    ]
    lines = [
        line
        for name, limits in families.items()
        for line in limit_lines(name, limits, observed.get(name), now)
    ]
    console.result({"limits": rows}, *(lines or [_NOTHING]))
    return DONE
