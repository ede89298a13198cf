"""codexctl search: threads by their content, and where it is."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import msgspec
from msgspec import Raw

from codexd.protocol.codexd_methods import SearchHit
from codexd_frontends.cli.arguments import SEARCH_LIMIT_DEFAULT
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.cli.thread_ref import SOURCE_KINDS, indexed, short_id_chars
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.client.messages import RawPage, Thread
from codexd_frontends.commands.list import age
from codexd_frontends.screen.drawn import one_line, title
from codexd_frontends.screen.style import Style

PAGE = 100
TITLE_CHARS_MAX = 60


class SearchResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A thread with matches."""

    thread: Thread
    hits: tuple[SearchHit, ...] = ()


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Search."""
    limit = SEARCH_LIMIT_DEFAULT if arguments.limit is None else arguments.limit
    with connect(console) as daemon:
        found = list(_found(daemon, arguments, limit, console))
    if console.json:
        console.document({"threads": found})
        return DONE if found else FAILED
    results = [msgspec.json.decode(raw, type=SearchResult) for raw in found]
    console.answers(result_lines(results, time.time(), console.out_style))
    if not results:
        console.talk("codexctl: nothing was found")
        return FAILED
    console.talk(f"codexctl: the place itself: codexctl show {results[0].thread.id} --at SEQ")
    return DONE


def result_lines(results: list[SearchResult], now: float, style: Style) -> list[str]:
    """The threads, each with its places under it."""
    id_chars = short_id_chars([result.thread.id for result in results])
    lines = []
    for result in results:
        thread = result.thread
        name = title(thread.name or thread.preview, TITLE_CHARS_MAX)
        when = style.dim(f"{age(now - thread.updated_at):>8}")
        lines.append(f"{thread.id[:id_chars]}  {when}  {style.bold(name or '(nothing said yet)')}")
        lines += [_hit_line(hit, style) for hit in result.hits]
    return lines


def _hit_line(hit: SearchHit, style: Style) -> str:
    mark = style.dim(" (reverted)") if hit.taken_back else ""
    return (
        f"  {style.dim(f'{hit.seq:>7}  {one_line(hit.kind):<9}')}  {highlighted(hit, style)}{mark}"
    )


def highlighted(hit: SearchHit, style: Style) -> str:
    """The snippet with highlighted matches; ranges are counted in UTF-16."""
    units = hit.snippet.encode("utf-16-le")
    pieces, at = [], 0

    def text(start: int, end: int) -> str:
        return one_line(units[2 * start : 2 * end].decode("utf-16-le", errors="replace"))

    for marked in hit.ranges:
        pieces += [text(at, marked.start), style.yellow(text(marked.start, marked.end))]
        at = marked.end
    pieces.append(text(at, len(units) // 2))
    return "".join(pieces)


def _found(
    daemon: Daemon, arguments: argparse.Namespace, limit: int, console: Console
) -> Iterator[Raw]:
    cursor: str | None = None
    given = 0
    while given < limit:
        params = {
            "searchTerm": " ".join(_quoted(term) for term in arguments.terms),
            "archived": arguments.archived,
            "kinds": arguments.kinds,
            "hits": True,
            "sortKey": "updated_at",
            "sourceKinds": SOURCE_KINDS,
            "limit": min(PAGE, limit - given),
            "cursor": cursor,
        }
        page = daemon.call("thread/search", params, RawPage)
        if page.indexing is not None and cursor is None:
            console.talk(f"codexctl: {indexed(page.indexing)}")
        yield from page.data
        given += len(page.data)
        cursor = page.next_cursor
        if cursor is None:
            return


def _quoted(term: str) -> str:
    """An argument of the shell is one term: its words must follow each other."""
    has_blanks = any(letter.isspace() for letter in term)
    return f'"{term}"' if has_blanks and '"' not in term else term
