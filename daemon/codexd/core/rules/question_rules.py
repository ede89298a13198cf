"""Questions of a model to a person: when they are asked, and what answers are."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import Answers, AskPerson

ASKS: Final = "The model asks you."
# A page for each; more is a prompt of its own, and can be sent as one.
ANSWER_CHARACTERS_MAX: Final = 4000
# What was chosen and what was typed, for one question.
ANSWERS_MAX: Final = 16
NO_ANSWER: Final = (
    "The user did not answer. Go on with what you recommended, and note it as an assumption; or ask in plain words "
    "what you cannot do without."
)


def questions_line(action: AskPerson) -> str:
    """The questions, one a line."""
    return "\n".join([question.question for question in action.questions])


def questions_reason(settings: Settings, action: AskPerson, _: object) -> str:
    """A person answers them always: the approval policy is about what is done, and nothing is."""
    return ASKS


def questions_refusal(settings: Settings, action: AskPerson, _: object) -> str | None:
    """The answer to the model outside of plan mode, where nobody is asked."""
    if settings.plans:
        return None
    return "request_user_input is unavailable in Default mode. Ask the user in plain words instead."


def odd_answers(action: AskPerson, answers: Answers | None) -> str | None:
    """What was expected and found, where answers are none to these questions; None where they are."""
    known = [question.id for question in action.questions]
    for name, given in (answers or {}).items():
        if name not in known:
            return f"answers to {', '.join(known)}, found one to {name[:80]}"
        if len(given) > ANSWERS_MAX or any(len(text) > ANSWER_CHARACTERS_MAX for text in given):
            return f"at most {ANSWERS_MAX} answers of {ANSWER_CHARACTERS_MAX} characters to {name}"
    return None


def answers_text(action: AskPerson, answers: Answers | None) -> str:
    """The answers as the model gets them, in the form that Codex has."""
    given = {
        question.id: {"answers": list((answers or {}).get(question.id, ()))}
        for question in action.questions
    }
    if not any(each["answers"] for each in given.values()):
        return NO_ANSWER
    return msgspec.json.encode({"answers": given}).decode()
