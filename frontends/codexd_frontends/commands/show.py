"""codexctl show: what happened in a thread, as a terminal that had been attached would show it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from codexd.protocol.clients import ThreadClientsResponse
from codexd.protocol.codexd_methods import ImportedFrom
from codexd.protocol.usage import ThreadTokenUsage, ThreadUsageReadResponse
from codexd_frontends.cli.argument import ALL_TURNS
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import find_thread_id
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import RequestRefused, UsageError
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.follow import all_records, all_turns, past_turns, turn_at
from codexd_frontends.client.messages import Item, RawThreadAnswer, Thread, Turn
from codexd_frontends.commands.outputs import OutputPart, output_parts
from codexd_frontends.commands.status import client_name
from codexd_frontends.screen.drawn import one_line
from codexd_frontends.screen.instructions import ModelInstructions
from codexd_frontends.screen.items import command_end_line, command_lines
from codexd_frontends.screen.numbers import status_line
from codexd_frontends.screen.reasoning import Thoughts, wanted_thoughts
from codexd_frontends.screen.render import Piece, TerminalScreen
from codexd_frontends.screen.style import Style
from codexd_frontends.screen.whole_output import WholeOutput

EARLIER = f"earlier turns: codexctl show {{}} --turns {ALL_TURNS}"


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Show a thread."""
    with connect(console) as daemon:
        thread_id = find_thread_id(daemon, arguments.thread)
        if arguments.instructions:
            _show_instructions(daemon, thread_id, console)
            return DONE
        if arguments.item is not None or arguments.raw:
            _show_output(daemon, thread_id, arguments, console)
            return DONE
        past: Iterable[Raw]
        read = daemon.call("thread/read", {"threadId": thread_id}, RawThreadAnswer)
        if arguments.at_seq is not None:
            past, earlier = [turn_at(daemon, thread_id, arguments.at_seq)], False
        elif arguments.turns is None:
            past, earlier = all_turns(daemon, thread_id), False
        else:
            past, earlier = past_turns(daemon, thread_id, arguments.turns)
        if console.json:
            members: dict[str, object] = {"thread": read.thread, "earlierTurns": earlier}
            console.document_with(members, "turns", past)
            return DONE
        style = console.out_style
        thread = msgspec.json.decode(read.thread, type=Thread)
        usage, clients = _usage(daemon, thread_id), _clients(daemon, thread_id)
        console.answers(heading_lines(thread, style, usage, clients))
        if earlier:
            console.answer(style.dim(f"— {EARLIER.format(thread_id)} —"))
        thoughts = wanted_thoughts(daemon, arguments.reasoning)
        console.write(
            whole_pieces(daemon, thread_id, past, style, thoughts)
            if arguments.full
            else turns_pieces(past, style, thoughts)
        )
    return DONE


def _show_output(
    daemon: Daemon, thread_id: str, arguments: argparse.Namespace, console: Console
) -> None:
    """The output of one command: drawn, or byte for byte."""
    if arguments.item is None:
        raise UsageError("--raw is for the output of one command: say which with --item")
    if console.json:
        raise UsageError("the output of a command has no JSON form: leave out --json")
    parts = output_parts(daemon, thread_id, arguments.item)
    if arguments.raw:
        if console.is_seen:
            raise UsageError(
                "raw output could drive the terminal: send it into a file or a pipe, or leave out --raw"
            )
        for part in parts:
            console.raw(part.data)
            if part.lost_bytes:
                console.talk(_not_kept(part.lost_bytes))
        return
    console.write(drawn_output(parts, console.out_style))


def drawn_output(parts: Iterable[OutputPart], style: Style) -> Iterator[Piece]:
    """The output of a command, line by line."""
    output, lost = WholeOutput(style), 0
    for part in parts:
        yield Piece(output.grow(part.data), True)
        lost = part.lost_bytes
    yield Piece(output.end(), True)
    if lost:
        yield Piece(style.yellow(f"  {_not_kept(lost)}") + "\n", True)


def _not_kept(lost: int) -> str:
    return f"… {lost:,} more bytes were printed, and not kept"


