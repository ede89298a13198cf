"""Rollouts become logs: whole, once, continued where they grew, and never anything half or twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from codexd.core.events.events import ThreadForked, TurnStarted, encode_event
from codexd.core.events.history import ThreadImported
from codexd.core.events.record import Recorded, encode_members
from codexd.core.events.tools import ToolEnded
from codexd.core.values.ids import ThreadId
from codexd.importing.rollout.timeline import TimedEvent
from codexd.importing.sources import UnreadableSource, thread_id_for, unpacked
from codexd.importing.writing import IMPORTER
from codexd.projections.summary import Summary
from codexd.protocol.transfer import ThreadImportProgressNotification
from codexd_eventstore.store import NewEvent
from importing_house import NOW_US, house
from rollout_files import HOME, files_of, read, recorded, shown, thread_id
from trio_test import trio_test


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def written(folder: Path, name: Path, content: Sequence[bytes]) -> Path:
    path = folder / name.name
    path.write_bytes(b"".join(content))
    return path


def mark_in(records: Sequence[Recorded]) -> ThreadImported:
    (mark,) = [record.event for record in records if isinstance(record.event, ThreadImported)]
    return mark


@trio_test
async def test_a_thread_keeps_its_id_its_times_and_where_it_comes_from() -> None:
    async with house() as here:
        path = files_of(1)[0]
        report = await here.import_file(path)
        assert (report.outcome, report.thread_ids) == ("imported", (thread_id(1),))
        records = await here.records(thread_id(1))
        told = recorded(read(path)[0])
        assert [record.event for record in records[: len(told)]] == [timed.event for timed in told]
        assert [record.by for record in records[: len(told)]] == [timed.by for timed in told]
        # A line's events have its time; those of words that waited for their turn have a later one's.
        assert (records[0].at_ms, records[-3].at_ms) == (told[0].at_ms, told[-1].at_ms)
        mark = mark_in(records)
        assert (mark.source, mark.source_id) == (str(path), thread_id(1))
        assert (mark.lines, mark.size_bytes) == (len(lines(path)), path.stat().st_size)
        assert (mark.originator, mark.originator_version) == ("codex_cli", "0.169.0")
        assert mark.at_ms == NOW_US // 1000
        assert records[-1].by == IMPORTER
        assert report.events == len(records)


@trio_test
async def test_a_home_of_codex_is_imported_whole_and_stays_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(HOME, home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    async with house() as here:
        reports = await here.bring_in(home)
        assert {report.outcome for report in reports} == {"imported"}
        assert sorted("".join(report.thread_ids) for report in reports) == [
            thread_id(n) for n in range(1, 8)
        ]
        assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
        again = await here.bring_in(home)
        assert [outcome.outcome for outcome in again] == ["already_here"] * 7
        assert [outcome.thread_ids for outcome in again] == [
            report.thread_ids for report in reports
        ]


@trio_test
async def test_the_name_that_a_person_gave_comes_along() -> None:
    async with house() as here:
        await here.import_file(files_of(1)[0])
        summary = Summary()
        for record in await here.records(thread_id(1)):
            summary.apply(record)
        assert (summary.name, summary.preview) == ("Lexer", "Why does the test fail?")


@trio_test
async def test_an_archived_thread_stays_archived() -> None:
    async with house() as here:
        await here.import_file(files_of(3)[0])
        assert (await here.store.head(thread_id(3))).archived
        assert (await here.import_file(files_of(3)[0])).outcome == "already_here"


@trio_test
async def test_a_fork_by_reference_stays_a_fork_and_its_parent_is_imported_too() -> None:
    async with house() as here:
        reports = await here.bring_in(files_of(4)[0])
        assert {report.thread_ids for report in reports} == {(thread_id(3),), (thread_id(4),)}
        head = await here.store.head(thread_id(4))
        assert head.parent == thread_id(3)
        records = await here.records(thread_id(4))
        own = records[head.parent_seq :]
        assert own[0].event == ThreadForked(ThreadId(thread_id(3)), head.parent_seq)
        assert (own[0].by, own[1].event.type) == ("import:1#10", "thread.settings_changed")
        inherited = (await here.records(thread_id(3)))[: head.parent_seq]
        assert records[: head.parent_seq] == inherited
        texts = [line for _, turn in shown_of(records) for line in turn]
        assert texts == ["> One?", "One.", "> Other?", "Other."]


def shown_of(records: Sequence[Recorded]) -> list[tuple[str, list[str]]]:
    return shown([TimedEvent(r.event, r.at_ms * 1000, 0, None, r.turn) for r in records])  # type: ignore[arg-type]


@trio_test
async def test_a_fork_without_its_parent_has_its_own_records(tmp_path: Path) -> None:
    async with house() as here:
        alone = written(tmp_path, files_of(4)[0], lines(files_of(4)[0]))
        report = await here.import_file(alone)
        assert report.outcome == "imported"
        (problem,) = report.problems
        assert problem.message == (
            f"expected the lines of thread {thread_id(3)} before ordinal 10, which this thread "
            f"continues, found none: these lines were not imported"
        )
        records = await here.records(thread_id(4))
        assert shown_of(records) == [("completed", ["> Other?", "Other."])]
        assert mark_in(records).forked_from == thread_id(3)


@trio_test
async def test_a_thread_that_was_rolled_back_is_one_thread_of_two_files() -> None:
    async with house() as here:
        report = await here.import_file(
            files_of(5)[1]
        )  # The newer file alone: the older one is found beside.
        assert report.outcome == "imported"
        records = await here.records(thread_id(5))
        assert [turn for _, turn in shown_of(records)] == [["> Keep?", "Keep."], ["> New?", "New."]]


@trio_test
async def test_a_rollout_that_has_grown_continues(tmp_path: Path) -> None:
    whole = lines(files_of(6)[0])
    for count in (5, 9, 14, 20, len(whole) - 1):
        async with house() as here:
            path = written(tmp_path, files_of(6)[0], whole[:count])
            await here.import_file(path)
            written(tmp_path, files_of(6)[0], whole)
            report = await here.import_file(path)
            if count in range(15, 27):  # What was imported of turns that are taken back further on.
                assert report.outcome in ("grown", "refused")
                continue
            assert report.outcome == "grown"
            assert here.unload == [thread_id(6)]
            records = await here.records(thread_id(6))
            texts = [line for _, turn in shown_of(records) for line in turn]
            assert texts.count("> List the files.") == 1
            assert texts[-2:] == ["> Still there?", "Yes."]
            assert (await here.import_file(path)).outcome == "already_here"


@trio_test
async def test_turns_that_were_rolled_back_since_are_not_quietly_kept(tmp_path: Path) -> None:
    async with house() as here:
        whole = lines(files_of(6)[0])
        path = written(tmp_path, files_of(6)[0], whole[:26])
        await here.import_file(path)
        before = await here.records(thread_id(6))
        written(tmp_path, files_of(6)[0], whole)
        report = await here.import_file(path)
        assert report.outcome == "refused"
        assert "were reverted there since" in (report.message or "")
        assert await here.records(thread_id(6)) == before


@trio_test
async def test_a_thread_that_was_continued_here_takes_no_more(tmp_path: Path) -> None:
    async with house() as here:
        whole = lines(files_of(1)[0])
        path = written(tmp_path, files_of(1)[0], whole[:-2])
        await here.import_file(path)
        records = await here.records(thread_id(1))
        begun = next(record.event for record in records if isinstance(record.event, TurnStarted))
        await here.append(thread_id(1), begun)
        assert (await here.import_file(path)).outcome == "already_here"
        written(tmp_path, files_of(1)[0], whole)
        report = await here.import_file(path)
        assert report.outcome == "refused"
        assert "was gone on with here since it was imported" in (report.message or "")
        assert len(await here.records(thread_id(1))) == len(records) + 1


@trio_test
async def test_a_rollout_that_was_replaced_is_refused(tmp_path: Path) -> None:
    async with house() as here:
        whole = lines(files_of(1)[0])
        path = written(tmp_path, files_of(1)[0], whole)
        await here.import_file(path)
        for other in ([whole[0], *whole[2:], whole[1]], whole[:-1]):
            written(tmp_path, files_of(1)[0], other)
            report = await here.import_file(path)
            assert report.outcome == "refused"
            assert "nothing was imported" in (report.message or "")


@trio_test
async def test_a_taken_id_gets_the_same_other_id_every_time() -> None:
    async with house() as here:
        new = NewEvent("later.kind", b"{}")
        await here.store.append(thread_id(1), [new], expected_version=0, at_us=NOW_US, durable=True)
        report = await here.import_file(files_of(1)[0])
        assert report.thread_ids == (thread_id_for(thread_id(1), other=True),) != (thread_id(1),)
        again = await here.import_file(files_of(1)[0])
        assert (again.outcome, again.thread_ids) == ("already_here", report.thread_ids)


@trio_test
async def test_an_import_that_was_cut_off_begins_again() -> None:
    async with house() as here:
        path = files_of(1)[0]
        for record in read(path)[0][:9]:
            new = NewEvent(
                record.event.type,
                encode_event(record.event),
                record.event.v,
                encode_members(record.by, None),
            )
            version = (record.line > 1) and (await here.store.head(thread_id(1))).version
            await here.store.append(
                thread_id(1), [new], expected_version=int(version), at_us=record.at_us, durable=True
            )
        report = await here.import_file(path)
        assert (report.outcome, report.thread_ids) == ("imported", (thread_id(1),))
        assert len(await here.records(thread_id(1))) == report.events


@trio_test
async def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    async with house() as here:
        reports = await here.bring_in(HOME, dry_run=True)
        assert [report.outcome for report in reports] == ["imported"] * 7
        assert await here.store.streams() == await here.store.streams(archived=True) == []


@trio_test
async def test_a_file_that_is_no_rollout_is_refused(tmp_path: Path) -> None:
    async with house() as here:
        for name, content in (("a.jsonl", b""), ("b.jsonl", b"hello\nworld\n"), ("c", b"\0" * 999)):
            (tmp_path / name).write_bytes(content)
            report = await here.import_file(tmp_path / name)
            assert report.outcome == "refused"
            assert "expected a rollout" in (report.message or "")
        missing = await here.import_file(tmp_path / "nowhere.jsonl")
        assert "cannot be read: No such file" in (missing.message or "")
        (tmp_path / "empty").mkdir()
        assert "found none" in ((await here.import_file(tmp_path / "empty")).message or "")
        assert await here.store.streams() == []


def test_a_packed_rollout_is_unpacked_or_says_how(tmp_path: Path) -> None:
    path = tmp_path / "rollout-1.jsonl.zst"
    path.write_bytes(files_of(7)[0].read_bytes())
    with path.open("rb") as file:
        with (
            pytest.raises(UnreadableSource, match="Unpack a copy with `zstd -d`"),
            unpacked(path, file, None),
        ):
            pass
        program = tmp_path / "zstd"
        program.write_text("#!/bin/sh\nexec cat\n")
        program.chmod(0o700)
        with unpacked(path, file, str(program)) as content:
            assert content.read() == files_of(7)[0].read_bytes()
        program.write_text("#!/bin/sh\nexit 3\n")
        with (
            pytest.raises(UnreadableSource, match="ends with 3"),
            unpacked(path, file, str(program)),
        ):
            pass


@trio_test
async def test_an_answer_that_is_too_large_for_a_record_is_a_blob(tmp_path: Path) -> None:
    async with house() as here:
        large = b"x" * 17 * 1024 * 1024
        content = [line.replace(b"3 a b\\\\n", large) for line in lines(files_of(7)[0])]
        report = await here.import_file(written(tmp_path, files_of(7)[0], content))
        (problem,) = report.problems
        assert problem.line == 8
        assert problem.message.endswith(
            "the middle of the answer was not imported; the whole output is a blob"
        )
        records = await here.records(thread_id(7))
        (ended,) = [record.event for record in records if isinstance(record.event, ToolEnded)]
        assert ended.result.blob is not None
        assert await here.store.read_blob(ended.result.blob) == large


@trio_test
async def test_it_says_how_far_it_is() -> None:
    async with house() as here:
        path = files_of(1)[0]
        await here.import_file(path)
        size = path.stat().st_size
        assert here.progress == [ThreadImportProgressNotification(str(path), size, size)]
