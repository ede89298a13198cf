"""The index equals a fold of the logs, built in one go, in steps, or after any damage."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from builders import FIRST_TURN, STARTED, begun, ended, queued, runs, said
from codexd.core.events import events as e
from codexd.core.events.record import decode_record
from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.settings import SettingsChange
from codexd.index.build.documents import Document, documents_in
from codexd.index.build.reconcile import LARGE_BYTES
from codexd.index.query.listing import Wanted
from codexd.index.store.schema import Rotten, remove_index
from codexd.projections.summary import Summary
from indexing import LogFile, indexed, stream
from random_thread import Play

RUNS = st.lists(st.integers(0, 10_000), min_size=20, max_size=60)
FEW = settings(max_examples=25, deadline=None, derandomize=True)


def summary_of(log: LogFile, *before: LogFile) -> Summary:
    summary = Summary()
    for file in (*before, log):
        for record in file.records:
            summary.apply(decode_record(record.line))
    return summary


def without_forks(play: Play) -> list[e.Event]:
    """What was played, forks left out: a log of that name has no parent."""
    return [event for event in play.events if not isinstance(event, e.ThreadForked)]


@pytest.mark.slow
def test_for_any_run_taken_in_at_once_or_in_steps(tmp_path: Path) -> None:
    numbers = count()

    @FEW
    @given(RUNS, st.integers(1, 7))
    def holds(run: list[int], step: int) -> None:
        home = tmp_path / str(next(numbers))
        play = Play()
        for number in run:
            play.step(number)
        events = without_forks(play)
        with (
            indexed(home, tmp_path / "steps.sqlite") as steps,
            indexed(home, tmp_path / "whole.sqlite") as whole,
        ):
            log = LogFile(home, stream(1))
            for start in range(0, len(events), step):
                log.add(*events[start : start + step])
                steps.catch_up()
            assert steps.contents() == whole.catch_up().contents()
            (row,) = whole.rows
            assert row.summary == summary_of(log)
            found = {(seq, text) for _, seq, text in whole.said(log.name)}
            told = [
                doc for record in log.records for doc in documents_in(decode_record(record.line))
            ]
            assert found <= {(doc.seq, doc.text) for doc in told if isinstance(doc, Document)}
            steps.check_words()
        remove_index(tmp_path / "steps.sqlite")
        remove_index(tmp_path / "whole.sqlite")

    holds()


def test_the_documents_of_a_thread(tmp_path: Path) -> None:
    log = LogFile(tmp_path, stream(1)).add(
        STARTED,
        queued(1, "look at it"),
        begun(1),
        runs("c1", "ls src"),
        ended("c1", "main.py"),
        said("m1", "one file"),
        e.ThreadRenamed("old name"),
        e.ThreadRenamed("new name"),
        queued(2, "taken back"),
        e.InputWithdrawn(queued(2).item_id),
    )
    with indexed(tmp_path, tmp_path / "i") as index:
        assert index.catch_up().said(log.name) == [
            ("prompt", 2, "look at it"),
            ("command", 4, "ls src"),
            ("output", 5, "main.py"),
            ("answer", 6, "one file"),
            ("name", 8, "new name"),
        ]
        log.add(e.ThreadRenamed(None))
        assert ("name", 8, "new name") not in index.catch_up().said(log.name)
        index.check_words()


def test_a_fork_shows_its_parents_history_and_is_found_by_its_own_texts_only(
    tmp_path: Path,
) -> None:
    parent = LogFile(tmp_path, stream(1)).add(*FIRST_TURN, said("m1", "shared"))
    child = parent.fork(stream(2), 4).add(
        e.ThreadForked(ThreadId(parent.name), 4),
        said("m2", "mine"),
    )
    grandchild = child.fork(stream(3), 6).add(e.ThreadForked(ThreadId(child.name), 6))
    with indexed(tmp_path, tmp_path / "i") as index:
        rows = {str(row.thread_id): row.summary for row in index.catch_up().rows}
        first = replace_records(parent, 4)
        assert rows[child.name] == summary_of(child, first)
        assert rows[grandchild.name].preview == rows[parent.name].preview
        assert index.said(child.name) == [("answer", 6, "mine")]
        assert [hit.row.thread_id for hit in index.search("shared")] == [parent.name]


def replace_records(log: LogFile, last: int) -> LogFile:
    """The log as it was at a record."""
    copy = LogFile(log.home, log.name)
    copy.records = log.records[:last]
    return copy


def test_a_rewritten_log_is_indexed_again_with_its_forks(tmp_path: Path) -> None:
    parent = LogFile(tmp_path, stream(1)).add(STARTED, queued(1, "secret"), begun(1))
    child = parent.fork(stream(2), 3).add(e.ThreadForked(ThreadId(parent.name), 3))
    with indexed(tmp_path, tmp_path / "i") as index:
        assert [row.summary.preview for row in index.catch_up().rows] == ["secret", "secret"]
        parent.path.unlink()
        LogFile(tmp_path, parent.name).add(STARTED, queued(1, "********"), begun(1))
        index.catch_up()
        assert {row.summary.preview for row in index.rows} == {"********"}
        assert index.search("secret") == []
        index.check_words()
        texts = index.connection.execute("SELECT text FROM document").fetchall()
        assert ("secret",) not in texts
        assert child.path.exists()


def test_logs_that_come_go_grow_and_move_are_noticed(tmp_path: Path) -> None:
    first, second = (LogFile(tmp_path, stream(number)).add(*FIRST_TURN) for number in (1, 2))
    with indexed(tmp_path, tmp_path / "i") as index:
        assert [row.thread_id for row in index.catch_up().rows] == [first.name, second.name]
        three = LogFile(tmp_path, stream(3)).add(STARTED, queued(1, "came in"), begun(1))
        second.add(e.ThreadRenamed("grew"))
        first.path.unlink()
        rows = index.catch_up().rows
        assert [(row.thread_id, row.summary.name) for row in rows] == [
            (second.name, "grew"),
            (three.name, None),
        ]
        second.archive()
        index.catch_up()
        assert [row.thread_id for row in index.rows] == [three.name, second.name]
        assert [row.path for row in index.rows] == [str(three.path), str(second.path)]


def test_a_torn_tail_is_skipped_and_damage_is_reported(tmp_path: Path) -> None:
    torn, broken = (LogFile(tmp_path, stream(number)).add(*FIRST_TURN) for number in (1, 2))
    whole = torn.path.read_bytes()
    torn.path.write_bytes(whole + b'{"seq":6,"at":"2026')
    broken.path.write_bytes(broken.path.read_bytes().replace(b'"go"', b'"no"'))
    with indexed(tmp_path, tmp_path / "i") as index:
        assert [(row.thread_id, row.damage) for row in index.catch_up().rows] == [
            (torn.name, None),
            (broken.name, index.damage(broken.name)),
        ]
        told = {name: why for found in index.told for name, why in found.damaged.items()}
        assert list(told) == [broken.name]
        torn.path.write_bytes(whole)
        assert index.catch_up().rows[0].summary == summary_of(torn)


def test_a_change_in_the_middle_of_a_log_is_noticed(tmp_path: Path) -> None:
    log = LogFile(tmp_path, stream(1)).add(*FIRST_TURN)
    with indexed(tmp_path, tmp_path / "i") as index:
        assert len(index.catch_up().rows) == 1
        log.path.write_bytes(log.path.read_bytes().replace(b'"go"', b'"no"'))
        (row,) = index.catch_up().rows
        assert "record 2" in str(row.damage)
        assert row.summary == summary_of(log)  # what was known of it


def test_lists_have_settings_and_titles(tmp_path: Path) -> None:
    log = LogFile(tmp_path, stream(1)).add(STARTED, queued(1, "Ärger im Parser"), begun(1))
    log.add(e.SettingsChanged(SettingsChange(cwd="/else", provider="other")))
    with indexed(tmp_path, tmp_path / "i") as index:
        index.catch_up()
        row = index.connection.execute("SELECT cwd, provider, title FROM thread").fetchone()
        assert row == ("/else", "other", "\närger im parser")


def test_long_texts_are_found_by_their_beginning(tmp_path: Path) -> None:
    log = LogFile(tmp_path, stream(1)).add(STARTED, queued(1, "first " + "x " * 70_000 + "last"))
    with indexed(tmp_path, tmp_path / "i") as index:
        assert len(index.catch_up().search("first")) == 1
        assert index.search("last") == []
        assert len(index.said(log.name)[0][2]) < 70_000
        assert replace(index.rows[0].summary, preview="") is not None


@pytest.mark.slow
def test_a_large_log_keeps_no_other_from_being_listed(tmp_path: Path) -> None:
    for number in range(2):
        LogFile(tmp_path, stream(number)).add(*FIRST_TURN)
    log = LogFile(tmp_path, stream(2)).add(*FIRST_TURN)
    while log.path.stat().st_size <= LARGE_BYTES:
        log.add(said("m", "x" * 4_000_000))
    with indexed(tmp_path, tmp_path / "i") as index:
        index.catch_up()
        rows = index.connection.execute("SELECT id FROM thread ORDER BY no").fetchall()
        assert [row[0] for row in rows] == [stream(1), stream(0), stream(2)]
        assert (index.told[0].done, index.told[0].total) == (2, 3)
        assert index.told[-1].ended


@pytest.mark.parametrize("rotten", [b"", b"\x81\xa4name", b"\x81\xa4name\xa2\xc3\x28"])
def test_a_damaged_row_is_no_answer_and_is_built_again(tmp_path: Path, rotten: bytes) -> None:
    log = LogFile(tmp_path, stream(1)).add(*FIRST_TURN)
    with indexed(tmp_path, tmp_path / "i") as index:
        whole = index.catch_up().rows
        index.connection.execute("UPDATE thread SET summary=?", (rotten,))
        with pytest.raises(Rotten):
            index.page(Wanted())
        assert index.catch_up([log.name]).rows == whole
        index.check_words()


def test_an_item_of_an_unknown_shape_is_found_by_nothing_and_hides_no_other(tmp_path: Path) -> None:
    strange = e.ItemCompleted(ItemId("m"), "message", Raw(b'{"content":{"of":"a later day"}}'))
    LogFile(tmp_path, stream(1)).add(STARTED, queued(1, "before"), strange, said("m2", "behind"))
    with indexed(tmp_path, tmp_path / "i") as index:
        index.catch_up()
        assert [text for _, _, text in index.said(stream(1))] == ["before", "behind"]
