"""codexctl show: what happened in a thread, as a terminal that had been attached would show it."""

from __future__ import annotations

import argparse

import msgspec
from msgspec import Raw

from codexd_frontends.console import Console
from codexd_frontends.exits import DONE, Exit
from codexd_frontends.follow import past_turns
from codexd_frontends.messages import RawThreadAnswer, Thread, Turn
from codexd_frontends.render import Piece, Screen
from codexd_frontends.start import connect
from codexd_frontends.style import Style, visible
from codexd_frontends.which import find_thread_id


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Show a thread."""
    with connect(console) as daemon:
        thread_id = find_thread_id(daemon, arguments.thread)
        read = daemon.call("thread/read", {"threadId": thread_id}, RawThreadAnswer)
        turns = past_turns(daemon, thread_id, arguments.turns).turns
    if console.json:
        console.document({"thread": read.thread, "turns": turns})
        return DONE
    for line in heading_lines(msgspec.json.decode(read.thread, type=Thread), console.out_style):
        console.answer(line)
    console.write(turns_pieces(turns, console.out_style))
    return DONE


def heading_lines(thread: Thread, style: Style) -> list[str]:
    """What is known of a thread as a whole."""
    facts = {
        "name": thread.name,
        "cwd": thread.cwd,
        "model": f"{thread.model} ({thread.model_provider})" if thread.model else None,
        "forked": thread.forked_from_id,
        "status": thread.status.word or None,
        "log": thread.path,
    }
    return [
        style.bold(thread.id),
        *(style.dim(f"  {name:<7}{visible(fact)}") for name, fact in facts.items() if fact),
    ]


def turns_pieces(turns: list[Raw], style: Style) -> list[Piece]:
    """The turns, each under its id: that is what `fork --at` takes."""
    screen = Screen(answer=style)
    pieces: list[Piece] = []
    for raw in turns:
        turn = msgspec.json.decode(raw, type=Turn)
        pieces += screen.lines([style.dim(f"— turn {turn.id} —")])
        pieces += screen.turn(turn)
    return pieces
