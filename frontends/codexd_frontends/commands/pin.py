"""codexctl pin, unpin: what every compaction of a thread keeps word for word."""

from __future__ import annotations

import argparse

import msgspec

from codexd.protocol.codexd_methods import PinView, ThreadPinsResponse
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.thread_ref import on_thread
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.numbers import exact


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Pin a record, unpin it, or list what is pinned."""
    with on_thread(arguments, console) as (daemon, thread_id):
        params: dict[str, object] = {"threadId": thread_id}
        method, said = "thread/pin/list", ""
        if arguments.seq is not None:
            removes = arguments.subcommand == "unpin"
            method = "thread/pin/remove" if removes else "thread/pin/add"
            said = f"record {arguments.seq} is pinned{' no more' if removes else ''}"
            params["seq"] = arguments.seq
        pins = daemon.call(method, params, ThreadPinsResponse).pins
    members = {"threadId": thread_id, "pins": msgspec.to_builtins(pins)}
    console.result(members, *([said] if said else pin_lines(pins)))
    return DONE


def pin_lines(pins: tuple[PinView, ...]) -> list[str]:
    """Pins as a person reads them."""
    if not pins:
        return ["nothing is pinned"]
    return [f"{pin.seq:>6}  {exact(pin.tokens):>7}  {one_line(pin.text)}" for pin in pins]
