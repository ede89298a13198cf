"""codexctl whoami: who is logged in, and what pays for requests to the provider of config.toml."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.account import AccountOwn
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.screen.account import AccountAnswer, who
from codexd_frontends.screen.drawn import drawn_once, one_line


def run(_arguments: argparse.Namespace, console: Console) -> Exit:
    """Say who is logged in; the exit code says whether anybody is."""
    with connect(console) as daemon:
        account = read_account(daemon)
    own = account.codexd
    console.result({"account": msgspec.to_builtins(own)}, *_lines(account))
    return DONE if own.method is not None else FAILED


def read_account(daemon: Daemon) -> AccountAnswer:
    """The account in use."""
    return daemon.call("account/read", {}, AccountAnswer)


def _lines(account: AccountAnswer) -> list[str]:
    own = account.codexd
    lines = [f"logged in: {who(account)}" if own.method is not None else "nobody is logged in"]
    if own.source is not None and own.method != "variable":
        codexs = ", Codex's own, which codexd only reads" if own.is_codexs else ""
        lines.append(f"  from      {one_line(own.source)}{codexs}")
    if own.account_id is not None:
        lines.append(f"  account   {one_line(own.account_id, 80)}")
    if own.last_refresh is not None:
        lines.append(f"  refreshed {one_line(own.last_refresh, 40)}")
    lines.append(f"  provider  {one_line(own.provider, 80)}{_paid(own)}")
    if own.problem is not None:
        lines.append(f"  problem   {drawn_once(own.problem, 400)}")
    if own.method is None:
        lines.append("`codexctl login` logs in; `codexctl send --oss` uses a model on this machine")
    return lines


def _paid(own: AccountOwn) -> str:
    if own.method == "variable" or own.uses_login:
        return ""
    return ", which takes no login"
