"""A provider's search as clients see it: what was done, and in short what was looked for."""

from __future__ import annotations

from codexd.core.events import events as e
from codexd.core.values.items import (
    FindInPageAction,
    OpenPageAction,
    OtherSearchAction,
    SearchAction,
    WebSearch,
    WebSearchAction,
)
from codexd.core.values.provider_items import FoundOnWeb, WebSearchItem

NOTHING_FOUND = FoundOnWeb()


def web_search(event: e.ItemCompleted, item: WebSearchItem, at_ms: int) -> WebSearch:
    """The item of a search that is over."""
    done = item.action or NOTHING_FOUND
    return WebSearch(
        id=event.item_id,
        query=_in_short(done),
        action=_action(done),
        started_at_ms=at_ms if event.started_ms is None else event.started_ms,
        completed_at_ms=at_ms,
    )


def cut_search(event: e.ItemCut, at_ms: int) -> WebSearch:
    """The item of a search that will not be over: what was looked for is not known."""
    started_ms = at_ms if event.started_ms is None else event.started_ms
    return WebSearch(id=event.item_id, started_at_ms=started_ms, completed_at_ms=at_ms)


def _action(done: FoundOnWeb) -> WebSearchAction:
    match done.type:
        case "search":
            return SearchAction(done.query, done.queries)
        case "open_page":
            return OpenPageAction(done.url)
        case "find_in_page":
            return FindInPageAction(done.url, done.pattern)
        case _:
            return OtherSearchAction()


def _in_short(done: FoundOnWeb) -> str:
    """What was looked for, as Codex words it."""
    match done.type:
        case "search":
            first, *more = done.queries or ("",)
            return done.query or (f"{first} ..." if first and more else first)
        case "find_in_page" if done.pattern is not None:
            return f"'{done.pattern}'" + (f" in {done.url}" if done.url is not None else "")
        case "open_page" | "find_in_page":
            return done.url or ""
        case _:
            return ""
