"""Questions with values as forms of the editor: those of MCP servers, and those of the model in plan mode. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from codexd_frontends.acp.translation.wire import Update
from codexd_frontends.client.approval_messages import PersonQuestion
from codexd_frontends.client.messages import Message, Received
from codexd_frontends.screen.drawn import one_line

NAME_CHARACTERS_MAX: Final = 80
# The name of the field beside a question's choices, for other words.
OTHER: Final = " (other)"


class _ServersQuestion(Received, frozen=True, kw_only=True):
    """The parts of it that go on to the editor as they are."""

    server_name: str = ""
    message: str | None = None
    requested_schema: Raw = Raw(b'{"type":"object","properties":{}}')
    elicitation_id: str | None = None
    url: str | None = None


def servers_form(asked: Message) -> Update:
    """A question of an MCP server: the fields that it wants, or a page that the person is to open."""
    question = msgspec.json.decode(asked.params, type=_ServersQuestion)
    name = one_line(question.server_name, NAME_CHARACTERS_MAX)
    form: Update = {"message": f"{name}: {question.message or ''}"}
    if question.url is None:
        return form | {"mode": "form", "requestedSchema": question.requested_schema}
    elicitation = question.elicitation_id or ""
    return form | {"mode": "url", "url": question.url, "elicitationId": elicitation}


def models_form(questions: Sequence[PersonQuestion]) -> Update:
    """Questions of the model: a choice for each, and a field for other words."""
    properties: dict[str, Update] = {}
    for asked in questions:
        field: Update = {
            "type": "string",
            "title": asked.header or asked.id,
            "description": asked.question,
        }
        if asked.options:
            field["oneOf"] = [
                {"const": option.label, "title": option.label} for option in asked.options
            ]
            about = [f"{o.label}: {o.description}" for o in asked.options if o.description]
            field["description"] = "\n".join([asked.question, *about])
            other = {"type": "string", "title": f"{asked.header or asked.id}, in other words"}
            properties[asked.id] = field
            properties[f"{asked.id}{OTHER}"] = other
        else:
            properties[asked.id] = field
    return {
        "message": "\n".join(asked.question for asked in questions),
        "mode": "form",
        "requestedSchema": {"type": "object", "properties": properties},
    }


def models_answers(
    questions: Sequence[PersonQuestion], content: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """The answers in a form that was filled in; other words count before a choice."""
    answers: dict[str, tuple[str, ...]] = {}
    for asked in questions:
        for name in (f"{asked.id}{OTHER}", asked.id):
            given = content.get(name)
            if isinstance(given, str) and given.strip():
                answers[asked.id] = (given,)
                break
    return answers
