"""The placeholders of secrets in a log, whose form cannot be mistaken for a secret.

    «secret GITHUB_TOKEN sha256:1a2b3c4d…»    replaced before it was written
    «scrubbed sha256:1a2b3c4d…»               taken out afterwards, by `codexctl scrub`

The digits are the first of the sha256 of the replaced text: equal digits mean the same text. Older logs have
eight digits. No character of a placeholder needs an escape in JSON, at any depth.
"""

from __future__ import annotations

import hashlib
import re

# 128 bits: two texts with the same digits cannot be found. For 32 bits a pair was found in 0.3 s.
HASH_DIGITS = 32
NAME_CHARACTERS_MAX = 80

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_STAND_IN = re.compile(
    r"«(?:secret [A-Za-z0-9_.-]{1,80}|scrubbed) sha256:[0-9a-f]{8}(?:[0-9a-f]{24})?»"
)


def secret_stand_in(name: str, secret: bytes) -> str:
    """The placeholder of a secret of this name or kind."""
    safe = _NOT_IN_A_NAME.sub("_", name)[:NAME_CHARACTERS_MAX] or "_"
    return f"«secret {safe} sha256:{_digits(secret)}»"


def scrubbed_stand_in(taken: bytes) -> str:
    """The placeholder of a text that a person scrubbed."""
    return f"«scrubbed sha256:{_digits(taken)}»"


def find_stand_in(text: str) -> str | None:
    """The first placeholder in a text."""
    if "«" not in text:
        return None
    found = _STAND_IN.search(text)
    return found[0] if found else None


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
