"""codexctl hooks: list and remove what `codexctl on` added, read its receipts, and try again what was given up."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from codexd.protocol.hooks import (
    HookListResponse,
    HookReceipt,
    HookReceiptsResponse,
    HookRemoveResponse,
    HookRetryResponse,
    HookView,
)
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.errors import CommandError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import drawn_once, one_line

# Every event that was given up runs its command once more.
RETRY_SECONDS_MAX: Final = 600.0
PROBLEM_CHARACTERS_MAX: Final = 300


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do what the action says."""
    return _ACTIONS[arguments.action](arguments, console)


def _list(_: argparse.Namespace, console: Console) -> Exit:
    with connect(console) as daemon:
        hooks = daemon.call("hook/list", {}, HookListResponse).data
    lines = [line for hook in hooks for line in _lines(hook)]
    lines = lines or ["there are no hooks; `codexctl on EVENT -- COMMAND` adds one"]
    console.result({"hooks": msgspec.to_builtins(hooks)}, *lines)
    return DONE


def _lines(hook: HookView) -> list[str]:
    where = f" of {one_line(hook.thread_id)}" if hook.thread_id is not None else ""
    runs = shlex.join(hook.command) if hook.receiver is None else hook.receiver
    if hook.url is not None:
        runs += f" {hook.url}"
    return [
        f"{one_line(hook.name)}: {one_line(', '.join(hook.events), 200)}{where}",
        f"  runs {one_line(runs, 400)}",
        f"  in {one_line(hook.cwd, 400)}",
    ]


def _receipts(arguments: argparse.Namespace, console: Console) -> Exit:
    params: dict[str, object] = {"dead": True} if arguments.action == "dead" else {}
    if arguments.name is not None:
        params["name"] = arguments.name
    with connect(console) as daemon:
        found = daemon.call("hook/receipts", params, HookReceiptsResponse)
    lines = [line for receipt in found.data for line in _receipt_lines(receipt)]
    if not lines:
        lines = ["nothing was given up"] if arguments.action == "dead" else ["no hook has run"]
    console.result(msgspec.to_builtins(found), *lines)
    return DONE


def _receipt_lines(receipt: HookReceipt) -> list[str]:
    code = "" if receipt.exit_code in (None, 0) else f", exit code {receipt.exit_code}"
    outcome = one_line(receipt.outcome)
    if receipt.attempt > 1:
        outcome += f" at attempt {receipt.attempt}"
    event = f"{one_line(receipt.event)} {one_line(receipt.thread_id)}/{receipt.seq}"
    run = f"{one_line(receipt.at)}  {one_line(receipt.hook)}  {event}"
    lines = [f"{run}  {outcome}{code}  {receipt.duration_ms} ms"]
    if receipt.problem:
        lines.append(f"  {drawn_once(receipt.problem, PROBLEM_CHARACTERS_MAX)}")
    return lines


def _retry(arguments: argparse.Namespace, console: Console) -> Exit:
    with connect(console) as daemon:
        retried = daemon.call(
            "hook/retry", {"name": arguments.name}, HookRetryResponse, seconds=RETRY_SECONDS_MAX
        )
    if retried.failed:
        raise CommandError(
            f"{retried.failed} of {retried.done + retried.failed} events failed again; "
            f"`codexctl hooks dead {one_line(arguments.name)}` says why"
        )
    members = {"done": retried.done, "failed": retried.failed}
    console.result(members, f"{retried.done} events were delivered")
    return DONE


def _remove(arguments: argparse.Namespace, console: Console) -> Exit:
    with connect(console) as daemon:
        removed = daemon.call("hook/remove", {"name": arguments.name}, HookRemoveResponse).removed
    name = one_line(arguments.name)
    if not removed:
        raise CommandError(f"there is no hook named {name}; `codexctl hooks list` shows all")
    console.result({"name": arguments.name}, f"removed {name}; its receipts stay")
    return DONE


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, Console], Exit]]] = {
    "list": _list,
    "receipts": _receipts,
    "dead": _receipts,
    "retry": _retry,
    "remove": _remove,
}
