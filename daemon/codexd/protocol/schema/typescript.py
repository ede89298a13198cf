"""TypeScript of all messages: one module without imports. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping

from msgspec import inspect

from codexd.protocol.schema.catalogue import Catalogue, Exchange, Messages
from codexd.protocol.schema.comments import StructType, field_notes, sentence

COMMENT_WIDTH = 100
_PLAIN: dict[type[inspect.Type], str] = {
    inspect.AnyType: "unknown",
    inspect.RawType: "unknown",
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.BytesType: "string",
}
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_REQUEST_ID = """\
/** The id of a request: what its answer repeats. */
export type RequestId = string | number;
"""

_TAIL = """\
/** What the daemon sends unasked: tell them apart by `method`; a request has an `id`, and wants an answer. */
export type ServerMessage = ServerNotification | ServerRequest;

/** A method that a client may call. */
export type Method = ClientRequest["method"];

/** The params of a method: `ParamsOf<"turn/start">`. */
export type ParamsOf<M extends Method> = Extract<ClientRequest, { method: M }>["params"];

/** The result of a method: `ResultOf<"turn/start">`. */
export type ResultOf<M extends Method> = Extract<ClientResponse, { method: M }>["result"];

/** A line of the daemon: an answer to a request, or a message of its own. */
export type ServerLine = { id: RequestId; result: unknown } | ErrorResponse | ServerMessage;
"""


_ERROR = """\
/** A request was refused. The id is null where it could not be read. */
export interface ErrorResponse {
  id: RequestId | null;
  error: { code: number; message: string; data: DATA };
}
"""


def typescript(messages: Messages, version: str) -> str:
    """The module."""
    catalogue = Catalogue(messages)
    parts = [
        f"// The protocol of codexd {version}. Made by `codexd schema --ts`.\n",
        _REQUEST_ID,
        *(_interface(catalogue, struct) for struct in catalogue.structs),
        *(_named_union(catalogue, name) for name in catalogue.unions),
        _union(
            "ClientRequest",
            "What a client asks.",
            _questions(catalogue, messages.requests, by_client=True),
        ),
        _union(
            "ClientResponse",
            "The results of a client's requests, each beside its method: an answer has only the id of its request.",
            _results(catalogue, messages.requests),
        ),
        '/** What a client tells. */\nexport type ClientNotification = { method: "initialized" };\n',
        _union(
            "ServerNotification",
            "What the daemon tells. `seq` and `offset`: for clients that asked for cursors.",
            _told(catalogue, messages.notifications),
        ),
        _union(
            "ServerRequest",
            "What the daemon asks a person.",
            _questions(catalogue, messages.server_requests, by_client=False),
        ),
        _union(
            "ServerResponse",
            "The results that the daemon's requests want, each beside its method.",
            _results(catalogue, messages.server_requests),
        ),
        _ERROR.replace("DATA", catalogue.name(messages.error)),
        _TAIL,
    ]
    return "\n".join(parts)


def _told(catalogue: Catalogue, notifications: Mapping[str, StructType]) -> list[str]:
    return [
        f'{{ method: "{method}"; params: {catalogue.name(struct)}; '
        "emittedAtMs: number; seq?: number; offset?: number }"
        for method, struct in notifications.items()
    ]


def _questions(
    catalogue: Catalogue, exchanges: Mapping[str, Exchange], *, by_client: bool
) -> list[str]:
    made = []
    for method, row in exchanges.items():
        params = "unknown" if row.params is None else catalogue.name(row.params)
        mark = "?" if by_client and catalogue.may_be_left_out(row.params) else ""
        made.append(f'{{ id: RequestId; method: "{method}"; params{mark}: {params} }}')
    return made


def _results(catalogue: Catalogue, exchanges: Mapping[str, Exchange]) -> list[str]:
    return [
        f'{{ method: "{method}"; result: '
        f"{'unknown' if row.result is None else catalogue.name(row.result)} }}"
        for method, row in exchanges.items()
    ]


def _interface(catalogue: Catalogue, struct: StructType) -> str:
    notes = field_notes(struct)
    tag = catalogue.tag(struct)
    lines = [] if tag is None else [f'  {_key(tag[0])}: "{tag[1]}";']
    for member in catalogue.members(struct):
        note = notes.get(member.field)
        lines += _comment(note, indent="  ") if note else []
        mark = "?" if member.optional else ""
        lines.append(f"  {_key(member.name)}{mark}: {_kind(catalogue, member.kind)};")
    head = _comment(sentence(struct))
    name = catalogue.name(struct)
    if not lines:
        return "\n".join([*head, f"export type {name} = Record<string, never>;", ""])
    return "\n".join([*head, f"export interface {name} {{", *lines, "}", ""])


def _named_union(catalogue: Catalogue, name: str) -> str:
    return _union(name, "", sorted(map(catalogue.name, catalogue.unions[name])))


def _union(name: str, said: str, alternatives: Iterable[str]) -> str:
    lines = [f"  | {alternative}" for alternative in alternatives]
    return "\n".join([*(_comment(said) if said else []), f"export type {name} =", *lines]) + ";\n"


def _comment(text: str, indent: str = "") -> list[str]:
    text = text.replace("*/", "* /")
    if len(text) + len(indent) + 7 <= COMMENT_WIDTH:
        return [f"{indent}/** {text} */"]
    lines = textwrap.wrap(text, COMMENT_WIDTH - len(indent) - 3, break_long_words=False)
    return [f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"]


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else f'"{name}"'


def _kind(catalogue: Catalogue, kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType():
            return " | ".join(
                part if isinstance(part, str) else _kind(catalogue, part)
                for part in catalogue.parts(kind)
            )
        case inspect.StructType():
            return catalogue.name(kind.cls)
        case inspect.LiteralType():
            return " | ".join(f'"{value}"' for value in kind.values)
        case inspect.VarTupleType() | inspect.ListType():
            item = _kind(catalogue, kind.item_type)
            return f"({item})[]" if " | " in item else f"{item}[]"
        case inspect.DictType():
            return f"Record<string, {_kind(catalogue, kind.value_type)}>"
        case _:
            return _PLAIN[type(kind)]
