"""Rollouts of every year read the same as they were: on a screen, to the model, in tokens, and nothing twice."""

from __future__ import annotations

import json

import pytest

from codexd.core.events.events import (
    ContextAdded,
    ItemCompleted,
    ModelCallEnded,
    ThreadStarted,
    TurnFailed,
    TurnStarted,
)
from codexd.core.events.tools import ToolEnded
from codexd.core.state.state import ThreadState, fold
from codexd.importing.rollout.settings import Heading
from codexd.importing.rollout.timeline import UNANSWERED, TimedEvent
from codexd.projections.model.history import ModelHistory
from codexd.projections.usage.totals import Usage
from rollout_files import FILES, MODEL, files_of, read, read_rollout, shown


def told(number: int) -> list[TimedEvent]:
    return read(*files_of(number))[0]


def after(number: int) -> ThreadState:
    return fold(timed.event for timed in told(number))


def used(number: int) -> Usage:
    usage = Usage()
    for timed in told(number):
        usage = usage.after(timed.event)
    return usage


def to_model(number: int) -> list[dict[str, object]]:
    history = ModelHistory().after_all(timed.event for timed in told(number))
    return [json.loads(item) for item in history.items]


def text_in(item: dict[str, object]) -> str:
    content = item.get("content")
    if not isinstance(content, list):
        return str(item["type"])
    return "|".join(part.get("text", part["type"]) for part in content)


def test_a_rollout_of_2026_shows_its_items() -> None:
    assert shown(told(1)) == [
        (
            "completed",
            [
                "> Why does the test fail?",
                "(Looking)",
                "$ /bin/bash -lc 'make test' → 2 '1 failed\\n' in /home/ann/parser",
                "> Only look at lexer.c.",
                "apply_patch: completed",
                "view_image: completed",
                "It reads one byte too many.",
            ],
        ),
        (
            "interrupted",
            [
                "> Wait for it.",
                (
                    "$ bash -lc 'sleep 30' → None 'Wall time: 1.9 seconds\\naborted by user'"
                    " in /home/ann/parser/sub"
                ),
            ],
        ),
        ("failed", ["> Again."]),
        ("completed", ["> What is this? [image]", "web search: a dot", "A dot."]),
    ]


def test_the_model_gets_the_same_history_as_there() -> None:
    history = to_model(1)
    assert [text_in(item) for item in history][:10] == [
        "Answer briefly.",
        "The disk may be read.",
        "# AGENTS.md instructions for /home/ann/parser\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>",
        "<environment_context>\n  <cwd>/home/ann/parser</cwd>\n</environment_context>",
        "Why does the test fail?",
        "reasoning",
        "function_call",
        "function_call_output",
        "Only look at lexer.c.",
        "custom_tool_call",
    ]
    assert history[5]["encrypted_content"] == "gAAAA1"
    assert "content" not in history[5]
    by_call = {item["call_id"]: item for item in history if "output" in item}
    assert by_call["call_2"]["type"] == "custom_tool_call_output"
    assert by_call["call_3"]["output"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    ]
    assert not any("internal_chat_message_metadata_passthrough" in item for item in history)


def test_the_author_of_each_text_is_classified_once() -> None:
    added = [timed.event for timed in told(1) if isinstance(timed.event, ContextAdded)]
    assert [added_.category for added_ in added] == [
        "developer",
        "developer",
        "user_instructions",
        "environment",
        "turn_aborted",
    ]


def test_settings_follow_the_turns() -> None:
    models = [
        timed.event.settings.model for timed in told(1) if isinstance(timed.event, TurnStarted)
    ]
    assert models == ["m-1", "m-2", "m-2", "m-2"]
    settings = after(1).settings
    assert settings is not None
    assert (settings.cwd, settings.model, settings.effort) == ("/home/ann/lexer", "m-3", "low")
    assert (settings.approval_policy, settings.sandbox) == ("never", "workspace-write")


def test_the_beginning_says_where_and_with_what() -> None:
    started = told(1)[0].event
    assert isinstance(started, ThreadStarted)
    assert (started.originator, started.settings.provider) == ("codex_cli", "local")
    assert started.git is not None
    assert started.git.origin_url == "https://example.org/parser.git"
    # Codex's own instructions name tools that are not here.
    assert started.instructions is None


def test_tokens_are_counted_once() -> None:
    totals = used(1)
    assert (totals.total.input_tokens, totals.total.output_tokens) == (1000, 62)
    calls = [timed.event for timed in told(1) if isinstance(timed.event, ModelCallEnded)]
    assert [call.response_id for call in calls] == ["resp_1", "resp_2", "resp_3", None, "resp_4"]


def test_a_failed_turn_says_why() -> None:
    failed = [timed.event for timed in told(1) if isinstance(timed.event, TurnFailed)]
    assert [(event.error.message, event.error.codex_error_info) for event in failed] == [
        ("the stream broke", "other")
    ]


def test_every_event_names_its_line_and_keeps_its_time() -> None:
    events = told(1)
    assert events[0].by == "import:1#0"
    answer = next(event for event in events if isinstance(event.event, ItemCompleted))
    assert answer.by == "import:10#9"
    assert all(event.at_us > 1_795_000_000_000_000 for event in events)


