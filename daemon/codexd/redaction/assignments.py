"""Values that are secret because of the name before them: `PASSWORD=…`, `?token=…`, `api_key: …`.

The name alone is not enough: programs are full of `token=token`. So the value is checked as well, more
strictly if the line may be from a program and not from a shell or a settings file.
"""

from __future__ import annotations

import re
from typing import Final

from codexd.redaction.names import (
    SECRET_CHARACTERS_MIN,
    is_harmless_value,
    is_secret_name,
    segments_of,
)

# The last part of such a name, or its last two parts: `key` alone is often the key of a table.
_ENDS: Final = frozenset(
    """
    PASSWORD PASSWD PASSPHRASE PASS PWD SECRET TOKEN APIKEY AUTHTOKEN SECRETKEY ACCESSKEY PRIVATEKEY SIGNINGKEY
    ENCRYPTIONKEY MASTERKEY ACCOUNTKEY AUTHKEY PAT MYSQLPWD PGPASSWORD
    """.split()  # noqa: SIM905
)
# Tokens that mark a position, and are no secrets.
_PLACES: Final = frozenset(
    "NEXT PAGE CONTINUATION CURSOR SYNC START END EOS BOS PAD UNK STOP PUBLIC PER".split()  # noqa: SIM905
)
_NAME_BYTES_MAX: Final = 80
_NAME_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
# Names in place of a value, and values of examples.
_PROGRAM_NAME: Final = re.compile(r"[A-Za-z_]++(?:\.[A-Za-z_]++)*+")
_CAPITALS: Final = re.compile(r"[A-Z]++(?:[_-][A-Z]++)++")
_EXAMPLES: Final = ("your", "example", "change", "xxx", "***", "...", "insert", "replace", "dummy")
# Query parameters with common names, so their value must look like a key.
_VAGUE: Final = frozenset({"key", "auth", "sig", "signature"})
_VAGUE_CHARACTERS_MIN: Final = 16


def is_assigned_secret(text: bytes, found: re.Match[bytes]) -> bool:
    """Whether the matched value is a secret, by its name and by its form."""
    value = found["secret"].decode(errors="replace")
    if len(value) < SECRET_CHARACTERS_MIN or _is_example(value):
        return False
    prefix = found[0][: found.start("secret") - found.start()]
    if prefix[:1] in (b"?", b"&"):  # of a URL
        name = prefix[1:-1].decode().lower()
        return name not in _VAGUE or (len(value) >= _VAGUE_CHARACTERS_MIN and _is_mixed(value))
    tail = prefix[: len(prefix) - len(prefix.lstrip(_NAME_LETTERS))]
    name = _begun(text, found.start()) + tail.decode()
    if not _is_named(name):
        return False
    if name.isupper() and prefix[len(tail) :].startswith(b"="):  # as in a shell or a settings file
        is_dotted = "." in value and _PROGRAM_NAME.fullmatch(value) is not None
        return _CAPITALS.fullmatch(value) is None and not is_dotted
    return _is_mixed(value)


def is_mixed(text: bytes, found: re.Match[bytes]) -> bool:
    """Whether the matched value has both digits and letters, as few words have."""
    value = found["secret"].decode(errors="replace")
    return _is_mixed(value) and not _is_example(value)


def _begun(text: bytes, at: int) -> str:
    """The part of the name before the match, if a match begins within a name."""
    lead = text[max(0, at - _NAME_BYTES_MAX) : at]
    word = lead[len(lead.rstrip(_NAME_LETTERS)) :]
    before = lead[len(lead) - len(word) - 1 : len(lead) - len(word)]
    if before == b"\\":
        word = word[1:] if word[:1] in b"bfnrt" else word  # of an escape
    elif before in (b"[", b";"):
        # Of a colour.
        word = word[word.find(b"m") + 1 :] if word[:1].isdigit() else word.lstrip(b"mK")
    return word.decode()


def _is_named(name: str) -> bool:
    segments = segments_of(name)
    if not segments or (not is_secret_name(name) and "".join(segments) not in _ENDS):
        return False
    if not _PLACES.isdisjoint(segments):
        return False
    return segments[-1] in _ENDS or "".join(segments[-2:]) in _ENDS


def _is_example(value: str) -> bool:
    lower = value.lower()
    return is_harmless_value(value) or lower.startswith(_EXAMPLES) or len(frozenset(value)) < 3


def _is_mixed(value: str) -> bool:
    return any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)
