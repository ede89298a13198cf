"""All types of the protocol: which messages have them, how they are named, and who sends them.

Law: a member is optional only where it may be absent. A client may leave out what has a default. The daemon leaves
out only what is unset, and the defaults of a struct with `omit_defaults`; a type that goes both ways is described as
a client may send it.
"""

from __future__ import annotations

import sys
import types
import typing
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import inspect

from codexd.protocol.methods import METHODS, NoParams
from codexd.protocol.not_offered import EMPTY_ANSWERS
from codexd.protocol.notifications import NOTIFICATIONS
from codexd.protocol.requests import SERVER_REQUESTS
from codexd.protocol.schema.comments import StructType
from codexd.protocol.wire.rpc import ErrorData

# A union of fewer structs is as clear without a name.
NAMED_UNION_MIN = 3


class Exchange(NamedTuple):
    """A request with its result; None: any JSON."""

    params: StructType | None
    result: StructType | None


class Messages(NamedTuple):
    """All messages, by their methods."""

    requests: Mapping[str, Exchange]
    notifications: Mapping[str, StructType]
    server_requests: Mapping[str, Exchange]
    error: StructType = ErrorData  # the `data` of an error


def protocol_messages() -> Messages:
    """Those of codexd, sorted by method."""
    requests = {name: Exchange(row.params, row.response) for name, row in METHODS.items()}
    requests |= {name: Exchange(NoParams, None) for name in EMPTY_ANSWERS}
    asked = {name: Exchange(*row) for name, row in SERVER_REQUESTS.items()}
    return Messages(
        dict(sorted(requests.items())),
        dict(sorted(NOTIFICATIONS.items())),
        dict(sorted(asked.items())),
    )


class Member(NamedTuple):
    """A member of an object on the wire."""

    field: str  # the struct's name for it
    name: str
    kind: inspect.Type
    optional: bool


class Catalogue:
    """The structs that the messages reach."""

    def __init__(self, messages: Messages) -> None:
        taken = [row.params for row in messages.requests.values()]
        taken += [row.result for row in messages.server_requests.values()]
        sent = [row.result for row in messages.requests.values()]
        sent += [row.params for row in messages.server_requests.values()]
        sent += [*messages.notifications.values(), messages.error]
        self._taken = _reached(taken)
        self._infos = _reached(sent) | self._taken
        self._names = _names(self._infos)
        self.unions = self._named_unions()  # name -> its structs

    @property
    def structs(self) -> list[StructType]:
        """All of them, by name."""
        return sorted(self._infos, key=self.name)

    def name(self, struct: StructType) -> str:
        """The name of a type, which no other has."""
        return self._names[struct]

    def members(self, struct: StructType) -> list[Member]:
        """The members of an object, the tag left out."""
        omits = struct.__struct_config__.omit_defaults or struct in self._taken
        unset = {
            field.name for field in msgspec.structs.fields(struct) if field.default is msgspec.UNSET
        }
        return [
            Member(
                field.name,
                field.encode_name,
                field.type,
                field.name in unset or (omits and not field.required),
            )
            for field in self._infos[struct].fields
        ]

    def may_be_left_out(self, params: StructType | None) -> bool:
        """Whether a request may come without them."""
        return params is None or all(member.optional for member in self.members(params))

    def tag(self, struct: StructType) -> tuple[str, str] | None:
        """The member by which a union is told apart, and its value."""
        info = self._infos[struct]
        return None if info.tag_field is None else (info.tag_field, str(info.tag))

    def parts(self, union: inspect.UnionType) -> list[inspect.Type | str]:
        """The alternatives of a union; several structs that have a name together are that name.

        JSON that is encoded already stands beside the type that it was encoded from.
        """
        known = [kind for kind in union.types if not isinstance(kind, inspect.RawType)]
        others = [kind for kind in known if not isinstance(kind, inspect.NoneType)]
        if not others:
            return list(union.types)
        structs = frozenset(kind.cls for kind in known if isinstance(kind, inspect.StructType))
        for name, together in self.unions.items():
            if structs == together:
                rest = [kind for kind in known if not isinstance(kind, inspect.StructType)]
                return [name, *rest]
        return list(known)

    def _named_unions(self) -> dict[str, frozenset[StructType]]:
        """The unions of these structs that a module of theirs has a name for."""
        found: dict[str, frozenset[StructType]] = {}
        for module in sorted({struct.__module__ for struct in self._infos}):
            for name, value in sorted(vars(sys.modules[module]).items()):
                if name.startswith("_") or not isinstance(value, types.UnionType):
                    continue
                members = frozenset(typing.get_args(value))
                if len(members) < NAMED_UNION_MIN or not members <= self._infos.keys():
                    continue
                if members not in found.values() and name not in self._names.values():
                    found[name] = members
        return dict(sorted(found.items()))


def _reached(roots: Iterable[StructType | None]) -> dict[StructType, inspect.StructType]:
    """The structs that these are made of."""
    found: dict[StructType, inspect.StructType] = {}
    waiting = list(inspect.multi_type_info([root for root in roots if root is not None]))
    while waiting:
        match waiting.pop():
            case inspect.StructType() as kind if kind.cls not in found:
                found[kind.cls] = kind
                waiting += [field.type for field in kind.fields]
            case inspect.UnionType() as kind:
                waiting += kind.types
            case inspect.VarTupleType() | inspect.ListType() as kind:
                waiting.append(kind.item_type)
            case inspect.DictType() as kind:
                waiting.append(kind.value_type)
            case _:
                pass
    return found


def _names(structs: Iterable[StructType]) -> dict[StructType, str]:
    """The names of the classes; where several have one, the module's name stands before it."""
    alike: dict[str, list[StructType]] = defaultdict(list)
    for struct in structs:
        alike[struct.__name__.lstrip("_")].append(struct)
    return {
        struct: name if len(same) == 1 else _stem(struct) + name
        for name, same in alike.items()
        for struct in same
    }


def _stem(struct: StructType) -> str:
    words = struct.__module__.rpartition(".")[2].split("_")
    return "".join(word.capitalize() for word in words)
