"""JSON Schema (draft 2020-12) of all messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from codexd.protocol.schema.catalogue import Catalogue, Exchange, Messages
from codexd.protocol.schema.comments import StructType, field_notes, sentence

Schema = dict[str, Any]

_PLAIN: dict[type[inspect.Type], Schema] = {
    inspect.AnyType: {},
    inspect.RawType: {},
    inspect.NoneType: {"type": "null"},
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.StrType: {"type": "string"},
    inspect.BytesType: {"type": "string", "contentEncoding": "base64"},
}
_ID: Schema = {"$ref": "#/$defs/RequestId"}
_INTEGER: Schema = {"type": "integer"}


def json_schema(messages: Messages) -> Schema:
    """One document: `$defs` has each type, and each kind of message as a union that `method` tells apart."""
    catalogue = Catalogue(messages)
    structs = {catalogue.name(struct): _object(catalogue, struct) for struct in catalogue.structs}
    unions = {
        name: _any_of([_ref(catalogue.name(struct)) for struct in members])
        for name, members in (
            (name, sorted(members, key=catalogue.name))
            for name, members in catalogue.unions.items()
        )
    }
    defs = structs | unions | _envelopes(catalogue, messages)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The protocol of codexd",
        "anyOf": [_ref("ClientMessage"), _ref("ServerMessage"), _ref("ServerAnswer")],
        "$defs": dict(sorted(defs.items())),
    }


def _envelopes(catalogue: Catalogue, messages: Messages) -> dict[str, Schema]:
    requests, asked = messages.requests, messages.server_requests
    return {
        "RequestId": _any_of([{"type": "string"}, _INTEGER]),
        "ClientRequest": _any_of(_questions(catalogue, requests, by_client=True)),
        "ClientResponse": _any_of(_results(catalogue, requests)),
        "ClientNotification": _message("initialized", {}),
        "ClientMessage": _any_of(
            [*map(_ref, ("ClientRequest", "ClientNotification", "Result", "ErrorResponse"))]
        ),
        "ServerRequest": _any_of(_questions(catalogue, asked, by_client=False)),
        "ServerResponse": _any_of(_results(catalogue, asked)),
        "ServerNotification": _any_of(_told(catalogue, messages.notifications)),
        "ServerMessage": _any_of([_ref("ServerNotification"), _ref("ServerRequest")]),
        "ServerAnswer": _any_of([_ref("Result"), _ref("ErrorResponse")]),
        "Result": _closed({"id": _ID, "result": {}}),
        "ErrorResponse": _closed(
            {
                "id": _any_of([_ID, {"type": "null"}]),
                "error": _closed(
                    {
                        "code": _INTEGER,
                        "message": {"type": "string"},
                        "data": _ref(catalogue.name(messages.error)),
                    }
                ),
            }
        ),
    }


def _told(catalogue: Catalogue, notifications: Mapping[str, StructType]) -> list[Schema]:
    numbers = dict.fromkeys(("emittedAtMs", "seq", "offset"), _INTEGER)
    return [
        _message(
            method,
            {"params": _ref(catalogue.name(struct)), **numbers},
            optional=("seq", "offset"),
        )
        for method, struct in notifications.items()
    ]


def _questions(
    catalogue: Catalogue, exchanges: Mapping[str, Exchange], *, by_client: bool
) -> list[Schema]:
    return [
        _message(
            method,
            {"id": _ID, "params": _either(catalogue, row.params)},
            optional=("params",) if by_client and catalogue.may_be_left_out(row.params) else (),
        )
        for method, row in exchanges.items()
    ]


def _results(catalogue: Catalogue, exchanges: Mapping[str, Exchange]) -> list[Schema]:
    """The results, each with the method that it answers: the wire has only the id of the request."""
    return [
        _message(method, {"result": _either(catalogue, row.result)})
        for method, row in exchanges.items()
    ]


def _either(catalogue: Catalogue, struct: StructType | None) -> Schema:
    return {} if struct is None else _ref(catalogue.name(struct))


def _message(method: str, members: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return _closed({"method": {"const": method}, **members}, optional)


def _closed(members: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in members if name not in optional]
    return {"type": "object", "properties": dict(members), "required": required}


def _object(catalogue: Catalogue, struct: StructType) -> Schema:
    notes = field_notes(struct)
    tag = catalogue.tag(struct)
    properties: Schema = {} if tag is None else {tag[0]: {"const": tag[1]}}
    required = [] if tag is None else [tag[0]]
    for member in catalogue.members(struct):
        note = notes.get(member.field)
        said = {"description": note} if note else {}
        properties[member.name] = said | _kind(catalogue, member.kind)
        if not member.optional:
            required.append(member.name)
    made: Schema = {"description": sentence(struct), "type": "object", "properties": properties}
    return made | ({"required": required} if required else {})


def _kind(catalogue: Catalogue, kind: inspect.Type) -> Schema:
    match kind:
        case inspect.UnionType():
            return _any_of(
                [
                    _ref(part) if isinstance(part, str) else _kind(catalogue, part)
                    for part in catalogue.parts(kind)
                ]
            )
        case inspect.StructType():
            return _ref(catalogue.name(kind.cls))
        case inspect.LiteralType():
            return {"enum": list(kind.values)}
        case inspect.VarTupleType() | inspect.ListType():
            return {"type": "array", "items": _kind(catalogue, kind.item_type)}
        case inspect.DictType():
            return {"type": "object", "additionalProperties": _kind(catalogue, kind.value_type)}
        case _:
            return dict(_PLAIN[type(kind)])


def _any_of(alternatives: list[Schema]) -> Schema:
    return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def encoded(schema: Schema) -> bytes:
    """As a file."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
