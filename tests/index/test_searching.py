"""Search terms and their matches: words, phrases, beginnings, paths and code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import STARTED, begun, ended, queued, runs, said
from codexd.core.events.events import ThreadForked
from codexd.core.values.ids import ThreadId
from codexd.index.query.listing import ListCursor, Wanted
from codexd.index.query.search import found_threads, occurrences
from codexd.index.query.terms import InvalidTerm, read_term, snippet_of
from codexd.index.store import schema
from codexd.index.store.schema import packed
from indexing import Indexed, LogFile, indexed, stream

TEXTS = (
    "Fix the parser in src/foo_bar.py: std::vec fails",
    'an "empty line" is read twice',
    "the line is empty",
    "retries and Café, 東京タワー 3.14",
    "call a::b() AND NOT this OR near(that)",
    "50% of x*y -- done; DROP TABLE",
)
# What is typed, and the texts that have it.
FOUND = {
    "parser": [0],
    "PARSER": [0],
    "pars": [],
    "pars*": [0],
    "empty line": [1, 2],
    '"empty line"': [1],
    '"empty line': [1],
    "foo_bar.py": [0],
    "bar.py": [0],
    "src/foo_bar.py": [0],
    "foo bar": [0],
    "bar foo": [0],
    '"bar foo"': [],
    "std::vec": [0],
    "a::b": [4],
    "a::c": [],
    "cafe": [3],
    "CAFÉ": [3],
    "東京タワー": [3],
    "3.14": [3],
    "AND": [3, 4],
    "NOT this": [4],
    "line NOT twice": [],
    "near(that)": [4],
    "x*y": [5],
    "50%": [5],
    "text:parser": [],
    "-done": [5],
    '"re*"': [],
    '"and ca"*': [3],
    "' OR 1=1": [],
}


@pytest.fixture(params=["fts5", "without"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Indexed]:
    """The texts as prompts of a thread each; once with full-text search, once without."""
    for number, words in enumerate(TEXTS):
        log = LogFile(tmp_path, stream(number)).add(STARTED, queued(1, words), begun(1))
        log.add(runs("c1", "make test"), ended("c1", "all green"), said("m1", "done so"))
    with indexed(tmp_path, tmp_path / "i") as searched:
        if request.param == "without":
            searched.connection.execute("DROP TABLE words")
        yield searched.catch_up()


@pytest.mark.parametrize("typed", FOUND)
def test_texts_that_are_found(index: Indexed, typed: str) -> None:
    found = index.search(typed, ["prompt"])
    numbers = sorted(TEXTS.index(hit_text(index, hit.row.thread_id)) for hit in found)
    assert numbers == FOUND[typed]


def hit_text(index: Indexed, name: str) -> str:
    return next(text for kind, _, text in index.said(name) if kind == "prompt")


def test_all_words_are_in_one_text(index: Indexed) -> None:
    assert index.search("parser green") == []
    assert len(index.search("all green")) == len(TEXTS)


@pytest.mark.parametrize("typed", ["", "  ", '""', "***", "--", "x" * 1001])
def test_nothing_to_look_for_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(InvalidTerm, match="searchTerm: expected"):
        read_term(typed)


def test_hits_come_by_kind_with_their_positions(index: Indexed) -> None:
    (hit, *_) = index.search("make")[0].hits
    assert (hit.kind, hit.seq, hit.item, hit.snippet.text) == ("command", 4, "c1", "make test")
    assert hit.snippet.ranges == ((0, 4),)


def test_threads_are_in_order_and_paged(index: Indexed) -> None:
    phrases, found, start = read_term("green"), [], None
    while some := found_threads(
        index.connection, phrases, Wanted(), "updated", upwards=True, start=start, limit=2
    ):
        found += [hit.row.thread_id for hit in some]
        start = some[-1].row.cursor("updated")
    assert found == [stream(number) for number in range(len(TEXTS))]


def test_a_snippet_is_one_line_around_the_match() -> None:
    snippet = snippet_of(read_term("needle"), "hay\n" * 100 + "a  needle\nin it " + "hay " * 100)
    assert len(snippet.text) < 200
    ((start, end),) = snippet.ranges
    assert snippet.text[start:end] == "needle"
    assert snippet.text[:1] == snippet.text[-1:] == "…"
    assert "\n" not in snippet.text


def test_occurrences_are_literal_in_any_case_and_in_order(tmp_path: Path) -> None:
    parent = LogFile(tmp_path, stream(1)).add(
        STARTED,
        queued(1, "50% Off, 50% off"),
        begun(1),
        said("m1", "no 50% OFF \U0001f600 50% off"),
        turn="t1",
    )
    child = parent.fork(stream(2), 4).add(
        ThreadForked(ThreadId(parent.name), 4),
        queued(2, "more: 50% off"),
        begun(2),
    )
    with indexed(tmp_path, tmp_path / "i") as index:
        index.catch_up()
        found = list(occurrences(index.connection, child.name, "50% off", None))
        assert [(hit.seq, hit.nth, hit.turn_seq) for hit in found] == [
            (2, 0, 3),
            (2, 1, 3),
            (4, 0, 3),
            (4, 1, 3),
            (6, 0, 7),
        ]
        again = list(occurrences(index.connection, child.name, "50% off", found[1].cursor))
        assert again == found[2:]
        assert list(occurrences(index.connection, child.name, "5_% off", None)) == []
        with pytest.raises(KeyError):
            list(occurrences(index.connection, "nobody", "x", None))


def test_places_are_in_order() -> None:
    assert ListCursor(1, "b") < ListCursor(2, "a") < ListCursor(2, "b")
    assert schema.seq_of(schema.document_number(7, 12, 1)) == 12


def test_a_long_text_is_found_and_shown_and_removed_whole(tmp_path: Path) -> None:
    text = f"{'an ordinary sentence. ' * 100}Zwölf Boxkämpfer. {'and so on. ' * 100}"
    assert isinstance(packed(text), bytes)
    log = LogFile(tmp_path, stream(1)).add(STARTED, queued(1, text), begun(1))
    with indexed(tmp_path, tmp_path / "i") as searched:
        searched.catch_up().check_words()
        assert "Zwölf Boxkämpfer" in searched.found("boxkampfer")[0][2]
        assert searched.said(log.name) == [("prompt", 2, text)]
        log.path.unlink()
        assert searched.catch_up().found("ordinary") == []
        searched.check_words()


def test_a_damaged_text_makes_the_file_useless(tmp_path: Path) -> None:
    LogFile(tmp_path, stream(1)).add(STARTED, queued(1, "word " * 500), begun(1))
    with indexed(tmp_path, tmp_path / "i") as searched:
        searched.catch_up().connection.execute("UPDATE document SET text=x'00ff' WHERE text<>''")
        with pytest.raises(sqlite3.Error) as caught:
            searched.search("word")
        assert schema.is_broken(caught.value)
