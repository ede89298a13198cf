"""The shape of a type: every struct that it is made of, member by member, as one short hash.

What was encoded under one shape is not read under another, so whoever keeps encoded values that can be
made anew needs no versions for a member more or less.
"""

from __future__ import annotations

import hashlib
from typing import get_args, get_type_hints

import msgspec

# 64 bits tell the shapes of one program's versions apart.
SHAPE_DIGITS = 16


def shape_of(kind: type) -> str:
    """The same for the same members of the same types, in every process."""
    described: dict[str, str] = {}
    found: list[object] = [kind]
    while found:
        one = found.pop()
        found += get_args(one)
        if not isinstance(one, type) or not issubclass(one, msgspec.Struct):
            continue
        name = f"{one.__module__}.{one.__qualname__}"
        if name in described:
            continue
        hints = get_type_hints(one)
        config, encoded = one.__struct_config__, one.__struct_encode_fields__
        members = [hints[member] for member in one.__struct_fields__]
        described[name] = f"{config.tag} {config.array_like} {encoded} {members}"
        found += members
    whole = "\n".join(f"{name}: {described[name]}" for name in sorted(described))
    return hashlib.sha256(whole.encode()).hexdigest()[:SHAPE_DIGITS]
