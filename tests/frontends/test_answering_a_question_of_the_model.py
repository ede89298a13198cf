"""What is typed to a question of the model: a number, own words, or no answer; several questions one after another."""

from __future__ import annotations

import msgspec

from codexd_frontends.cli.elicited import choice_keys, chosen
from codexd_frontends.cli.questions import (
    Questions,
    Verdict,
    how_to_answer,
    read_question,
    verdict_for,
)
from codexd_frontends.client.messages import Message
from codexd_frontends.screen.question import question_lines
from codexd_frontends.screen.style import Style

PARAMS = {
    "threadId": "t",
    "turnId": "u",
    "itemId": "i",
    "questions": [
        {
            "id": "where",
            "header": "Storage",
            "question": "Where?",
            "options": [
                {"label": "File", "description": "Simple."},
                {"label": "Base\u202e", "description": ""},
            ],
        },
        {"id": "when", "header": "Time", "question": "When?", "options": None},
    ],
    "codexd": {"approvalId": "u/1", "actionHash": "0f"},
}


def message() -> Message:
    raw = msgspec.json.encode({"id": 7, "method": "item/tool/requestUserInput", "params": PARAMS})
    return msgspec.json.decode(raw, type=Message)


def test_the_question_is_drawn_with_its_choices_and_foreign_text_drives_no_terminal() -> None:
    question = read_question(message())
    assert question is not None
    lines = question_lines(question.request, Style())
    assert lines[0] == "? The model asks you (Storage):"
    assert [line.strip() for line in lines[1:3]] == ["Where?", "1) File: Simple."]
    assert "\u202e" not in "".join(lines)
    assert how_to_answer(question.request) == [
        "  codexctl approve t u/1",
        "  codexctl approve t u/1 --decline",
    ]


def test_each_question_is_answered_in_its_turn_and_all_are_sent_together() -> None:
    question = read_question(message())
    assert question is not None
    first, second = question.request.questions
    assert chosen("1", first) == ("File",)
    assert chosen("2, 1", first) == ("Base\u202e", "File")
    assert chosen("3", first) == ("3",)
    assert chosen(" in the home ", first) == ("in the home",)
    assert chosen("1", second) == ("1",)
    assert chosen("  ", first) is None
    assert "[1-2] choose" in choice_keys(first)
    assert "choose" not in choice_keys(second)
    open_questions = Questions()
    assert open_questions.ask(question)
    half = question.with_answer(("File",))
    open_questions.put(half)
    assert not open_questions.ask(question), (
        "it is asked again after a lag, and half of it is answered"
    )
    whole = half.with_answer(("now",))
    assert not whole.asks_more
    assert whole.answer(Verdict("accept")) == {
        "decision": "accept",
        "answers": {"where": {"answers": ("File",)}, "when": {"answers": ("now",)}},
        "approvalId": "u/1",
        "actionHash": "0f",
    }


def test_a_person_may_give_no_answer_and_stop_the_turn() -> None:
    question = read_question(message())
    assert question is not None
    assert verdict_for("n", question.request) == Verdict("decline")
    assert verdict_for("c", question.request) == Verdict("cancel")
    assert verdict_for("y", question.request) is None
