"""The history that a model gets of a rollout: each call with one answer, the words of other agents, nothing that is Codex's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexd.importing.rollout.timeline import UNANSWERED
from rollout_files import Json, answered, asked, called, event, message, meta, of, read_lines

TURN = [*asked("Go."), called("c1"), answered("c1"), message("assistant", "Done.")]
SHOWN = ["> Go.", "$ bash -lc ls → None 'a\\n' in /w", "Done."]
A1, C2, A2 = answered("c1"), called("c2", "pwd"), answered("c2", "/w\n")


@pytest.mark.parametrize(
    ("rows", "outputs", "warned"),
    [
        ([called("c1"), C2, A2, answered("c1")], ["/w\n", "a\n"], []),
        ([answered("c1"), called("c1"), C2, A2], ["a\n", "/w\n"], []),
        ([called("c1"), C2, answered("c1")], ["a\n", UNANSWERED], []),
        (
            [called("c1"), answered("c1"), answered("c1", "other")],
            ["a\n"],
            [
                "6: expected the answer to an open call, found one to 'c1', which has its answer: it was not imported"
            ],
        ),
        (
            [called("c1"), called("c1"), answered("c1")],
            ["a\n"],
            [
                "5: expected a call with an id of its own, found another one 'c1' is open: it was not imported"
            ],
        ),
        ([of("response_item", type="local_shell_call", id="c1", action={}), A1], ["a\n"], []),
        (
            [answered("gone"), called("c1"), answered("c1")],
            ["a\n"],
            ["4: expected the answer to an open call, found one to 'gone': it was not imported"],
        ),
        (
            [of("response_item", type="tool_search_call", call_id="s", arguments={}), TURN[4]],
            [],
            [
                "4: expected the answer to the search for tools 's', found none: the search was not imported"
            ],
        ),
    ],
    ids=[
        "crossed",
        "answer first",
        "no answer",
        "two answers",
        "called twice",
        "an id alone",
        "no call",
        "search",
    ],
)
def test_each_call_has_one_answer(
    tmp_path: Path, rows: list[Json], outputs: list[str], warned: list[str]
) -> None:
    read = read_lines(tmp_path, meta(), *TURN[:2], *rows, message("assistant", "Done."))
    assert [item["output"] for item in read.to_model if "output" in item] == outputs
    assert read.warned == warned
    assert len(read.shown) == 1


def test_a_compaction_between_a_call_and_its_answer_waits_for_it(tmp_path: Path) -> None:
    """And what it keeps is what any model can be given: each call with an answer, and no answer alone."""
    agent = {"type": "agent_message", "content": [{"type": "input_text", "text": "Done."}]}
    kept = [
        message("user", "Go.")["payload"],
        called("c0")["payload"],
        {"type": "local_shell_call", "id": "l1", "action": {}},
        {"type": "tool_search_call", "call_id": "s1", "arguments": {}},
        answered("cx")["payload"],
        agent,
    ]
    compacted = of("compacted", message="Short.", replacement_history=kept)
    read = read_lines(tmp_path, meta(), *TURN[:3], compacted, *TURN[3:])
    assert read.shown[0][1][:2] == SHOWN[:2]
    assert [(item["type"], item.get("call_id")) for item in read.to_model] == [
        ("message", None),
        ("function_call", "c0"),
        ("local_shell_call", "l1"),
        ("message", None),
        ("function_call_output", "c0"),
        ("function_call_output", "l1"),
        ("message", None),
    ]


@pytest.mark.parametrize(
    "row",
    [
        of(
            "response_item",
            type="agent_message",
            author="main/lexer",
            recipient="main",
            content=[{"type": "input_text", "text": "The lexer is done."}],
        ),
        of(
            "inter_agent_communication",
            author="main/lexer",
            recipient="main",
            content="The lexer is done.",
            trigger_turn=False,
        ),
    ],
    ids=["item", "line"],
)
@pytest.mark.parametrize("at", [2, 3, 5])
def test_the_model_has_the_words_of_other_agents(tmp_path: Path, row: Json, at: int) -> None:
    read = read_lines(tmp_path, meta(), *TURN[:at], row, *TURN[at:])
    assert (read.shown, read.warned) == ([("completed", SHOWN)], [])
    words = '<agent_message from="main/lexer" to="main">\nThe lexer is done.\n</agent_message>'
    assert words in read.texts
    assert {item["type"] for item in read.to_model} == {
        "message",
        "function_call",
        "function_call_output",
    }


def test_what_is_encrypted_of_an_agents_message_is_complained_of_once(tmp_path: Path) -> None:
    text = {"type": "input_text", "text": "Payload:"}
    encrypted = {"type": "encrypted_content", "encrypted_content": "gAAA"}
    rows = [
        of("response_item", type="agent_message", author="main", content=content)
        for content in ([text, encrypted], [encrypted])
    ]
    read = read_lines(tmp_path, meta(), *TURN, *rows)
    assert read.texts[-1] == (
        '<agent_message from="main">\nPayload:\n[The rest is encrypted.]\n</agent_message>'
    )
    assert read.warned == [
        "7: expected an agent's message, found an encrypted one: what is encrypted was not imported, 2 times"
    ]


NOTHING = [
    "inter_agent_communication_metadata",
    "sub_agent_activity",
    "additional_tools",
    "configuration_update",
    "security_risk_score",
    "retained_context",
]


@pytest.mark.parametrize("kind", NOTHING)
def test_empty_lines_give_no_warning(tmp_path: Path, kind: str) -> None:
    rows = [of(kind, score=1), event(kind), of("response_item", type=kind)]
    kept = [message("user", "Go.")["payload"], {"type": kind}]
    read = read_lines(
        tmp_path, meta(), *rows, *TURN, of("compacted", message="", replacement_history=kept)
    )
    assert read.warned == []
    assert [item["type"] for item in read.to_model] == ["message"]


def test_an_unknown_kind_is_complained_of_once(tmp_path: Path) -> None:
    rows = [of("x"), event("y"), of("response_item", type="z")]
    read = read_lines(tmp_path, meta(), *TURN, *rows * 30, b"{", b"{")
    assert read.warned[:3] == [
        "7: expected a line of a known type, found 'x': it was not imported, 30 times",
        "8: expected an event of a known type, found 'y': it was not imported, 30 times",
        "9: expected an item of a known type, found 'z': it was not imported, 30 times",
    ]
    assert [text.split(":")[0] for text in read.warned[3:]] == ["97", "98"]
    assert read.rollout.complained == 5