def test_a_compaction_a_review_and_a_persons_command_are_shown() -> None:
    assert shown(told(2)) == [
        ("completed", ["> Remember 7.", "I do."]),
        ("completed", ["compacted"]),
        (
            "completed",
            [
                "review: the lexer",
                "review: One thing.\n\n- Off by one (/home/ann/parser/lexer.c:3-4)\n  It reads too far.",
                "One thing.",
            ],
        ),
        ("completed", ["$ /bin/bash -lc ls → 0 'lexer.c\\n' in /home/ann/parser"]),
        ("interrupted", ["> Build it.", "$ bash -lc make → None '' in /home/ann/parser"]),
    ]


def test_a_compaction_replaces_what_the_model_sees() -> None:
    assert [text_in(item) for item in to_model(2)][:4] == [
        "Remember 7.",
        "They said 7.",
        "<user_action>\nreviewed\n</user_action>",
        "One thing.",
    ]


def test_a_call_that_was_never_answered_is_answered_so() -> None:
    ends = [timed.event for timed in told(2) if isinstance(timed.event, ToolEnded)]
    assert (ends[-1].result.status, ends[-1].result.model_text) == ("aborted", UNANSWERED)
    assert after(2).turn is None


def test_a_torn_last_line_is_complained_of() -> None:
    _, rollout = read(*files_of(2))
    assert [(c.line, c.message) for _, c in rollout.complaints] == [
        (
            36,
            "expected a whole line, found 67 bytes of one that was cut off: they were not imported",
        )
    ]


def test_turns_that_were_rolled_back_in_another_file_do_not_count() -> None:
    assert shown(told(5)) == [
        ("completed", ["> Keep?", "Keep."]),
        ("completed", ["> New?", "New."]),
    ]


def test_a_rollout_of_2025_shows_its_items() -> None:
    assert shown(told(6)) == [
        (
            "completed",
            [
                "> List the files.",
                "(Listing)",
                "$ bash -lc ls → 0 'lexer.c\\n' in /home/ann/parser",
                "There is lexer.c.",
            ],
        ),
        ("interrupted", ["> Run it.", "$ ./lexer 'a b' → None '' in /home/ann/parser"]),
        (
            "completed",
            ["> Leave it.", "Fine.", "compacted", "review: current changes", "review: "],
        ),
        ("completed", ["> Still there?", "Yes."]),
    ]


def test_a_compaction_of_2025_keeps_peoples_messages() -> None:
    assert [text_in(item) for item in to_model(6)] == [
        "List the files.",
        "Run it.",
        "Leave it.",
        "They list files.",
        "Still there?",
        "Yes.",
    ]


def test_removed_policies_become_safer_policies() -> None:
    started = told(6)[0].event
    assert isinstance(started, ThreadStarted)
    settings = started.settings
    assert (settings.approval_policy, settings.sandbox, settings.model, settings.effort) == (
        "on-request",
        "workspace-write",
        "m-old",
        "medium",
    )


def test_counts_that_are_repeated_count_once() -> None:
    totals = used(6)
    assert (totals.total.input_tokens, totals.total.output_tokens) == (300, 15)


def test_how_full_a_window_was_is_known_where_the_rollout_says_how_long_it_is() -> None:
    windows = [timed.event.limits for timed in told(1) if isinstance(timed.event, TurnStarted)]
    assert {limits.effective for limits in windows[:2]} == {258_400}
    totals = used(1)
    assert totals.window.context_tokens > 0
    older = [timed.event.limits for timed in told(7) if isinstance(timed.event, TurnStarted)]
    assert {limits.effective for limits in older} == {None}


def test_an_unknown_line_gives_a_warning_with_its_number() -> None:
    _, rollout = read(*files_of(6))
    complaints = [f"{c.line}: {c.message}" for _, c in rollout.complaints]
    assert complaints[0].startswith("30: expected an event of a known type, found 'a_thing_of_the")
    assert complaints[1].startswith("31: expected a JSON object, found 'this is no JSON at all'")
    assert complaints[2].startswith("32: expected a line of a known type, found 'a_line_of_the")
    assert complaints[3] == (
        "33: expected the answer to an open call, found one to 'call_gone': it was not imported"
    )
    assert len(complaints) == 4


def test_the_oldest_rollouts_have_bare_items() -> None:
    assert shown(told(7)) == [
        ("completed", ["> Say hello.", "Hello."]),
        ("completed", ["> Count.", "$ wc -l 'a b' → 1 '3 a b\\n' in /", "Three."]),
    ]
    started = told(7)[0].event
    assert isinstance(started, ThreadStarted)
    assert (started.settings.model, started.settings.sandbox) == (MODEL, "read-only")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[-17:-6])
def test_reading_twice_gives_the_same(path: object) -> None:
    again = [read(path)[0] for _ in range(2)]  # type: ignore[arg-type]
    assert again[0] == again[1]


def test_lines_alone_read_the_same_as_a_file() -> None:
    path = files_of(6)[0]
    events, rollout = read(path)
    converted = read_rollout(path.read_bytes().splitlines(), rollout.heading, "0.0")
    assert converted.events == events
    assert [c.line for c in converted.complaints] == [30, 31, 32, 33]


def test_no_lines_are_a_thread_that_only_began() -> None:
    events = read_rollout([], Heading("x", {}, {})).events
    assert [event.event.type for event in events] == ["thread.started"]
