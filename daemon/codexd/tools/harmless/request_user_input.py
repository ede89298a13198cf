"""The tool `request_user_input`: the model asks a person questions in plan mode.

    QuestionsTool.read_call(arguments)  ->  AskPerson   (pure)

The answers are a person's; nothing is performed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import AskPerson, BadCall, Choice, PersonQuestion, ToolResult
from codexd.tools.registry import CallContext, OutputSink, read_arguments

TOOL_NAME: Final = "request_user_input"
# A person answers them in one go; the model is told three.
QUESTIONS_MAX: Final = 8
OPTIONS_MAX: Final = 8
ID_CHARACTERS_MAX: Final = 64
HEADER_CHARACTERS_MAX: Final = 80
TEXT_CHARACTERS_MAX: Final = 2000  # a paragraph


class _Choice(msgspec.Struct, frozen=True):
    label: str
    description: str = ""


class _Question(msgspec.Struct, frozen=True):
    id: str
    question: str
    header: str = ""
    options: tuple[_Choice, ...] | None = None


class _Arguments(msgspec.Struct, frozen=True):
    """The model's arguments; unknown members are ignored."""

    questions: tuple[_Question, ...]


_TEXT: Final = {"type": "string"}
DECLARATION: Final = msgspec.json.encode(
    {
        "type": "function",
        "name": TOOL_NAME,
        "description": "Asks the user one to three short questions, and waits for the answers. Only in plan mode.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "questions": {
                    "type": "array",
                    "description": "Best is one; three at most.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {**_TEXT, "description": "A name for the answer, in snake_case."},
                            "header": {
                                **_TEXT,
                                "description": "What it is about, in 12 characters.",
                            },
                            "question": {**_TEXT, "description": "The question, in one sentence."},
                            "options": {
                                "type": "array",
                                "description": "Two or three choices that exclude each other, the recommended one "
                                'first, with "(Recommended)" after its label. A choice "Other" is added by itself.',
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "label": {**_TEXT, "description": "One to five words."},
                                        "description": {
                                            **_TEXT,
                                            "description": "What it means, in one sentence.",
                                        },
                                    },
                                    "required": ["label", "description"],
                                    "additionalProperties": False,
                                },
                            },
                        },
                        "required": ["id", "header", "question", "options"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["questions"],
            "additionalProperties": False,
        },
    }
)


class QuestionsTool:
    """The tool."""

    name = TOOL_NAME

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Offered in plan mode."""
        settings = thread.in_force
        return DECLARATION if settings is not None and settings.plans else None

    def read_call(self, arguments: str, context: CallContext) -> AskPerson | BadCall:
        asked = read_arguments(arguments, _Arguments, _bad)
        if isinstance(asked, BadCall):
            return asked
        problem = _problem(asked.questions)
        if problem is not None:
            return _bad(problem)
        return AskPerson(
            tuple(
                PersonQuestion(
                    question.id,
                    question.header or question.id,
                    question.question,
                    tuple(Choice(each.label, each.description) for each in question.options or ()),
                )
                for question in asked.questions
            )
        )

    async def perform(
        self, action: AskPerson, context: CallContext, sink: OutputSink
    ) -> ToolResult:
        raise AssertionError("the answer of a person is its result")


def _problem(questions: tuple[_Question, ...]) -> str | None:
    """Why these cannot be asked, as the rest of a sentence; None if they can."""
    if not 0 < len(questions) <= QUESTIONS_MAX:
        return f"expected 1 to {QUESTIONS_MAX} questions, found {len(questions)}"
    if len({question.id for question in questions}) < len(questions):
        return "two questions have one id"
    for question in questions:
        options = question.options or ()
        texts = [
            question.question,
            *(text for each in options for text in (each.label, each.description)),
        ]
        if len(options) > OPTIONS_MAX:
            return f"expected at most {OPTIONS_MAX} options, found {len(options)}"
        if not 0 < len(question.id) <= ID_CHARACTERS_MAX:
            return f"an id has 1 to {ID_CHARACTERS_MAX} characters"
        if len(question.header) > HEADER_CHARACTERS_MAX:
            return f"a header has at most {HEADER_CHARACTERS_MAX} characters"
        if max(map(len, texts)) > TEXT_CHARACTERS_MAX:
            return f"a text has at most {TEXT_CHARACTERS_MAX} characters"
        if not question.question.strip() or not all(each.label.strip() for each in options):
            return "a question or a label is empty"
        if len({each.label for each in options}) < len(options):
            return "two options have one label"
    return None


def _bad(reason: str) -> BadCall:
    return BadCall(
        reason=f"The arguments of {TOOL_NAME} could not be used: {reason}. Nothing was asked. Expected a JSON object "
        'such as {"questions": [{"id": "storage", "header": "Storage", "question": "Where is it kept?", "options": '
        '[{"label": "A file (Recommended)", "description": "Simple."}, {"label": "A database", "description": '
        '"Can be searched."}]}]}.'
    )
