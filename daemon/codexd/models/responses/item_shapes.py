"""What an item must look like for anybody to read it: looked at where it comes in, since it stays for ever.

An item goes into the log as the provider sent it, and every fold of that log reads it again. One that a fold
could not read would stop its thread at each start; so it is refused here, as an answer that makes no sense.
What nobody reads may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from codexd.core.values.model_output import ItemKind


class _Part(msgspec.Struct, frozen=True, gc=False):
    type: str
    text: str = ""
    refusal: str = ""


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: tuple[_Part, ...] = ()
    role: str | None = None
    phase: str | None = None


class _Reasoning(msgspec.Struct, frozen=True, gc=False):
    summary: tuple[_Part, ...] = ()
    content: tuple[_Part, ...] | None = None
    encrypted_content: str | None = None


class _Call(msgspec.Struct, frozen=True, gc=False):
    arguments: str = ""
    input: str = ""


class _Other(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    role: str | None = None
    name: str = ""
    content: tuple[dict[str, object], ...] | str | None = None


_SHAPES: Final[Mapping[ItemKind, Callable[[msgspec.Raw], object]]] = {
    "message": msgspec.json.Decoder(_Message).decode,
    "reasoning": msgspec.json.Decoder(_Reasoning).decode,
    "call": msgspec.json.Decoder(_Call).decode,
    "other": msgspec.json.Decoder(_Other).decode,
}


def check_shape(kind: ItemKind, item: msgspec.Raw) -> None:
    """Raises: msgspec.DecodeError, for an item that is not of the shape of its kind."""
    _SHAPES[kind](item)
