"""codexctl list: the threads, the most recently used first."""

from __future__ import annotations

import argparse
import time

import msgspec

from codexd.protocol.display.titles import TITLE_CHARACTERS_MAX, title_of
from codexd_frontends.cli.arguments import LIST_LIMIT_DEFAULT
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import indexed, list_raw_threads, short_id_chars
from codexd_frontends.client.exits import DONE, Exit
from codexd_frontends.client.messages import Thread
from codexd_frontends.screen.drawn import one_line, title
from codexd_frontends.screen.style import Style

MORE = f"codexctl: there are more threads than these {LIST_LIMIT_DEFAULT}: --limit N shows more of them"


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """List threads."""
    limit = arguments.limit
    if limit is None and not console.json:
        limit = LIST_LIMIT_DEFAULT
    with connect(console) as daemon:
        found = list(
            list_raw_threads(
                daemon,
                archived=arguments.archived,
                search=arguments.search,
                limit=limit,
                tell=lambda indexing: console.talk(f"codexctl: {indexed(indexing)}"),
                more=(lambda: console.talk(MORE)) if arguments.limit is None else lambda: None,
            )
        )
    if console.json:
        console.document({"threads": found})
        return DONE
    threads = [msgspec.json.decode(raw, type=Thread) for raw in found]
    console.answers(table_lines(threads, time.time(), console.out_style))
    return DONE


def table_lines(threads: list[Thread], now: float, style: Style) -> list[str]:
    """The table, a line a thread."""
    id_chars = short_id_chars([thread.id for thread in threads])
    lines = []
    for thread in threads:
        lines.append(
            f"{thread.id[:id_chars]}  "
            f"{style.dim(f'{age(now - thread.updated_at):>8}')}  "
            f"{_painted(thread, style)}  "
            f"{_title(thread, style)}"
        )
        if thread.trouble is not None:
            lines.append(f"{'':{id_chars}}  {style.dim(one_line(thread.trouble))}")
    return lines


def age(seconds: float) -> str:
    """How long ago, to the nearest unit that a person would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def _painted(thread: Thread, style: Style) -> str:
    word = f"{one_line(thread.status.word):<8}"
    return style.yellow(word) if thread.status.word == "approval" else style.green(word)


def _title(thread: Thread, style: Style) -> str:
    if thread.name:
        return style.bold(title(thread.name, TITLE_CHARACTERS_MAX))
    said = title_of(thread.preview) or thread.preview
    return title(said, TITLE_CHARACTERS_MAX) or style.dim("(nothing said yet)")
