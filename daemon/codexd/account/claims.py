"""The claims of a token of OpenAI: e-mail, plan and account. No signature is verified, so they are only shown.

A token is three parts of base64url with dots between; the middle part is JSON (RFC 7519).
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Final

import msgspec

# Tokens have some kilobytes: they list the organisations of a person.
TOKEN_CHARACTERS_MAX: Final = 256 * 1024
# An e-mail address, a plan or an id; what is longer is something else.
CLAIM_CHARACTERS_MAX: Final = 320

_AUTH: Final = "https://api.openai.com/auth"
_PROFILE: Final = "https://api.openai.com/profile"


class Claims(msgspec.Struct, frozen=True):
    """What a token says of its person; None: nothing."""

    email: str | None = None
    plan: str | None = None
    account_id: str | None = None
    user_id: str | None = None
    expires_at: float | None = None  # Unix seconds


def read_claims(token: str) -> Claims | None:
    """The claims of a token; None where it is no token."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts) or len(token) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        members = msgspec.json.decode(urlsafe_b64decode(padded), type=dict[str, object])
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return None
    auth, profile = _table(members.get(_AUTH)), _table(members.get(_PROFILE))
    expires = members.get("exp")
    return Claims(
        email=_text(members.get("email")) or _text(profile.get("email")),
        plan=_text(auth.get("chatgpt_plan_type")),
        account_id=_text(auth.get("chatgpt_account_id")),
        user_id=_text(auth.get("chatgpt_user_id")) or _text(auth.get("user_id")),
        expires_at=float(expires) if isinstance(expires, int | float) else None,
    )


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    is_short = isinstance(value, str) and 0 < len(value) <= CLAIM_CHARACTERS_MAX
    return value if is_short and isinstance(value, str) and value.isprintable() else None
