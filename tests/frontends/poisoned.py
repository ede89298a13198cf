"""What a daemon may answer and say, made from the structs of the messages, with an evil text in every string.

The structs of the protocol say what our daemon sends, and the structs of the frontends what any daemon may send:
values of enumerations, tags and members that only frontends know are strings like others there.
"""

from __future__ import annotations

import base64
import copy
import functools
from typing import Any, NamedTuple

from msgspec import inspect

from .fake_daemon import Json

# Each of another kind: colour, title, C1, DEL, a bidi override, zero-width, tag, filler, private use, separators.
UNSEEN = (
    "\x1b\x9b\x7f\x08\r\u202e\u2066\u200b\u200d\u2060\U000e0041\u3164\u2800\ue000\u2028\u0085\ufe0f"
)
EVIL = f"\x1b[31m\x1b]0;title\x07{UNSEEN}"
FORGED = "FORGED"

# Variants of an example: other words of enumerations, other structs of a union, members that are absent.
VARIANTS = 4
ABSENT = 3

_NOW = 1_795_226_695


_type_info = functools.cache(inspect.type_info)


class Name(str):
    """At the end of a path: not the value under this name in a mapping, but the name."""


class Base64(str):
    """Bytes, as the wire has them."""


class Leaf(NamedTuple):
    """A string in an example, and which member of which struct it is."""

    path: tuple[str | int, ...]
    field: str  # Struct.member, as the wire has it
    is_word: bool  # the word of an enumeration, or a tag

    @property
    def is_name(self) -> bool:
        """Whether it is a name in a mapping."""
        return bool(self.path) and isinstance(self.path[-1], Name)


class Example:
    """A value of a type as builtins, and the strings in it."""

    def __init__(self, kind: object, variant: int = 0, ids: dict[str, str] | None = None) -> None:
        self._variant, self._ids = variant, ids or {}
        self.leaves: list[Leaf] = []
        self.value: Any = self._of(_type_info(kind), (), "", "")

    def _of(self, kind: inspect.Type, path: tuple[str | int, ...], struct: str, name: str) -> Any:
        field = f"{struct}.{name}"
        match kind:
            case inspect.StructType():
                return self._struct(kind, path)
            case inspect.UnionType():
                return self._union(kind, path, struct, name)
            case inspect.LiteralType(values=values) if isinstance(values[0], str):
                self.leaves.append(Leaf(path, field, True))
                return values[self._variant % len(values)]
            case inspect.StrType():
                self.leaves.append(Leaf(path, field, False))
                return self._ids.get(name, name or "text")
            case inspect.IntType():
                return _NOW if name.endswith(("At", "AtMs")) or name == "at" else 1
            case inspect.FloatType():
                return 0.5
            case inspect.BoolType():
                return self._variant % 2 == 1
            case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
                return self._some(item, path, struct, name)
            case inspect.BytesType():
                self.leaves.append(Leaf(path, field, False))
                return Base64(base64.b64encode(b"bytes").decode())
            case inspect.DictType(value_type=value):
                made = {"key": self._of(value, (*path, "key"), struct, name)}
                # After those within it: their paths have the name.
                self.leaves.append(Leaf((*path, Name("key")), field, False))
                return made
            case inspect.RawType() | inspect.AnyType():
                return self._raw(path, struct, name)
            case _:
                return None

    def _struct(self, kind: inspect.StructType, path: tuple[str | int, ...]) -> Json:
        struct = kind.cls.__name__
        made: Json = {}
        if kind.tag_field is not None:
            made[kind.tag_field] = kind.tag
            self.leaves.append(Leaf((*path, kind.tag_field), f"{struct}.{kind.tag_field}", True))
        for field in kind.fields:
            name = field.encode_name
            made[name] = self._of(field.type, (*path, name), struct, name)
        return made

    def _union(
        self, kind: inspect.UnionType, path: tuple[str | int, ...], struct: str, name: str
    ) -> Any:
        is_optional = any(isinstance(type_, inspect.NoneType) for type_ in kind.types)
        if is_optional and self._variant == ABSENT:
            return None
        some = [type_ for type_ in kind.types if not isinstance(type_, inspect.NoneType)]
        some = [kind for kind in some if not isinstance(kind, inspect.RawType)] or some
        if name == "id" and any(isinstance(kind, inspect.StrType) for kind in some):
            return self._of(inspect.StrType(), path, struct, name)
        return self._of(some[self._variant % len(some)], path, struct, name)

    def _some(
        self, item: inspect.Type, path: tuple[str | int, ...], struct: str, name: str
    ) -> list[Any]:
        """One of each kind that there can be."""
        kinds = item.types if isinstance(item, inspect.UnionType) else (item,)
        kinds = tuple(kind for kind in kinds if not isinstance(kind, inspect.RawType)) or kinds
        return [self._of(member, (*path, at), struct, name) for at, member in enumerate(kinds)]

    def _raw(self, path: tuple[str | int, ...], struct: str, name: str) -> Any:
        if name in RAW_EXAMPLES:
            return RAW_EXAMPLES[name]
        self.leaves.append(Leaf(path, f"{struct}.{name}", False))
        return name or "text"

    def poisoned(self, poison: Poison, leaves: list[Leaf] | None = None) -> Any:
        """The value with these strings, or all that are no words of enumerations, made evil."""
        chosen = [leaf for leaf in self.leaves if not leaf.is_word] if leaves is None else leaves
        value = copy.deepcopy(self.value)
        for leaf in sorted(chosen, key=lambda leaf: -len(leaf.path) if leaf.is_name else -1000):
            value = _replaced(value, leaf.path, lambda old, leaf=leaf: poison.of(leaf.field, old))
        return value


