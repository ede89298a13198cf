"""A rollout is of a person's thread, of an agent's, of a fork or a copy: each is one thread, and an agent's is on no list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.core.events.events import ThreadForked
from codexd.core.events.history import ThreadImported
from codexd.core.values.ids import ThreadId
from codexd.importing.rollout.settings import Agent, agent_of
from codexd.importing.sources import thread_id_for
from codexd.projections.summary import Summary
from importing_house import House, house
from rollout_files import (
    Json,
    asked,
    called,
    counted,
    event,
    lines,
    message,
    meta,
    of,
    read_lines,
    thread_id,
    written,
)
from trio_test import trio_test

PARENT = thread_id(1)
SPAWNED = {"parent_thread_id": PARENT, "depth": 1, "agent_nickname": "Ada", "agent_role": None}
TURN = [*asked("Go."), message("assistant", "Done.")]


@pytest.mark.parametrize(
    ("members", "agent"),
    [
        ({}, None),
        ({"source": "cli"}, None),
        ({"source": "vscode", "forked_from_id": PARENT}, None),
        ({"source": {"custom": "atlas"}, "thread_source": "user"}, None),
        ({"source": 7}, None),
        ({"source": {"subagent": "review"}}, Agent("review")),
        ({"source": {"subagent": "compact"}}, Agent("compact")),
        ({"source": {"subagent": "memory_consolidation"}}, Agent("memory_consolidation")),
        ({"source": {"subagent": {"other": "guardian"}}}, Agent("other")),
        ({"source": {"subagent": {"thread_spawn": SPAWNED}}}, Agent("thread_spawn", PARENT)),
        ({"source": {"subAgent": {"thread_spawn": SPAWNED}}}, Agent("thread_spawn", PARENT)),
        ({"source": {"subagent": {}}, "parent_thread_id": PARENT}, Agent("other", PARENT)),
        ({"source": {"subagent": "review"}, "parent_thread_id": PARENT}, Agent("review", PARENT)),
        ({"source": {"internal": "memory_consolidation"}}, Agent("memory_consolidation")),
        ({"source": "subagent"}, Agent("other")),
        ({"source": "subagent_review"}, Agent("review")),
        ({"source": "cli", "thread_source": "subagent"}, Agent("other")),
        ({"source": "cli", "parent_thread_id": PARENT}, Agent("other", PARENT)),
    ],
)
def test_the_heading_says_whether_it_is_an_agents(members: Json, agent: Agent | None) -> None:
    assert agent_of(members) == agent


async def summary_of(here: House, stream: str) -> Summary:
    summary = Summary()
    for record in await here.records(stream):
        summary.apply(record)
    return summary


@trio_test
async def test_an_agents_thread_is_on_no_list_and_keeps_its_parent(tmp_path: Path) -> None:
    async with house() as here:
        head = meta(source={"subagent": {"thread_spawn": SPAWNED}})
        report = await here.import_file(written(tmp_path, lines(head, *TURN)))
        summary = await summary_of(here, report.thread_ids[0])
        assert report.message == "it is an agent's thread, which no list shows"
        assert (summary.hidden, summary.agent, summary.parent) == (True, "thread_spawn", PARENT)
        forked = [*await here.records(thread_id(99))]
        for record in forked[-1:]:
            fork = ThreadForked(ThreadId(thread_id(99)), record.seq)
            summary.apply(type(record)(record.seq + 1, record.at_ms, fork, "cli:1", None))
        assert (summary.hidden, summary.parent) == (False, None)


@trio_test
async def test_a_parent_with_another_kind_of_id_is_found_by_its_id_here(tmp_path: Path) -> None:
    async with house() as here:
        report = await here.import_file(
            written(tmp_path, lines(meta(parent_thread_id="p-1"), *TURN))
        )
        summary = await summary_of(here, report.thread_ids[0])
        assert summary.parent == thread_id_for("p-1")


DOCUMENT = json.dumps(
    {
        "session": {"timestamp": "2025-04-17T12:00:00.000Z", "id": thread_id(77)},
        "items": [line["payload"] for line in (TURN[0], TURN[2])],
    },
    indent=2,
).encode()


@trio_test
async def test_a_document_among_rollouts_is_imported_once_and_continues(tmp_path: Path) -> None:
    async with house() as here:
        path = written(tmp_path, DOCUMENT, f"rollout-2025-04-17-{thread_id(77)}.json")
        written(tmp_path, lines(meta(), *TURN))
        reports = await here.bring_in(tmp_path)
        assert [(report.outcome, report.thread_ids) for report in reports] == [
            ("imported", (thread_id(77),)),
            ("imported", (thread_id(99),)),
        ]
        assert (await here.import_file(path)).outcome == "already_here"
        grown = json.loads(DOCUMENT)
        grown["items"].append(message("user", "More?")["payload"])
        path.write_text(json.dumps(grown, indent=2))
        assert (await here.import_file(path)).outcome == "grown"
        cut = written(tmp_path / "cut", DOCUMENT[:-40], "rollout-1.json")
        report = await here.import_file(cut)
        assert report.outcome == "refused"
        assert "expected a JSON document with a session and items, found" in (report.message or "")


@trio_test
async def test_of_several_files_of_a_thread_the_longest_is_imported(tmp_path: Path) -> None:
    async with house() as here:
        whole = lines(meta(), *TURN, *asked("More?"))
        copy, kept = written(tmp_path / "a", whole), written(tmp_path / "b", whole)
        short = written(tmp_path / "c", lines(meta(), *TURN))
        refused, imported = await here.bring_in(tmp_path)
        assert (imported.outcome, imported.path) == ("imported", str(copy))
        assert (refused.outcome, refused.path) == ("refused", str(short))
        assert f"found {copy} too" in (refused.message or "")
        records = await here.records(thread_id(99))
        assert sum(record.event.type == "turn.started" for record in records) == 2
        assert (await here.import_file(kept)).outcome == "already_here"


def test_a_fork_with_its_parents_lines_is_a_thread_of_its_own(tmp_path: Path) -> None:
    past = [
        *TURN,
        counted(500, 500),
        *asked("More?"),
        message("assistant", "Yes."),
        counted(700, 200),
    ]
    head = meta(99, forked_from_id=PARENT)
    other = meta(1, cwd="/elsewhere", source={"subagent": "review"})
    read = read_lines(tmp_path, head, other, *past, *asked("New."), counted(1000, 300))
    assert [items[0] for _, items in read.shown] == ["> Go.", "> More?", "> New."]
    assert (read.used, read.warned) == (1000, [])
    assert read.rollout.heading.meta["cwd"] == "/w"


def test_the_heading_is_that_of_the_thread_in_the_files_name(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(1, cwd="/elsewhere"), *TURN[:1], meta(99), *TURN[1:])
    assert read.rollout.heading.source_id == thread_id(99)
    assert read.rollout.heading.meta["cwd"] == "/w"


def test_a_fork_does_not_count_its_parents_usage(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(forked_from_id=PARENT), *TURN, counted(1000, 300))
    assert read.used == 300


def test_a_rollout_that_was_resumed_is_one_thread(tmp_path: Path) -> None:
    rows = [*TURN, counted(500, 500), meta(), counted(500, 500), *TURN, counted(700, 200)]
    read = read_lines(tmp_path, meta(), *rows)
    assert [items for _, items in read.shown] == [["> Go.", "Done."]] * 2
    assert (read.used, read.warned) == (700, [])


def test_nested_rolled_back_turns_do_not_count(tmp_path: Path) -> None:
    back = [event("thread_rolled_back", num_turns=count) for count in range(3)]
    rows = [*asked("1"), *asked("2"), back[1], *asked("3"), *asked("4"), back[2], *asked("5")]
    read = read_lines(tmp_path, meta(), *rows)
    assert [items for _, items in read.shown] == [["> 1"], ["> 5"]]
    skill = "<skill>\nis this a skill?\n</skill>"
    read = read_lines(tmp_path, meta(), *asked("1"), *asked(skill), back[1], *asked("2"))
    assert [items for _, items in read.shown] == [["> 1"], ["> 2"]]
    alone = [event("user_message", message=str(number)) for number in range(3)]
    read = read_lines(tmp_path, meta(), *alone, back[2], event("agent_message", message="Yes."))
    assert [items for _, items in read.shown] == [["> 0", "Yes."]]


def test_calls_of_every_turn_may_have_the_same_id(tmp_path: Path) -> None:
    answer = of("response_item", type="function_call_output", call_id="c1", output="a")
    rows = [*asked("1"), called("c1"), answer, *asked("2"), called("c1"), *asked("3")]
    read = read_lines(tmp_path, meta(), *rows, called("c1"), answer, message("assistant", "Done."))
    assert [status for status, _ in read.shown] == ["interrupted", "interrupted", "completed"]


@trio_test
async def test_the_mark_of_a_persons_thread_names_no_agent(tmp_path: Path) -> None:
    async with house() as here:
        await here.import_file(written(tmp_path, lines(meta(source="cli"), *TURN)))
        (mark,) = [
            record.event
            for record in await here.records(thread_id(99))
            if isinstance(record.event, ThreadImported)
        ]
        assert (mark.agent, mark.parent, mark.complaints) == (None, None, 0)