def _show_instructions(daemon: Daemon, thread_id: str, console: Console) -> None:
    """The model's instructions, from the whole log."""
    instructions = ModelInstructions()
    for raw in all_records(daemon, thread_id):
        instructions.take(raw)
    if console.json:
        console.document(instructions.members())
        return
    console.answers(instructions.lines(console.out_style))


def _usage(daemon: Daemon, thread_id: str) -> str | None:
    """The thread's usage, in short; None where the daemon does not report it."""
    params = {"threadId": thread_id, "turns": False}
    try:
        usage = daemon.call("thread/usage/read", params, ThreadUsageReadResponse)
    except RequestRefused:
        return None  # An older daemon; the thread is shown all the same.
    if not usage.total.requests:
        return None
    return status_line(ThreadTokenUsage(total=usage.total.tokens, percent_left=usage.percent_left))


def _clients(daemon: Daemon, thread_id: str) -> str | None:
    """The clients that are attached to the thread; None where there are none, or the daemon does not say."""
    try:
        found = daemon.call("thread/clients", {"threadId": thread_id}, ThreadClientsResponse)
    except RequestRefused:
        return None
    return ", ".join(map(client_name, found.data)) or None


def heading_lines(
    thread: Thread, style: Style, usage: str | None = None, clients: str | None = None
) -> list[str]:
    """The head of a thread."""
    facts = {
        "name": thread.name,
        "cwd": thread.cwd,
        "model": f"{thread.model} ({thread.model_provider})" if thread.model else None,
        "forked": thread.forked_from_id,
        "status": thread.status.word or None,
        "used": usage,
        "client": clients,
        "from": _origin(thread.imported_from),
        "log": thread.path,
    }
    return [
        style.bold(thread.id),
        *(style.dim(f"  {name:<7}{one_line(fact)}") for name, fact in facts.items() if fact),
    ]


def _origin(imported: ImportedFrom | None) -> str | None:
    """Where a thread's past comes from that its daemon did not write, and what of it counts no more."""
    if imported is None:
        return None
    if imported.origin == "log":
        place = "records that this daemon did not write"
    else:
        place = f"{imported.origin} {imported.path or ''}".rstrip()
    return "; ".join((place, *imported.dropped))


def turns_pieces(
    turns: Iterable[Raw], style: Style, thoughts: Thoughts = "summary"
) -> Iterator[Piece]:
    """The turns, each under its id: that is what `fork --at` takes."""
    screen = TerminalScreen(answer=style, thoughts=thoughts)
    for raw in turns:
        turn = msgspec.json.decode(raw, type=Turn)
        yield from screen.lines([style.dim(f"— turn {turn.id} —")])
        yield from screen.turn(turn)


def whole_pieces(
    daemon: Daemon, thread_id: str, turns: Iterable[Raw], style: Style, thoughts: Thoughts
) -> Iterator[Piece]:
    """The same with the whole output of each command, which is read while it is written."""
    screen = TerminalScreen(answer=style, thoughts=thoughts)
    for raw in turns:
        turn = msgspec.json.decode(raw, type=Turn)
        yield from screen.lines([style.dim(f"— turn {turn.id} —")])
        for item in turn.read_items():
            if item.type != "commandExecution":
                yield from screen.item_of(turn, item)
                continue
            yield from screen.lines(command_lines(item, style))
            yield from drawn_output(_parts_of(daemon, thread_id, turn, item), style)
            end = (
                "  runs"
                if item.is_open(turn)
                else command_end_line(replace(item, output_seq=None), style)
            )
            yield from screen.lines([f"{end} {style.dim(f'· item {one_line(item.id)}')}"])
        yield from screen.rest_of(turn)


def _parts_of(daemon: Daemon, thread_id: str, turn: Turn, item: Item) -> Iterable[OutputPart]:
    """The whole output of a command; where the item has it, nothing is asked."""
    # Of a command that was interrupted, more may have been kept later.
    is_whole = item.exit_code is not None or item.aggregated_output is None
    if item.output_seq is None and is_whole and not item.is_open(turn):
        return [OutputPart((item.aggregated_output or "").encode())]
    return output_parts(daemon, thread_id, item.id, item.output_seq)
