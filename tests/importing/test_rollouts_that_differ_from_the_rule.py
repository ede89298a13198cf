"""Lines of a rollout in another order, repeated, missing, or with an author that only another line names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexd.core.events.events import ModelCallStarted, ThreadStarted, TurnStarted
from rollout_files import (
    Json,
    answered,
    asked,
    called,
    counted,
    event,
    message,
    meta,
    of,
    read_lines,
    tokens,
)

ENVIRONMENT = "<environment_context>\n  <cwd>/home/ann/a &amp; b</cwd>\n</environment_context>"
AGENTS = "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>"
LIKE_AGENTS = "# AGENTS.md instructions for my team: write them, please."
WARNING = "Warning: apply_patch was requested via exec_command. Use the apply_patch tool instead of exec_command."
TURN = [*asked("Go."), called("c1"), answered("c1"), message("assistant", "Done.")]
SHOWN = ["> Go.", "$ bash -lc ls → None 'a\\n' in /w", "Done."]


def started(turn: str) -> Json:
    return event("task_started", turn_id=turn)


def ended(turn: str, kind: str = "task_complete") -> Json:
    return event(kind, turn_id=turn, last_agent_message="Done.", reason="interrupted")


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        pytest.param(
            [*TURN[:2], counted(500, 500), *TURN[2:], counted(700, 200)], 700, id="before"
        ),
        pytest.param([*TURN, counted(500, 500), counted(500, 500)], 500, id="twice"),
        pytest.param([*TURN, ended("t"), counted(500, 500)], 500, id="after the end"),
        pytest.param(
            [*TURN, counted(500, 500), ended("t"), counted(900, 400)], 900, id="around it"
        ),
        pytest.param([counted(100, 100), *TURN, counted(700, 600)], 700, id="before the prompt"),
        pytest.param([*TURN, counted(500, 500), *TURN, counted(90, 90)], 590, id="from zero again"),
        pytest.param([*TURN, counted(500, 500), *TURN, counted(900, 900)], 1400, id="and more"),
        pytest.param(
            [*TURN, counted(500, None), *TURN, counted(700, None)], 700, id="totals alone"
        ),
        pytest.param(
            [*TURN, counted(None, 500), counted(None, 500), *TURN, counted(None, 500)],
            1000,
            id="parts alone",
        ),
        pytest.param([*TURN, counted(500, 500), *TURN, counted(900, 100)], 900, id="one is lost"),
        pytest.param([*TURN, counted(900, 100)], 900, id="the first is lost"),
        pytest.param(
            [*TURN, counted(500, 500), of("compacted", message="Short."), *TURN, counted(600, 100)],
            600,
            id="compacted",
        ),
        pytest.param(
            [
                *TURN,
                counted(500, 500),
                event(
                    "token_count",
                    info={
                        "total_token_usage": tokens(500),
                        "last_token_usage": {"total_tokens": 7},
                    },
                ),
            ],
            500,
            id="an estimate of the window",
        ),
        pytest.param(
            [
                *TURN,
                of("token_usage_record", response_id="r1", usage=tokens(500)),
                of("token_usage_record", response_id="r1", usage=tokens(500)),
                counted(500, 500),
                *TURN,
                counted(700, 200),
                of("token_usage_record", response_id="r2", usage=tokens(200)),
            ],
            700,
            id="with records",
        ),
        pytest.param([*TURN, event("token_count", **tokens(500))], 500, id="of the first counts"),
        pytest.param([*TURN, event("token_count", info=None)], 0, id="nothing counted"),
    ],
)
def test_tokens_are_those_of_the_file(tmp_path: Path, rows: list[Json], total: int) -> None:
    read = read_lines(tmp_path, meta(), *rows)
    assert (read.used, read.warned) == (total, [])
    assert read.shown[0][1][:3] == SHOWN
    ended = [timed for timed in read.told if timed.event.type == "model.call_ended"]
    assert all(timed.turn for timed in ended)


def test_a_count_before_its_items_is_of_their_call(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(), *TURN[:2], counted(500, 500), *TURN[2:], counted(700, 200))
    calls = [timed.event for timed in read.told if isinstance(timed.event, ModelCallStarted)]
    assert len(calls) == 2


INJECTED = [
    WARNING,
    "Warning: The maximum number of unified exec processes you can keep open is 60 and you have 61",
    ENVIRONMENT,
    AGENTS,
    "<user_instructions>\nUse tabs.\n</user_instructions>",
    "<turn_aborted>\nStopped.\n</turn_aborted>",
    "<skill>\n<name>x</name>\n</skill>",
    '<hook_prompt hook_run_id="h1">Run the tests.</hook_prompt>',
    "# Context from my IDE setup:\n\n## Active file: a.c",
    "A sentence of a hook, without any mark.",
]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("place", ["before the prompt", "after it", "before the answer"])
def test_codexs_own_texts_are_no_prompt(tmp_path: Path, text: str, place: str) -> None:
    at = {"before the prompt": 0, "after it": 2, "before the answer": 3}[place]
    rows = [*TURN[:at], message("user", text), *TURN[at:]]
    read = read_lines(tmp_path, meta(), *rows)
    assert (read.shown, read.warned) == ([("completed", SHOWN)], [])
    assert text in read.texts
    outputs = [item["output"] for item in read.to_model if "output" in item]
    assert outputs == ["a\n"]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("steered", [False, True])
def test_what_codex_says_later_in_a_turn_is_no_prompt(
    tmp_path: Path, text: str, *, steered: bool
) -> None:
    more = asked("And b.") if steered else []
    rows = [started("t1"), *TURN, message("user", text), *more, message("assistant", "Yes.")]
    read = read_lines(tmp_path, meta(), *rows, ended("t1"))
    said = ["> And b."] if steered else []
    assert (read.shown, read.warned) == ([("completed", [*SHOWN, *said, "Yes."])], [])
    assert text in read.texts


@pytest.mark.parametrize("text", INJECTED[:9])
def test_marks_show_it_where_no_event_repeats_a_prompt(tmp_path: Path, text: str) -> None:
    rows = [message("user", text), TURN[0], *TURN[2:]]
    read = read_lines(tmp_path, meta(), *rows)
    assert (read.shown, read.warned) == ([("completed", SHOWN)], [])


@pytest.mark.parametrize("text", [*INJECTED, LIKE_AGENTS, "<environment_context> – what is that?"])
def test_a_prompt_that_an_event_repeats_is_a_prompt(tmp_path: Path, text: str) -> None:
    read = read_lines(
        tmp_path, meta(), message("user", ENVIRONMENT, AGENTS), *asked(text), *TURN[2:]
    )
    ((status, items),) = read.shown
    assert (status, items[0], items[1:]) == ("completed", f"> {text}", SHOWN[1:])
    assert read.warned == []


@pytest.mark.parametrize("text", [LIKE_AGENTS, "<environment_context> – what is that?"])
def test_a_prompt_that_only_begins_like_codex_is_a_prompt(tmp_path: Path, text: str) -> None:
    read = read_lines(tmp_path, meta(), message("user", text), *TURN[2:])
    assert read.shown == [("completed", [f"> {text}", *SHOWN[1:]])]


def test_members_may_be_in_any_order_and_long(tmp_path: Path) -> None:
    long = "x" * 9_000
    rows = [meta(), *asked(f"{ENVIRONMENT}{long}"), called("c1"), message("user", f"Hook: {long}")]
    rows += [answered("c1", long), message("assistant", long)]
    content = [json.dumps(dict(sorted(row.items())), sort_keys=True).encode() for row in rows]
    read = read_lines(tmp_path, *content)
    ((status, items),) = read.shown
    assert (status, items[0]) == ("completed", f"> {ENVIRONMENT}{long}")
    assert (len(items), read.warned) == (3, [])


def test_an_answer_to_a_prompt_in_a_running_turn_follows_it(tmp_path: Path) -> None:
    counts: list[list[Json]] = [[], [counted(500, 500)]]
    for count in counts:
        rows = [started("t1"), *TURN[:2], *count, TURN[4], *asked("And b.")]
        read = read_lines(tmp_path, meta(), *rows, message("assistant", "Yes."), ended("t1"))
        assert read.shown == [("completed", ["> Go.", "Done.", "> And b.", "Yes."])]
        assert [text for text in read.texts if text in ("Done.", "And b.", "Yes.")] == [
            "Done.",
            "And b.",
            "Yes.",
        ]


def test_a_prompt_between_a_call_and_its_answer_is_in_the_same_turn(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(), *TURN[:3], *asked("And b."), *TURN[3:])
    assert read.shown == [("completed", ["> Go.", SHOWN[1], "> And b.", "Done."])]


def test_calls_that_are_never_answered_hide_no_later_one(tmp_path: Path) -> None:
    lost = [called(f"lost{number}") for number in range(200)]
    rows = [message("user", "Go."), *lost, *[message("user", str(n)) for n in range(70)]]
    rows += [called("c1"), message("user", "A sentence of a hook."), answered("c1")]
    read = read_lines(tmp_path, meta(), *rows, message("assistant", "Done."))
    assert [items[0] for _, items in read.shown] == ["> Go.", *[f"> {n}" for n in range(70)]]
    assert read.shown[-1] == ("completed", ["> 69", SHOWN[1], "Done."])


def test_a_prompt_after_a_call_that_was_never_answered_begins_a_turn(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(), *TURN[:3], message("user", "Go on."), *TURN[2:])
    assert [status for status, _ in read.shown] == ["interrupted", "completed"]
    assert read.shown[1][1][0] == "> Go on."


@pytest.mark.parametrize("kind", ["turn_aborted", "task_complete"])
@pytest.mark.parametrize("begins", [True, False], ids=["2026", "2025"])
def test_items_after_the_end_of_a_turn_belong_to_it(
    tmp_path: Path, kind: str, *, begins: bool
) -> None:
    status = "interrupted" if kind == "turn_aborted" else "completed"
    for at in range(3, len(TURN) + 1):
        rows = [*TURN[:at], ended("t1", kind), *TURN[at:], counted(500, 500)]
        first, second = ([started("t1")], [started("t2")]) if begins else ([], [])
        last = [ended("t2")] if begins else []
        read = read_lines(tmp_path, meta(), first, rows, second, asked("More?"), TURN[4], last)
        assert read.shown == [(status, SHOWN), ("completed", ["> More?", "Done."])]
        assert (read.used, read.warned) == (500, [])


def test_a_turn_ends_at_the_time_of_its_end(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(), *TURN, ended("t"), message("user", ENVIRONMENT), *TURN)
    ends = [timed for timed in read.told if timed.event.type == "turn.completed"]
    assert [end.line for end in ends] == [7, 13]


def test_a_line_without_a_turn_context_begins_where_its_environment_says(tmp_path: Path) -> None:
    for text, cwd in (
        (ENVIRONMENT, "/home/ann/a & b"),
        (
            "<environment_context>\nCurrent working directory: /srv/x\nApproval policy: never\n</environment_context>",
            "/srv/x",
        ),
    ):
        read = read_lines(tmp_path, meta(cwd=None), message("user", text), *TURN)
        assert isinstance(begun := read.told[0].event, ThreadStarted)
        assert begun.settings.cwd == cwd
        assert read.warned == []


@pytest.mark.parametrize(
    "first",
    [
        b'{"id":"0194d2a0-0000-7000-8000-000000000099","instructions":null}',
        b'{"timestamp":"2025-10-01T04:00:00Z","cwd":"/w"}',
        b'{"timestamp":"2025-10-01T04:00:00Z","payload":{"cwd":"/w"}}',
        meta(id=None),
        meta(id=None, timestamp=None, cwd=None),
        started("t1"),
        message("user", ENVIRONMENT),
    ],
    ids=["no time", "no id", "no type", "meta: no id", "meta: nothing", "an event", "an item"],
)
def test_a_first_line_may_lack_members_or_be_of_another_kind(tmp_path: Path, first: Json) -> None:
    read = read_lines(tmp_path, first, *TURN)
    assert read.rollout.heading.source_id == "0194d2a0-0000-7000-8000-000000000099"
    status = "interrupted" if first == started("t1") else "completed"
    assert (read.shown, read.warned) == ([(status, SHOWN)], [])
    assert read.told[0].at_us // 1_000_000 // 86_400 == 20_362  # the first of October 2025


EVENTS_ALONE = [
    event("user_message", message="Go.", images=["data:image/png;base64,AA=="]),
    event("agent_reasoning", text="Hm."),
    event(
        "exec_command_end",
        call_id="c1",
        command=["bash", "-lc", "ls"],
        cwd="/w",
        aggregated_output="a\n",
        exit_code=0,
    ),
    event("agent_message", message="Done."),
    event("agent_message", message="Really."),
]


def test_a_rollout_of_events_alone_is_read_from_them(tmp_path: Path) -> None:
    read = read_lines(tmp_path, meta(), *EVENTS_ALONE, event("user_message", message="More?"))
    assert read.shown == [
        ("completed", ["> Go. [image]", "$ bash -lc ls → 0 'a\\n' in /w", "Done.", "Really."]),
        ("interrupted", ["> More?"]),
    ]
    assert [item["type"] for item in read.to_model[:5]] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]
    assert read.warned == [
        "3: expected an item for the event 'agent_reasoning', found none: it was not imported"
    ]


def test_items_of_screens_alone_are_read_too(tmp_path: Path) -> None:
    def done(kind: str, **members: object) -> Json:
        return event("item_completed", turn_id="t1", item={"type": kind, "id": kind, **members})

    text = [{"type": "text", "text": "Go."}]
    rows = [
        started("t1"),
        done("UserMessage", content=text),
        done("CommandExecution", command=["ls"], cwd="/w", aggregated_output="a\n", exit_code=0),
        done("AgentMessage", content=[{"type": "Text", "text": "Done."}]),
        ended("t1"),
    ]
    read = read_lines(tmp_path, meta(), *rows)
    assert read.shown == [("completed", ["> Go.", "$ ls → 0 'a\\n' in /w", "Done."])]
    assert read.warned == []


def test_items_and_the_events_that_repeat_them_are_read_once(tmp_path: Path) -> None:
    rows = [TURN[0], EVENTS_ALONE[1], *TURN[2:], *EVENTS_ALONE[3:4]]
    read = read_lines(tmp_path, meta(), *rows)
    assert (read.shown, read.warned) == ([("completed", SHOWN)], [])


def test_settings_between_two_turns_are_those_of_the_second(tmp_path: Path) -> None:
    context = of("turn_context", model="m-2", cwd="/w")
    first = of("turn_context", model="m-1", cwd="/w")
    rows = [first, *TURN, ended("t"), message("user", ENVIRONMENT), context, answered("c9"), *TURN]
    read = read_lines(tmp_path, meta(), *rows)
    turns = [timed.event for timed in read.told if isinstance(timed.event, TurnStarted)]
    assert [turn.settings.model for turn in turns] == ["m-1", "m-2"]
    assert len(read.warned) == 1
