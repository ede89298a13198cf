"""What a person types to answer a question of an MCP server, or of the model: yes or no, values, choices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from codexd_frontends.client.approval_messages import ApprovalRequest, Form, PersonQuestion
from codexd_frontends.screen.drawn import one_line

# What the server is told: that the person refuses, or only goes away.
ACTIONS: Final[Mapping[str, str]] = {
    "y": "accept",
    "yes": "accept",
    "n": "decline",
    "no": "decline",
    "c": "cancel",
}
NAME_CHARACTERS_MAX: Final = 40
NAMES_SHOWN_MAX: Final = 4


class Elicited(NamedTuple):
    """An answer to a question of an MCP server."""

    action: str
    content: Mapping[str, object] | None = None


def keys_of(request: ApprovalRequest) -> str:
    """What may be typed."""
    names = [one_line(name, NAME_CHARACTERS_MAX) for name in request.fields]
    rest = "   [n] no   [c] no answer"
    if not names:
        return f"[y] yes{rest}"
    if len(names) == 1:
        return f"[{names[0]}] the value{rest}"
    members = ", ".join(f'"{name}": …' for name in names[:NAMES_SHOWN_MAX])
    return f"[{{{members}}}] the values as JSON{rest}"


def elicited(typed: str, request: ApprovalRequest) -> Elicited | None:
    """The answer that a typed line means, if it means one. Where values are asked for, yes alone is none."""
    text, form = typed.strip(), request.requested_schema
    action = ACTIONS.get(text.lower())
    if action is not None and (action != "accept" or not request.fields):
        return Elicited(action)
    values = None if form is None or not text else _values(text, form)
    return None if values is None else Elicited("accept", values)


def _values(text: str, form: Form) -> dict[str, object] | None:
    """The values that are typed, if all that must be there are."""
    if not form.properties:
        return None
    if len(form.properties) == 1 and not text.startswith("{"):
        ((name, field),) = form.properties.items()
        if field.type == "string":
            return {name: text}
        text = f"{{{msgspec.json.encode(name).decode()}: {text.lower()}}}"
    try:
        values = msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError:
        return None
    return values if values.keys() >= set(form.required) else None


def choice_keys(asked: PersonQuestion) -> str:
    """What may be typed to a question of the model."""
    count = len(asked.options or ())
    choose = {0: "", 1: "[1] choose it   "}.get(count, f"[1-{count}] choose   ")
    return f"{choose}[WORDS] another answer   [n] no answer   [c] no answer, and stop the turn"


def chosen(typed: str, asked: PersonQuestion) -> tuple[str, ...] | None:
    """The answer that a typed line is: the choices with these numbers, or its own words; None for an empty line."""
    text, options = typed.strip(), asked.options or ()
    numbers = text.replace(",", " ").split()
    if numbers and all(number.isascii() and number.isdecimal() for number in numbers):
        picked = [int(number) for number in numbers if len(number) < 3]
        if len(picked) == len(numbers) and all(0 < number <= len(options) for number in picked):
            return tuple(options[number - 1].label for number in picked)
    return (text,) if text else None