class Poison:
    """Evil texts, each with the number of the field that it stands in."""

    def __init__(self, first: int = 0) -> None:
        self.fields: dict[str, int] = {}
        self._first = first

    def of(self, field: str, old: object) -> str:
        """What stands in a field instead of what stood there."""
        number = self.fields.setdefault(field, self._first + len(self.fields))
        if isinstance(old, Base64):
            evil = self.of(field, base64.b64decode(old).decode())
            return base64.b64encode(evil.encode()).decode()
        return f"{old}<{number}>{EVIL}\n{FORGED}<{number}>"

    def drawn_in(self, output: str) -> set[str]:
        """The fields of which something was written."""
        return {field for field, number in self.fields.items() if f"<{number}>" in output}


def _replaced(value: Any, path: tuple[str | int, ...], change: Any) -> Any:
    if not path:
        return change(value)
    if isinstance(path[0], Name):
        value[change(path[0])] = value.pop(path[0])
        return value
    value[path[0]] = _replaced(value[path[0]], path[1:], change)
    return value


# What members hold that the protocol passes on as it came.
RAW_EXAMPLES: dict[str, Any] = {
    "records": {
        "seq": 1,
        "at": "2026-11-21T10:11:12.123456Z",
        "type": "thread.started",
        "v": 1,
        "data": {"instructions": "told", "cwd": "/w"},
        "crc": "00000000",
    },
    "config": {"hide_agent_reasoning": False, "show_raw_agent_reasoning": True},
    "readStates": {},
    "output": None,
    "textElements": [],
    "text_elements": [],
}


_RECORDS: tuple[tuple[str, Json], ...] = (
    ("thread.started", {"instructions": "base"}),
    ("context.added", {"category": "environment", "text": "where"}),
    ("context.added", {"category": "user_instructions", "text": "wanted"}),
)


def evil_records(poison: Poison) -> list[Json]:
    """Records of a log whose strings are evil, those that `show --instructions` reads among them."""
    source = {"path": poison.of("record.path", "/w/AGENTS.md"), "bytes": 3}
    records: list[Json] = [
        {"type": kind, "data": {**data, "sources": [source]}, "at": "2026-11-21T10:11:12Z"}
        for kind, data in _RECORDS
    ]
    for record in records:
        data: Json = record["data"]
        for name in {"instructions", "text"} & set(data):
            data[name] = poison.of(f"record.{name}", data[name])
    strange = {"category": poison.of("record.category", "strange"), "text": "text"}
    records.append({"type": "context.added", "at": "", "data": strange})
    unknown = {name: poison.of(f"record.{name}", name) for name in ("type", "at")}
    records.append({**unknown, "data": {"any": poison.of("record.data", "thing")}})
    return [{"seq": seq, **record} for seq, record in enumerate(records, 1)]
