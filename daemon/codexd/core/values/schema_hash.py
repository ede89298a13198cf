"""The shape of a type: a short hash of all structs in it, member by member.

A value that was encoded under another shape is not decoded, so caches of encoded values need no
version numbers.
"""

from __future__ import annotations

import hashlib
from typing import get_args, get_type_hints

import msgspec

# 64 bits are enough to distinguish the shapes of one program's versions.
SHAPE_DIGITS = 16


def shape_of(kind: type) -> str:
    """The hash of a type; equal for equal members and types, in every process."""
    described: dict[str, str] = {}
    found: list[object] = [kind]
    while found:
        kind_found = found.pop()
        found += get_args(kind_found)
        if not isinstance(kind_found, type) or not issubclass(kind_found, msgspec.Struct):
            continue
        name = f"{kind_found.__module__}.{kind_found.__qualname__}"
        if name in described:
            continue
        hints = get_type_hints(kind_found)
        config, encoded = kind_found.__struct_config__, kind_found.__struct_encode_fields__
        members = [hints[member] for member in kind_found.__struct_fields__]
        described[name] = f"{config.tag} {config.array_like} {encoded} {members}"
        found += members
    whole = "\n".join(f"{name}: {described[name]}" for name in sorted(described))
    return hashlib.sha256(whole.encode()).hexdigest()[:SHAPE_DIGITS]
