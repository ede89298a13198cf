"""codexctl login: with ChatGPT, in a browser of this machine or by a code; or with an API key.

The daemon stores the login, so that all terminals have it at once. A key goes over its socket only: never on a
command line, and never on a screen.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

import msgspec

from codexd.protocol.account import (
    LOGIN_COMPLETED,
    AccountLoginStartResponse,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.commands.browser_login import login_problem, open_page
from codexd_frontends.commands.hidden_line import HiddenLine
from codexd_frontends.commands.whoami import read_account
from codexd_frontends.screen.account import who
from codexd_frontends.screen.drawn import one_line

VARIABLE: Final = "OPENAI_API_KEY"
# Keys have 50 to 200 characters; more is a file that was piped by mistake.
KEY_BYTES_MAX: Final = 64 * 1024
# The daemon gives a login up after 15 minutes, and says so.
LOGIN_SECONDS_MAX: Final = 16 * 60.0


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Log in."""
    key = _key(console) if arguments.with_api_key else None
    with connect(console) as daemon:
        if key is not None:
            params = {"type": "apiKey", "apiKey": key}
            daemon.call("account/login/start", params, AccountLoginStartResponse)
        else:
            _with_chatgpt(daemon, arguments, console)
        account = read_account(daemon)
    notes = []
    if not account.codexd.uses_login:
        notes.append(
            f"note: requests to the model provider {one_line(account.codexd.provider, 80)} of config.toml are not paid by a "
            "login; `codexctl whoami` says by what"
        )
    said = msgspec.to_builtins(account.codexd)
    console.result({"account": said}, f"logged in: {who(account)}", *notes)
    return DONE


def _key(console: Console) -> str:
    """The key, from stdin or typed. Raises: UsageError."""
    if console.may_ask:
        return _typed(console)
    content = sys.stdin.buffer.read(KEY_BYTES_MAX + 1)
    if len(content) > KEY_BYTES_MAX:
        raise UsageError(
            f"expected an API key on stdin, found more than {KEY_BYTES_MAX} bytes; nothing was stored"
        )
    try:
        key = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(
            "expected an API key on stdin, found bytes that are no text; nothing was stored"
        ) from error
    if not key:
        raise UsageError(
            f"expected an API key on stdin, found nothing: `printenv {VARIABLE} | codexctl login --with-api-key`; "
            "nothing was stored"
        )
    return key


def _typed(console: Console) -> str:
    prefilled = os.environ.get(VARIABLE, "").strip()
    if prefilled:
        console.talk(
            f"${VARIABLE} is set: Enter takes its value, what you type or paste takes its place."
        )
    while True:
        line = HiddenLine(prefilled)
        typed = line.read(sys.stdin.fileno(), lambda: console.ask("API key (not shown): "))
        console.talk("")
        if typed:
            return typed
        console.talk("expected an API key, found nothing; Ctrl-C leaves")


def _with_chatgpt(daemon: Daemon, arguments: argparse.Namespace, console: Console) -> None:
    kind = "chatgptDeviceCode" if arguments.device_auth else "chatgpt"
    begun = daemon.call("account/login/start", {"type": kind}, AccountLoginStartResponse)
    login_id = str(begun.login_id)
    try:
        if begun.user_code is not msgspec.UNSET:
            console.talk("Open this page in any browser, and type the code there:")
            console.talk(f"  {one_line(str(begun.verification_url))}")
            console.talk(f"  code {one_line(begun.user_code, 80)}, valid for 15 minutes")
            console.talk("Go on only if you began this login yourself.")
        else:
            url = str(begun.auth_url)
            console.talk("Log in in a browser of this machine, at this address:")
            console.talk(f"  {one_line(url, len(url))}")
            console.talk("On another machine: `codexctl login --device-auth`.")
            if not arguments.no_browser and sys.stderr.isatty():
                open_page(url)
        problem = login_problem(daemon, LOGIN_COMPLETED, login_id, LOGIN_SECONDS_MAX)
    except KeyboardInterrupt:
        daemon.call("account/login/cancel", {"loginId": login_id}, object)
        raise
    if problem is not None:
        raise CommandError(f"the login failed: {problem}; nothing was stored")
